//! Who may use a gallery: permissions that are chosen when it is made, and `POST …/share`.

use serde_json::{Value, json};

use super::{
    arm::{Path, required, text},
    error::{ArmError, arm, invalid},
    operations::{self, Operation},
    resource::Resource,
};
use crate::{
    ids,
    message::{Call, Reply},
    server::World,
};

/// Limits of direct sharing (Compute Gallery, "Share images", limitations).
const MOST: [(&str, usize); 2] = [("Subscriptions", 30), ("AADTenants", 5)];

fn permissions(gallery: &Resource) -> &str {
    text(&gallery.properties, "/sharingProfile/permissions").unwrap_or("Private")
}

/// Whether everyone may use the gallery.
pub fn is_public(gallery: &Resource) -> bool {
    gallery.properties["sharingProfile"]["communityGalleryInfo"]["communityGalleryEnabled"] == true
}

/// Azure's rules for the profile that a gallery is made with.
pub fn check_profile(gallery: &Resource) -> Result<(), ArmError> {
    let community = &gallery.properties["sharingProfile"]["communityGalleryInfo"];
    match permissions(gallery) {
        "Private" | "Groups" if community.is_null() => Ok(()),
        "Private" | "Groups" => Err(invalid("communityGalleryInfo may be set for a community gallery only.")),
        "Community" => {
            for field in ["/publisherUri", "/publisherContact", "/eula", "/publicNamePrefix"] {
                required(community, field)?;
            }
            Ok(())
        }
        other => Err(invalid(format!("The permissions '{other}' are none of Private, Groups and Community."))),
    }
}

/// Keeps what a gallery has been shared with when it is put again; its permissions stay what they were.
pub fn carry_over(old: &Resource, new: &mut Resource) -> Result<(), ArmError> {
    if permissions(old) != permissions(new) {
        let message = "Changing property 'sharingProfile.permissions' is not allowed.";
        return Err(arm(409, "PropertyChangeNotAllowed", message));
    }
    if !old.properties["sharingProfile"].is_null() {
        new.properties["sharingProfile"] = old.properties["sharingProfile"].clone();
    }
    Ok(())
}

/// Without `$expand=SharingProfile/Groups` a gallery does not say with whom it is shared.
pub fn hide_groups(view: &mut Value) {
    if let Some(profile) = view["properties"]["sharingProfile"].as_object_mut() {
        profile.remove("groups");
    }
}

pub fn share(world: &World, call: &Call, path: &Path) -> Result<Reply, ArmError> {
    let body = call.json();
    let mut state = world.azure.state();
    let gallery = state.resources.get_mut(&path.key());
    let gallery = gallery.ok_or_else(|| arm(404, "ResourceNotFound", "The gallery was not found."))?;
    let permissions = permissions(gallery).to_owned();
    let profile = &mut gallery.properties["sharingProfile"];
    match (required(&body, "/operationType")?, permissions.as_str()) {
        ("EnableCommunity", "Community") => {
            let info = &mut profile["communityGalleryInfo"];
            let prefix = info["publicNamePrefix"].as_str().unwrap_or_default().to_owned();
            info["communityGalleryEnabled"] = true.into();
            if info["publicNames"].is_null() {
                info["publicNames"] = json!([format!("{prefix}-{}", ids::random())]);
            }
        }
        ("Add", "Groups") => {
            for group in body["groups"].as_array().into_iter().flatten() {
                add(profile, group)?;
            }
        }
        ("Remove", "Groups") => {
            for group in body["groups"].as_array().into_iter().flatten() {
                remove(profile, group);
            }
        }
        ("Reset", _) => *profile = json!({"permissions": "Private"}),
        (operation, permissions) => {
            let message = format!(
                "The operation '{operation}' is not allowed for a gallery whose permissions are {permissions}."
            );
            return Err(arm(409, "OperationNotAllowed", message));
        }
    }
    drop(state);
    let ready_at = world.clock.now() + world.pace.arm;
    let operation = Operation { ready_at, resource: Some(path.key()), output: None, error: None };
    Ok(operations::follow(world, call, Reply::json(202, &body), operation))
}

fn remove(profile: &mut Value, group: &Value) {
    let gone = group["ids"].as_array().cloned().unwrap_or_default();
    let groups = profile["groups"].as_array_mut().into_iter().flatten();
    for ids in groups.filter(|there| there["type"] == group["type"]).filter_map(|there| there["ids"].as_array_mut()) {
        ids.retain(|id| !gone.contains(id));
    }
}

fn add(profile: &mut Value, group: &Value) -> Result<(), ArmError> {
    let kind = required(group, "/type")?;
    let (_, most) = MOST
        .iter()
        .find(|(name, _)| *name == kind)
        .ok_or_else(|| invalid(format!("The group type '{kind}' is unknown.")))?;
    if profile["groups"].is_null() {
        profile["groups"] = json!([]);
    }
    let Some(groups) = profile["groups"].as_array_mut() else { return Err(invalid("The groups are no list.")) };
    if !groups.iter().any(|there| there["type"] == kind) {
        groups.push(json!({"type": kind, "ids": []}));
    }
    let there = groups.iter_mut().find(|there| there["type"] == kind).and_then(|there| there["ids"].as_array_mut());
    let there = there.ok_or_else(|| invalid("The ids are no list."))?;
    for id in group["ids"].as_array().into_iter().flatten() {
        if !there.contains(id) {
            there.push(id.clone());
        }
    }
    if there.len() > *most {
        return Err(invalid(format!("A gallery can be shared with at most {most} {kind}.")));
    }
    Ok(())
}
