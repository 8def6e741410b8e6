use std::{sync::Arc, time::Duration};

use publisher::{Cx, Error, Event, Kind, Result, SecretUrl, UndoId};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    Azure, Undo,
    client::{Arm, versions},
    config::plain,
    tags,
};

/// How long a write access lasts, if nothing else is configured.
const ACCESS: Duration = Duration::from_secs(24 * 60 * 60);

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
    /// Whether nothing was ever written to it: then what is not written reads as zeros.
    pub is_new: bool,
}

/// Makes the disk; `upload_size` counts its footer. Its undo is due however the run ends, unless the user keeps it. A disk
/// that the run made before, and of which no journal tells any more, is taken over while it can still be uploaded to.
pub async fn create(azure: &Azure, cx: &Cx<Undo>, upload_size: u64) -> Result<Disk> {
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
    let body = body(azure, cx, upload_size)?;
    let is_new = !earlier.as_ref().is_some_and(|disk| can_be_taken_over(disk, &body));
    if let (true, Some(earlier)) = (is_new, &earlier) {
        let attempt = tags::attempt_of(earlier).unwrap_or_default().to_owned();
        let undo = Undo::DeleteDisk { disk: id.clone(), attempt };
        cx.retry("deleting an earlier disk", || crate::undo::undo(azure, cx, &undo)).await?;
    }
    // Of a disk that is there this changes the tags alone: it is ours from now on.
    let what = "making the disk";
    let made = cx.retry(what, || arm.put(&id, versions::DISKS, &body)).await;
    let made = made.map_err(|error| error.context("cannot make the disk to upload to"))?;
    arm.finish(cx, what, made).await?;
    cx.emit(Event::Created { kind: "disk", id: id.clone() });
    Ok(Disk { id, undo, is_new })
}

fn body(azure: &Azure, cx: &Cx<Undo>, upload_size: u64) -> Result<Value> {
    let decided = azure.decided()?;
    Ok(json!({
        "location": decided.location,
        "sku": {"name": "Standard_LRS"},
        "tags": tags::of_intermediate(azure, cx.run(), decided, azure.config.keep_disk.unwrap_or_default()),
        "properties": {
            "osType": "Linux",
            "hyperVGeneration": decided.shape.generation,
            "creationData": {"createOption": "Upload", "uploadSizeBytes": upload_size},
            "supportedCapabilities": {
                "architecture": decided.shape.architecture,
                "diskControllerTypes": azure.config.disk_controllers.as_deref().unwrap_or("SCSI, NVMe"),
                "acceleratedNetwork": azure.config.accelerated_networking.unwrap_or(true),
            },
        },
    }))
}

/// Whether a disk still waits for its content (compute specification, "DiskRP.json", `DiskState`), and is as it would be
/// made.
fn can_be_taken_over(disk: &Value, body: &Value) -> bool {
    let (found, wanted) = (&disk["properties"], &body["properties"]);
    let waits = matches!(found["diskState"].as_str(), Some("ReadyToUpload" | "ActiveUpload"));
    let same = |field: &str| wanted.pointer(field) == found.pointer(field);
    let is_there = disk["location"].as_str().map(plain) == body["location"].as_str().map(plain);
    waits
        && is_there
        && ["/creationData/uploadSizeBytes", "/hyperVGeneration", "/supportedCapabilities"].into_iter().all(same)
}

/// That nobody has taken the disk over.
pub async fn check_owner(azure: &Azure, cx: &Cx<Undo>, disk: &str) -> Result<()> {
    let there = cx.retry("reading the disk", || azure.arm.find(disk, versions::DISKS)).await?;
    if there.as_ref().and_then(tags::attempt_of) == Some(&azure.attempt) {
        return Ok(());
    }
    Err(Error::new(Kind::Conflict, "another run of the same image has taken the disk over")
        .about(disk)
        .with_hint("publish again when that run has ended: what it has made is found"))
}

/// An address that a disk can be written to, for a while.
#[derive(Debug)]
pub struct Grant {
    pub sas: SecretUrl,
    /// When it is time for another. A disk's signature names a stored policy and carries no expiry of its own, so it is
    /// ours to keep.
    pub renew_at: Instant,
}

/// Opens a disk for writing, as often as it takes.
#[derive(Clone, Debug)]
pub struct Access {
    arm: Arc<Arm>,
    cx: Cx<Undo>,
    disk: String,
    lasts: Duration,
}

impl Access {
    /// The access to a disk. The undo that closes it again is journalled before it is first opened.
    pub async fn new(azure: &Azure, cx: &Cx<Undo>, disk: &str) -> Result<(UndoId, Self)> {
        let undo = cx.always(Undo::EndAccess { disk: disk.to_owned(), attempt: azure.attempt.clone() }).await?;
        let lasts = azure.config.access_minutes.map_or(ACCESS, |minutes| Duration::from_secs(u64::from(minutes) * 60));
        Ok((undo, Self { arm: azure.arm.clone(), cx: cx.clone(), disk: disk.to_owned(), lasts }))
    }

    /// Opens the disk. It is not closed before: closing ends the upload, and has what is there so far validated.
    pub async fn open(&self) -> Result<Grant> {
        let (arm, cx) = (&self.arm, &self.cx);
        let body = json!({"access": "Write", "durationInSeconds": self.lasts.as_secs()});
        let what = "opening the disk for writing";
        let action = format!("{}/beginGetAccess", self.disk);
        let asked = Instant::now();
        let granted = cx.retry(what, || arm.post(&action, versions::DISKS, Some(&body))).await;
        let granted = granted.map_err(|error| error.context("cannot open the disk for writing"))?;
        let output = arm.finish(cx, what, granted).await?;
        // Neither the answer nor what is wrong with it is ever shown: it may hold the signature.
        let sas = output["accessSAS"].as_str().and_then(|sas| azure_core::http::Url::parse(sas).ok());
        let sas =
            sas.ok_or_else(|| Error::new(Kind::Invalid, "Azure opened the disk and gave no address to write to"))?;
        // In good time: a page that is on its way is to arrive.
        Ok(Grant { sas: SecretUrl::new(sas), renew_at: asked + self.lasts.mul_f64(0.9) })
    }
}

/// Ends the access. Azure validates what was uploaded here, and not before.
pub async fn end_access(azure: &Azure, cx: &Cx<Undo>, disk: &str) -> Result<()> {
    let what = "ending the disk's access";
    let action = format!("{disk}/endGetAccess");
    let ended = cx.retry(what, || azure.arm.post(&action, versions::DISKS, None)).await?;
    azure.arm.finish(cx, what, ended).await.map(drop)
}
