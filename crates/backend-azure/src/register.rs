use publisher::{Artifact, Cx, Error, Event, Kind, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    Azure, Config, Destination, Imported, Undo,
    client::versions,
    origin::{Origin, OriginKind},
    plan::Shape,
    sharing, tags,
};

/// What the image has become.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Registered {
    /// A managed image.
    ManagedImage {
        /// Its id.
        id: String,
    },
    /// A version in a gallery.
    Version(Version),
}

/// An image version that Azure has accepted, with all its target regions.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Version {
    /// The version's id.
    pub id: String,
    /// What it is copied from, if that is still there.
    pub origin: Option<Origin>,
    /// Where its operation's status is; none of a version that an earlier run made.
    pub operation: Option<String>,
}

impl Artifact for Registered {
    fn resources(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::ManagedImage { id } => vec![("managed_image", id.clone())],
            Self::Version(version) => {
                let origin = version.origin.iter().map(|origin| (origin.name(), origin.id.clone()));
                [("image_version", version.id.clone())].into_iter().chain(origin).collect()
            }
        }
    }
}

/// The features of a definition, all of them always sent: what is left out means different things to different
/// api-versions.
pub fn features(config: &Config, shape: &Shape) -> [(&'static str, String); 3] {
    let accelerated = if config.accelerated_networking.unwrap_or(true) { "True" } else { "False" };
    [
        ("SecurityType", shape.security_type.clone()),
        ("DiskControllerTypes", config.disk_controllers.clone().unwrap_or_else(|| "SCSI, NVMe".to_owned())),
        ("IsAcceleratedNetworkSupported", accelerated.to_owned()),
    ]
}

pub async fn register(azure: &Azure, cx: &Cx<Undo>, imported: &Imported) -> Result<Registered> {
    if azure.config.destination() == Destination::ManagedImage {
        // It is what was wanted, and belongs to the user from here on.
        cx.settle(imported.undos.iter().copied()).await?;
        return Ok(Registered::ManagedImage { id: imported.origin.id.clone() });
    }
    let decided = azure.decided()?;
    let id = azure.names.version(&decided.version.to_string());
    if is_made(azure, cx, &id).await? {
        // Another machine was quicker, and has made it of the same content.
        cx.settle(imported.undos.iter().copied()).await?;
        return Ok(Registered::Version(Version { id, origin: Some(imported.origin.clone()), operation: None }));
    }
    let undo = cx.on_failure(Undo::DeleteVersion { version: id.clone(), attempt: azure.attempt.clone() }).await?;
    let body = version_body(azure, cx, &imported.origin)?;
    let what = "making the image version";
    let accepted = cx.retry(what, || azure.arm.put(&id, versions::GALLERIES, &body)).await;
    let accepted = accepted.map_err(|error| error.context(format!("cannot make image version {}", decided.version)))?;
    // From here on the version and what it is copied from stay: replication that is cut off goes on in Azure, and a later
    // run finds the version, watches it, and then deletes what it was copied from.
    cx.settle([undo].into_iter().chain(imported.undos.iter().copied())).await?;
    cx.emit(Event::Created { kind: "image_version", id: id.clone() });
    let (origin, operation) = (Some(imported.origin.clone()), accepted.operation());
    Ok(Registered::Version(Version { id, origin, operation }))
}

/// Whether the version, or the managed image that was wanted, which an act has made is there, and has not failed.
pub async fn is_registered(azure: &Azure, cx: &Cx<Undo>, undo: &Undo) -> Result<bool> {
    let (id, api_version) = match undo {
        Undo::DeleteVersion { version, .. } => (version, versions::GALLERIES),
        Undo::DeleteImage { image, .. } => (image, versions::IMAGES),
        Undo::EndAccess { .. } | Undo::DeleteDisk { .. } => return Ok(false),
    };
    let there = cx.retry("looking for the image", || azure.arm.find(id, api_version)).await?;
    Ok(there
        .is_some_and(|found| !tags::is_intermediate(&found) && found["properties"]["provisioningState"] != "Failed"))
}

/// Whether the version has been made during the upload, by a run of the same key; by any other it must not have been. One that
/// failed is made again.
async fn is_made(azure: &Azure, cx: &Cx<Undo>, id: &str) -> Result<bool> {
    let there = cx.retry("looking for the image version", || azure.arm.find(id, versions::GALLERIES)).await?;
    match there {
        Some(version) if !tags::is_of_run(&version, cx.run()) => {
            Err(Error::new(Kind::Conflict, "another run has made this version in the meantime")
                .about(id)
                .with_hint("publish again: the next version is taken, or the same one if it is this image"))
        }
        Some(version) if version["properties"]["provisioningState"] == "Deleting" => {
            Err(Error::overtaken("another run of the same image takes back this version").about(id))
        }
        there => Ok(there.is_some_and(|version| version["properties"]["provisioningState"] != "Failed")),
    }
}

fn version_body(azure: &Azure, cx: &Cx<Undo>, origin: &Origin) -> Result<Value> {
    let decided = azure.decided()?;
    let source = match origin.kind {
        OriginKind::ManagedImage => json!({"source": {"id": origin.id}}),
        OriginKind::Disk => json!({"osDiskImage": {"hostCaching": "ReadOnly", "source": {"id": origin.id}}}),
    };
    Ok(json!({
        "location": decided.location,
        "tags": tags::tags(azure, cx.run(), decided),
        "properties": {
            "publishingProfile": publishing_profile(azure, decided.regions.iter().map(|region| region.0.as_str()))?,
            "storageProfile": source,
            "safetyProfile": {"allowDeletionOfReplicatedLocations": true},
        },
    }))
}

/// How a version is spread over regions.
pub fn publishing_profile<'a>(azure: &Azure, regions: impl Iterator<Item = &'a str>) -> Result<Value> {
    let config = &azure.config;
    let exclude = config.exclude_from_latest.unwrap_or_default();
    let target = |name: &str| {
        let region = config.region(name).cloned().unwrap_or_default();
        let storage = region.storage.as_deref().or(config.storage.as_deref());
        json!({
            "name": name,
            "regionalReplicaCount": region.replicas.or(config.replicas).unwrap_or(1),
            "storageAccountType": storage.unwrap_or("Standard_LRS"),
            "excludeFromLatest": region.exclude_from_latest.unwrap_or(exclude),
        })
    };
    let mut profile = json!({
        "replicationMode": "Full",
        "excludeFromLatest": exclude,
        "targetRegions": regions.map(target).collect::<Vec<_>>(),
    });
    if let Some(day) = config.end_of_life()? {
        profile["endOfLifeDate"] = day.into();
    }
    Ok(profile)
}

/// Makes the gallery and the definition that a version will lie in, if there is to be one and they are not there.
pub async fn ensure_place(azure: &Azure, cx: &Cx<Undo>) -> Result<()> {
    if azure.config.destination() == Destination::ManagedImage {
        return Ok(());
    }
    ensure_gallery(azure, cx).await?;
    ensure_definition(azure, cx).await
}

async fn ensure_gallery(azure: &Azure, cx: &Cx<Undo>) -> Result<()> {
    let properties = azure.config.sharing.as_ref().map_or(json!({}), sharing::gallery_properties);
    let body = json!({"location": azure.decided()?.location, "tags": azure.spec.tags, "properties": properties});
    ensure(azure, cx, "gallery", &azure.names.gallery(), &body).await
}

async fn ensure_definition(azure: &Azure, cx: &Cx<Undo>) -> Result<()> {
    let (decided, config) = (azure.decided()?, &azure.config);
    let shape = &decided.shape;
    let features = features(config, shape).map(|(name, value)| json!({"name": name, "value": value}));
    let sku = || format!("{}-{}", shape.generation, shape.architecture).to_lowercase();
    let body = json!({
        "location": decided.location,
        "tags": azure.spec.tags,
        "properties": {
            "description": azure.spec.description,
            "osType": "Linux",
            "osState": "Generalized",
            "hyperVGeneration": shape.generation,
            "architecture": shape.architecture,
            "identifier": {
                "publisher": config.publisher.as_deref().unwrap_or("publish"),
                "offer": config.offer.as_deref().unwrap_or(&azure.names.definition),
                "sku": config.sku.clone().unwrap_or_else(sku),
            },
            "features": features,
        },
    });
    ensure(azure, cx, "image definition", &azure.names.definition(), &body).await
}

/// Makes a resource that is shared by all versions, if it is not there. It is never changed and never taken back.
async fn ensure(azure: &Azure, cx: &Cx<Undo>, kind: &'static str, id: &str, body: &Value) -> Result<()> {
    let arm = &azure.arm;
    let reading = format!("reading the {kind}");
    if cx.retry(&reading, || arm.find(id, versions::GALLERIES)).await?.is_some() {
        return Ok(());
    }
    let what = format!("making the {kind}");
    let made = cx.retry(&what, || arm.put(id, versions::GALLERIES, body)).await;
    let made = made.map_err(|error| error.context(format!("cannot make the {kind}")))?;
    arm.finish(cx, &what, made).await?;
    cx.emit(Event::Created { kind, id: id.to_owned() });
    Ok(())
}
