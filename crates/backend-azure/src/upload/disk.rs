use publisher::{Attempt, Cx, Error, Event, Kind, Result, UndoId};
use serde_json::{Value, json};
use vhd::SECTOR;

use crate::{Azure, Undo, client::versions, config::plain, tags, takeover::take_over};

/// Makes the resource group, if it is not there. It is shared with others, so no run ever takes it back.
pub async fn ensure_group(azure: &Azure, cx: &Cx<Undo>) -> Result<()> {
    let id = azure.names.group();
    let arm = &azure.arm;
    if cx.retry("reading the resource group", || arm.find(&id, versions::RESOURCE_GROUPS)).await?.is_some() {
        return Ok(());
    }
    let body = json!({"location": azure.decided()?.location, "tags": azure.spec.tags});
    let what = "making the resource group";
    let made = cx.retry(what, || arm.put(&id, versions::RESOURCE_GROUPS, &body)).await;
    let made =
        made.map_err(|error| error.context(format!("cannot make the resource group {}", azure.names.resource_group)))?;
    arm.finish(cx, what, made).await.map(drop)
}

/// A disk to upload to.
pub struct Disk {
    pub id: String,
    /// The undo that deletes it.
    pub undo: UndoId,
    pub holds: Holds,
}

/// What was written to a disk before.
pub enum Holds {
    /// Nothing: what is not written reads as zeros.
    Nothing,
    /// What an earlier attempt of the same run wrote, and whoever else could open it.
    PagesOf(Attempt),
    /// The whole image, and nobody can write to it any more. It may be open for reading: a run may be killed while it reads it
    /// back.
    Everything { is_open: bool },
}

/// Makes the disk. Its undo is due however the run ends, unless the user keeps it. A disk that the run made before is taken
/// over: while it can still be uploaded to, and when all of the image is on it.
pub async fn create(azure: &Azure, cx: &Cx<Undo>) -> Result<Disk> {
    let arm = &azure.arm;
    let id = azure.names.disk(cx.run().short());
    let earlier = cx.retry("looking for an earlier disk", || arm.find(&id, versions::DISKS)).await?;
    if earlier.as_ref().is_some_and(|disk| !tags::is_of_run(disk, cx.run())) {
        let text = "a disk of this name is there, and this run did not make it";
        return Err(Error::new(Kind::Conflict, text).about(id).with_hint("delete it, or name another resource group"));
    }
    let undo = Undo::DeleteDisk { disk: id.clone(), attempt: azure.attempt.clone() };
    let undo =
        if azure.config.keep_disk.unwrap_or_default() { cx.on_failure(undo).await } else { cx.always(undo).await }?;
    let body = body(azure, cx)?;
    let holds = earlier.as_ref().map_or(Holds::Nothing, |disk| held(disk, &body));
    if let Some(holds) = take_over_disk(azure, cx, &id, &body, holds).await? {
        return Ok(Disk { id, undo, holds });
    }
    if earlier.is_some() {
        discard(azure, cx, &id).await?;
    }
    let what = "making the disk";
    let made = cx.retry(what, || arm.put(&id, versions::DISKS, &body)).await;
    let made = made.map_err(|error| error.context("cannot make the disk to upload to"))?;
    arm.finish(cx, what, made).await?;
    cx.emit(Event::Created { kind: "disk", id: id.clone() });
    Ok(Disk { id, undo, holds: Holds::Nothing })
}

/// Takes over a disk that holds something of use; none if that is not to be.
async fn take_over_disk(azure: &Azure, cx: &Cx<Undo>, id: &str, body: &Value, holds: Holds) -> Result<Option<Holds>> {
    let body = match &holds {
        Holds::Nothing => return Ok(None),
        Holds::PagesOf(_) => body.clone(),
        Holds::Everything { .. } => whole(body),
    };
    if !take_over(azure, cx, "disk", id, versions::DISKS, &body).await? {
        return Ok(None);
    }
    // Had another machine deleted it meanwhile, this would have made it: an empty one.
    let now = cx.retry("reading the disk", || azure.arm.find(id, versions::DISKS)).await?;
    Ok(match (now.as_ref().map_or(Holds::Nothing, |disk| held(disk, &body)), holds) {
        (Holds::PagesOf(_), Holds::PagesOf(earlier)) => Some(Holds::PagesOf(earlier)),
        (Holds::Everything { is_open }, Holds::Everything { .. }) => Some(Holds::Everything { is_open }),
        _ => None,
    })
}

/// Deletes a disk of the run's, whichever attempt has it now.
async fn discard(azure: &Azure, cx: &Cx<Undo>, id: &str) -> Result<()> {
    let there = cx.retry("reading the disk", || azure.arm.find(id, versions::DISKS)).await?;
    let Some(there) = there.filter(|disk| tags::is_of_run(disk, cx.run())) else { return Ok(()) };
    let undo = Undo::DeleteDisk { disk: id.to_owned(), attempt: tags::attempt_of(&there) };
    cx.retry("deleting an earlier disk", || crate::undo::undo(azure, cx, &undo)).await
}

/// Notes on a disk that everything was sent to it. It is closed next, and then nothing else tells whether it is whole. All that
/// depends on it is how much is sent again by the next run, should this one be killed.
pub async fn mark_whole(azure: &Azure, cx: &Cx<Undo>, disk: &str) -> Result<()> {
    if !take_over(azure, cx, "disk", disk, versions::DISKS, &whole(&body(azure, cx)?)).await? {
        let message = "Azure does not let it be noted that the disk is whole".to_owned();
        cx.emit(Event::Warning { message });
    }
    Ok(())
}

/// The same disk, to which everything was sent.
fn whole(body: &Value) -> Value {
    let mut body = body.clone();
    body["tags"] = tags::of_whole(body["tags"].take());
    body
}

fn body(azure: &Azure, cx: &Cx<Undo>) -> Result<Value> {
    let decided = azure.decided()?;
    Ok(json!({
        "location": decided.location,
        "sku": {"name": "Standard_LRS"},
        "tags": tags::of_intermediate(azure, cx.run(), decided, azure.config.keep_disk.unwrap_or_default()),
        "properties": {
            "osType": "Linux",
            "hyperVGeneration": decided.shape.generation,
            "creationData": {"createOption": "Upload", "uploadSizeBytes": decided.shape.disk_size + SECTOR},
            "supportedCapabilities": {
                "architecture": decided.shape.architecture,
                "diskControllerTypes": azure.config.disk_controllers.as_deref().unwrap_or("SCSI, NVMe"),
                "acceleratedNetwork": azure.config.accelerated_networking.unwrap_or(true),
            },
        },
    }))
}

/// What a disk of the run's holds; nothing of use, if it is not as it would be made.
fn held(disk: &Value, body: &Value) -> Holds {
    let (found, wanted) = (&disk["properties"], &body["properties"]);
    // What Azure says beyond what it was told makes no difference.
    let same = |field: &str| match wanted.pointer(field) {
        Some(Value::Object(fields)) => fields.iter().all(|(name, value)| found[&field[1..]][name] == *value),
        value => value == found.pointer(field),
    };
    let is_there = disk["location"].as_str().map(plain) == body["location"].as_str().map(plain);
    let is_alike =
        ["/creationData/uploadSizeBytes", "/hyperVGeneration", "/supportedCapabilities"].into_iter().all(same);
    // Compute specification, "DiskRP.json", `DiskState`.
    match found["diskState"].as_str() {
        _ if !(is_there && is_alike) => Holds::Nothing,
        Some("ReadyToUpload" | "ActiveUpload") => Holds::PagesOf(tags::attempt_of(disk)),
        Some(state @ ("Unattached" | "ActiveSAS")) if tags::is_whole(disk) => {
            Holds::Everything { is_open: state == "ActiveSAS" }
        }
        _ => Holds::Nothing,
    }
}

/// That nobody has taken the disk over.
pub async fn check_owner(azure: &Azure, cx: &Cx<Undo>, disk: &str) -> Result<()> {
    let there = cx.retry("reading the disk", || azure.arm.find(disk, versions::DISKS)).await?;
    let owner = there.as_ref().map(tags::attempt_of);
    if owner.as_ref() == Some(&azure.attempt) {
        return Ok(());
    }
    let who = owner.map_or_else(
        || "somebody has deleted the disk".to_owned(),
        |owner| format!("{owner} publishes the same image and has taken over the disk"),
    );
    Err(Error::overtaken(who).about(disk))
}

/// Ends the access. Azure validates what was uploaded here, and not before.
pub async fn end_access(azure: &Azure, cx: &Cx<Undo>, disk: &str) -> Result<()> {
    let what = "ending the disk's access";
    let action = format!("{disk}/endGetAccess");
    let ended = cx.retry(what, || azure.arm.post(&action, versions::DISKS, None)).await?;
    azure.arm.finish(cx, what, ended).await.map(drop)
}
