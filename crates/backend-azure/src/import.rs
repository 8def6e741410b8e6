use futures::future::join;
use publisher::{Cx, Error, Event, Kind, Result, UndoId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    Azure, Source, Undo, Uploaded,
    client::versions,
    origin::{Origin, OriginKind},
    plan::Decided,
    register, tags,
    takeover::take_over,
    undo,
    upload::{disk, verify},
};

/// What a gallery version can be made from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Imported {
    /// The managed image, or the disk itself.
    pub origin: Origin,
    /// What takes back what is the user's once the version is accepted, or the managed image is what was wanted.
    pub undos: Vec<UndoId>,
}

pub async fn import(azure: &Azure, cx: &Cx<Undo>, uploaded: &Uploaded) -> Result<Imported> {
    if let Some(access) = uploaded.access {
        // Before, so as not to close another's disk; and after, when nobody can write to it any more.
        disk::check_owner(azure, cx, &uploaded.disk).await?;
        disk::mark_whole(azure, cx, &uploaded.disk).await?;
        let ended = disk::end_access(azure, cx, &uploaded.disk).await;
        ended.map_err(|error| error.context("Azure did not take the disk"))?;
        cx.settle([access]).await?;
    }
    disk::check_owner(azure, cx, &uploaded.disk).await?;
    if azure.config.verify.unwrap_or_default() {
        verify::read_back(azure, cx, &uploaded.disk).await?;
    }
    let keeps_disk = azure.config.keep_disk.unwrap_or_default();
    if azure.decided()?.shape.source == Source::Disk {
        let (kind, id, attempt) = (OriginKind::Disk, uploaded.disk.clone(), azure.attempt.clone());
        register::ensure_place(azure, cx).await?;
        return Ok(Imported { origin: Origin { kind, id, attempt, stays: keeps_disk }, undos: vec![uploaded.undo] });
    }
    // What the version will lie in is made beside the image that it will be made of.
    let (image, place) = join(make_image(azure, cx, &uploaded.disk), register::ensure_place(azure, cx)).await;
    // Neither is left on its way: what became of it would not be known.
    let ((origin, undo), ()) = (image?, place?);
    Ok(Imported { origin, undos: undo.into_iter().chain(keeps_disk.then_some(uploaded.undo)).collect() })
}

/// The managed image that a run makes: one that stays has its version in its name.
pub fn image_id(azure: &Azure, cx: &Cx<Undo>, decided: &Decided) -> String {
    if azure.keeps_image() {
        azure.names.managed_image(&decided.version.to_string())
    } else {
        azure.names.intermediate_image(cx.run().short())
    }
}

/// Makes the managed image, or takes over the one that a run of the same key made before: it is of the same disk.
async fn make_image(azure: &Azure, cx: &Cx<Undo>, disk: &str) -> Result<(Origin, Option<UndoId>)> {
    let decided = azure.decided()?;
    let stays = azure.keeps_image();
    let id = image_id(azure, cx, decided);
    let there = cx.retry("looking for the managed image", || azure.arm.find(&id, versions::IMAGES)).await?;
    if there.as_ref().is_some_and(|image| !tags::is_of_run(image, cx.run())) {
        return Err(taken(&id));
    }
    let body = body(azure, cx, disk, stays)?;
    let origin = Origin { kind: OriginKind::ManagedImage, id: id.clone(), attempt: azure.attempt.clone(), stays };
    let state = there.as_ref().and_then(|image| image["properties"]["provisioningState"].as_str());
    if stays && state == Some("Succeeded") {
        // It may be what another machine has reported by now: it is used, and by nobody here taken back.
        return Ok((Origin { attempt: tags::attempt_of(&there.unwrap_or_default()), ..origin }, None));
    }
    let undo = cx.on_failure(Undo::DeleteImage { image: id.clone(), attempt: azure.attempt.clone() }).await?;
    if there.is_some() {
        if state != Some("Failed") && take_over(azure, cx, "managed image", &id, versions::IMAGES, &body).await? {
            return Ok((origin, Some(undo)));
        }
        let delete = || undo::delete(azure, cx, "managed image", &id, versions::IMAGES);
        cx.retry("deleting an earlier managed image", delete).await?;
    }
    let what = "making the managed image";
    let made = cx.retry(what, || azure.arm.put(&id, versions::IMAGES, &body)).await;
    let made = made.map_err(|error| error.context("cannot make the managed image"))?;
    azure.arm.finish(cx, what, made).await?;
    cx.emit(Event::Created { kind: "managed_image", id });
    Ok((origin, Some(undo)))
}

/// What is said of a managed image that has the name which ours is to have.
pub fn taken(id: &str) -> Error {
    Error::new(Kind::Conflict, "a managed image of this name is there, and this run did not make it")
        .about(id)
        .with_hint("give the image another definition or version, or another resource group")
}

fn body(azure: &Azure, cx: &Cx<Undo>, disk: &str, stays: bool) -> Result<Value> {
    let decided = azure.decided()?;
    Ok(json!({
        "location": decided.location,
        "tags": tags::of_intermediate(azure, cx.run(), decided, stays),
        "properties": {
            "hyperVGeneration": decided.shape.generation,
            "storageProfile": {"osDisk": {
                "osType": "Linux",
                "osState": "Generalized",
                "managedDisk": {"id": disk},
            }},
        },
    }))
}
