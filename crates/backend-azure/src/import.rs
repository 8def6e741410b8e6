use publisher::{Cx, Event, Result, UndoId};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{Azure, Destination, Source, Undo, Uploaded, client::versions, tags, upload::disk};

/// What a gallery version can be made from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Imported {
    /// The disk, validated.
    pub disk: String,
    /// The managed image of it; none where the version is made from the disk itself.
    pub managed_image: Option<String>,
    /// The undo that deletes the managed image.
    pub undo: Option<UndoId>,
}

pub async fn import(azure: &Azure, cx: &Cx<Undo>, uploaded: &Uploaded) -> Result<Imported> {
    disk::end_access(azure, cx, &uploaded.disk).await.map_err(|error| error.context("Azure did not take the disk"))?;
    cx.settle([uploaded.access]).await?;
    let decided = azure.decided()?;
    if decided.shape.source == Source::Disk {
        return Ok(Imported { disk: uploaded.disk.clone(), managed_image: None, undo: None });
    }
    let id = azure.names.managed_image(&decided.version.to_string());
    let stays = azure.config.destination() == Destination::ManagedImage || azure.config.keep_image.unwrap_or_default();
    let undo = cx.on_failure(Undo::DeleteImage { image: id.clone() }).await?;
    let body = json!({
        "location": decided.location,
        "tags": tags::of_intermediate(azure, cx.run(), decided, stays),
        "properties": {
            "hyperVGeneration": decided.shape.generation,
            "storageProfile": {"osDisk": {
                "osType": "Linux",
                "osState": "Generalized",
                "managedDisk": {"id": uploaded.disk},
            }},
        },
    });
    let what = "making the managed image";
    let made = cx.retry(what, || azure.arm.put(&id, versions::IMAGES, &body)).await;
    let made = made.map_err(|error| error.context("cannot make the managed image"))?;
    azure.arm.finish(cx, what, made).await?;
    cx.emit(Event::Created { kind: "managed_image", id: id.clone() });
    Ok(Imported { disk: uploaded.disk.clone(), managed_image: Some(id), undo: Some(undo) })
}
