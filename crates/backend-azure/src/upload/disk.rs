use publisher::{Cx, Error, Kind, Result, SecretUrl, UndoId};
use serde_json::json;

use crate::{Azure, Undo, client::versions, tags};

/// How long a write access lasts. A disk's signature carries no expiry of its own.
const ACCESS_SECONDS: u64 = 24 * 60 * 60;

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

/// Makes the disk; `upload_size` counts its footer. Its undo is due however the run ends, unless the user keeps it.
///
/// The disk is new: pages of zeros need not be sent to it, because what is not written reads as zeros.
pub async fn create(azure: &Azure, cx: &Cx<Undo>, upload_size: u64) -> Result<String> {
    let (decided, arm) = (azure.decided()?, &azure.arm);
    let id = azure.names.disk(cx.run().short());
    let undo = Undo::DeleteDisk { disk: id.clone() };
    if azure.config.keep_disk.unwrap_or_default() {
        cx.on_failure(undo.clone()).await?;
    } else {
        cx.always(undo.clone()).await?;
    }
    // The run's own disk from a run whose journal is lost may hold pages of that run.
    if cx.retry("looking for an earlier disk", || arm.find(&id, versions::DISKS)).await?.is_some() {
        cx.retry("deleting an earlier disk", || crate::undo::undo(azure, cx, &undo)).await?;
    }
    let body = json!({
        "location": decided.location,
        "sku": {"name": "Standard_LRS"},
        "tags": tags::tags(&azure.spec.tags, cx.run(), &decided.digest),
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
    });
    let what = "making the disk";
    let made = cx.retry(what, || arm.put(&id, versions::DISKS, &body)).await;
    let made = made.map_err(|error| error.context("cannot make the disk to upload to"))?;
    arm.finish(cx, what, made).await?;
    Ok(id)
}

/// Opens the disk for writing. The undo that closes it again is journalled first.
pub async fn grant_write(azure: &Azure, cx: &Cx<Undo>, disk: &str) -> Result<(UndoId, SecretUrl)> {
    let arm = &azure.arm;
    let access = cx.always(Undo::EndAccess { disk: disk.to_owned() }).await?;
    let body = json!({"access": "Write", "durationInSeconds": ACCESS_SECONDS});
    let what = "opening the disk for writing";
    let action = format!("{disk}/beginGetAccess");
    let granted = cx.retry(what, || arm.post(&action, versions::DISKS, Some(&body))).await;
    let granted = granted.map_err(|error| error.context("cannot open the disk for writing"))?;
    let output = arm.finish(cx, what, granted).await?;
    // Neither the answer nor what is wrong with it is ever shown: it may hold the signature.
    let sas = output["accessSAS"].as_str().and_then(|sas| azure_core::http::Url::parse(sas).ok());
    let sas = sas.ok_or_else(|| Error::new(Kind::Invalid, "Azure opened the disk and gave no address to write to"))?;
    Ok((access, SecretUrl::new(sas)))
}

/// Ends the access. Azure validates what was uploaded here, and not before.
pub async fn end_access(azure: &Azure, cx: &Cx<Undo>, disk: &str) -> Result<()> {
    let what = "ending the disk's access";
    let action = format!("{disk}/endGetAccess");
    let ended = cx.retry(what, || azure.arm.post(&action, versions::DISKS, None)).await?;
    azure.arm.finish(cx, what, ended).await.map(drop)
}
