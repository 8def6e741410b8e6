//! Who else may use the gallery.

use publisher::{Cx, Kind, Result};
use serde_json::{Value, json};

use crate::{Azure, Sharing, Undo, client::versions};

/// What a gallery is told when it is made. What everyone is told goes with a community gallery alone: Azure refuses it with
/// any other.
pub fn gallery_properties(sharing: &Sharing) -> Value {
    let mut profile = json!({"permissions": sharing.permissions()});
    if let Some(community) = &sharing.community {
        profile["communityGalleryInfo"] = json!({
            "publisherUri": community.publisher,
            "publisherContact": community.contact,
            "eula": community.eula,
            "publicNamePrefix": community.prefix,
        });
    }
    json!({"sharingProfile": profile})
}

/// What sharing came to.
pub struct Shared {
    /// Whether anything had to be changed.
    pub changed: bool,
    /// The version, as those call it with whom it is shared.
    pub resources: Vec<(&'static str, String)>,
}

/// Shares the gallery with those who do not have it yet. Nobody is taken off it.
pub async fn share(azure: &Azure, cx: &Cx<Undo>, version: &str) -> Result<Shared> {
    let Some(sharing) = &azure.config.sharing else { return Ok(Shared { changed: false, resources: Vec::new() }) };
    let mut gallery = read(azure, cx).await?;
    let request = missing(sharing, &gallery["properties"]["sharingProfile"]);
    let changed = request.is_some();
    if let Some(body) = request {
        let what = "sharing the gallery";
        let action = format!("{}/share", azure.names.gallery());
        let sent = cx.retry(what, || azure.arm.post(&action, versions::GALLERIES, Some(&body))).await;
        let sent = sent.map_err(|error| match error.kind() {
            Kind::Denied => error.context("cannot share the gallery").with_hint(
                "the identity needs Microsoft.Compute/galleries/share/action, which Contributor does not have and the role \
                 Compute Gallery Sharing Admin has",
            ),
            _ => error.context("cannot share the gallery"),
        })?;
        azure.arm.finish(cx, what, sent).await?;
        gallery = read(azure, cx).await?;
    }
    Ok(Shared { changed, resources: public_ids(azure, &gallery["properties"], version) })
}

/// Whether the gallery is not shared yet with all that it is to be shared with.
pub async fn is_due(azure: &Azure, cx: &Cx<Undo>) -> Result<bool> {
    let Some(sharing) = &azure.config.sharing else { return Ok(false) };
    Ok(missing(sharing, &read(azure, cx).await?["properties"]["sharingProfile"]).is_some())
}

/// The version, as those call it with whom its gallery is shared.
pub async fn shared_as(azure: &Azure, cx: &Cx<Undo>, version: &str) -> Result<Vec<(&'static str, String)>> {
    Ok(public_ids(azure, &read(azure, cx).await?["properties"], version))
}

/// The gallery, with whom it is shared.
async fn read(azure: &Azure, cx: &Cx<Undo>) -> Result<Value> {
    let id = azure.names.gallery();
    let expand = [("$expand", "SharingProfile/Groups")];
    cx.retry("reading the gallery", || azure.arm.get(&id, versions::GALLERIES, &expand)).await
}

/// What is to be asked for, if anything.
fn missing(sharing: &Sharing, profile: &Value) -> Option<Value> {
    if sharing.community.is_some() {
        let enabled = profile["communityGalleryInfo"]["communityGalleryEnabled"] == true;
        return (!enabled).then(|| json!({"operationType": "EnableCommunity"}));
    }
    let groups = [("Subscriptions", &sharing.subscriptions), ("AADTenants", &sharing.tenants)];
    let groups: Vec<_> = groups
        .into_iter()
        .filter_map(|(kind, wanted)| {
            let there = ids(profile, kind);
            let ids: Vec<_> = wanted.0.iter().filter(|id| !there.contains(&id.to_lowercase())).collect();
            (!ids.is_empty()).then(|| json!({"type": kind, "ids": ids}))
        })
        .collect();
    (!groups.is_empty()).then(|| json!({"operationType": "Add", "groups": groups}))
}

fn ids(profile: &Value, kind: &str) -> Vec<String> {
    let groups = profile["groups"].as_array().into_iter().flatten().filter(|group| group["type"] == kind);
    let ids = groups.flat_map(|group| group["ids"].as_array().into_iter().flatten());
    ids.filter_map(Value::as_str).map(str::to_lowercase).collect()
}

/// Ids in the forms that a machine's `imageReference` takes (Compute Gallery, "Create a VM from a generalized image
/// version").
fn public_ids(azure: &Azure, gallery: &Value, version: &str) -> Vec<(&'static str, String)> {
    let number = version.rsplit('/').next().unwrap_or_default();
    let within =
        |kind: &str, gallery: &str| format!("/{kind}/{gallery}/Images/{}/Versions/{number}", azure.names.definition);
    let profile = &gallery["sharingProfile"];
    let is = |permissions: &str| profile["permissions"].as_str().is_some_and(|p| p.eq_ignore_ascii_case(permissions));
    let community = profile["communityGalleryInfo"]["publicNames"][0].as_str().filter(|_| is("Community"));
    let shared = gallery["identifier"]["uniqueName"].as_str().filter(|_| is("Groups"));
    let community = community.map(|name| ("community_image", within("CommunityGalleries", name)));
    let shared = shared.map(|name| ("shared_image", within("SharedGalleries", name)));
    community.into_iter().chain(shared).collect()
}
