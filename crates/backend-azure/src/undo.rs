use publisher::{Cx, Event, Kind, Result};
use serde::{Deserialize, Serialize};

use crate::{Azure, client::versions, tags, upload::disk};

/// How to take one act back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum Undo {
    /// Close a disk that was opened for writing.
    EndAccess { disk: String },
    /// Delete a disk.
    DeleteDisk { disk: String },
    /// Delete a managed image.
    DeleteImage { image: String },
    /// Delete an image version.
    DeleteVersion { version: String },
}

pub async fn undo(azure: &Azure, cx: &Cx<Undo>, undo: &Undo) -> Result<()> {
    match undo {
        Undo::EndAccess { disk } => match disk::end_access(azure, cx, disk).await {
            // A disk that is half full is no VHD: Azure says so, and the access is closed all the same.
            Err(error) if matches!(error.kind(), Kind::NotFound | Kind::Image) => Ok(()),
            ended => ended,
        },
        Undo::DeleteDisk { disk } => {
            // An open access would keep the disk from being deleted.
            match disk::end_access(azure, cx, disk).await {
                Err(error) if !matches!(error.kind(), Kind::NotFound | Kind::Image) => return Err(error),
                _ => {}
            }
            delete(azure, cx, "disk", disk, versions::DISKS).await
        }
        Undo::DeleteImage { image } => delete_own(azure, cx, "managed image", image, versions::IMAGES).await,
        Undo::DeleteVersion { version } => delete_own(azure, cx, "image version", version, versions::GALLERIES).await,
    }
}

/// Deletes what this run made. Another run may have been quicker to take the name: then the undo was noted for an act that
/// never took place.
async fn delete_own(azure: &Azure, cx: &Cx<Undo>, kind: &'static str, id: &str, api_version: &str) -> Result<()> {
    match azure.arm.find(id, api_version).await? {
        Some(resource) if tags::is_of_run(&resource, cx.run()) => delete(azure, cx, kind, id, api_version).await,
        _ => Ok(()),
    }
}

async fn delete(azure: &Azure, cx: &Cx<Undo>, kind: &'static str, id: &str, api_version: &str) -> Result<()> {
    let deleted = azure.arm.delete(id, api_version).await?;
    azure.arm.finish(cx, &format!("deleting the {kind}"), deleted).await?;
    cx.emit(Event::Removed { kind, id: id.to_owned() });
    Ok(())
}
