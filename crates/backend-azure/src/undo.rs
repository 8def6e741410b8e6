use std::fmt;

use publisher::{Attempt, Cx, Event, Kind, Result};
use serde::{Deserialize, Serialize};

use crate::{Azure, client::versions, tags, upload::disk};

/// How to take one act back. Each names the attempt whose act it is: what another has made under the same name since, or
/// has taken over, is not this one's to take back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum Undo {
    /// Close a disk that was opened for writing.
    EndAccess { disk: String, attempt: Attempt },
    /// Delete a disk.
    DeleteDisk { disk: String, attempt: Attempt },
    /// Delete a managed image.
    DeleteImage { image: String, attempt: Attempt },
    /// Delete an image version.
    DeleteVersion { version: String, attempt: Attempt },
}

impl fmt::Display for Undo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EndAccess { disk, .. } => write!(f, "an open access to disk {disk}"),
            Self::DeleteDisk { disk, .. } => write!(f, "disk {disk}"),
            Self::DeleteImage { image, .. } => write!(f, "managed image {image}"),
            Self::DeleteVersion { version, .. } => write!(f, "image version {version}"),
        }
    }
}

pub async fn undo(azure: &Azure, cx: &Cx<Undo>, undo: &Undo) -> Result<()> {
    let (kind, id, attempt, api_version) = match undo {
        Undo::EndAccess { disk, attempt } => ("disk", disk, attempt, versions::DISKS),
        Undo::DeleteDisk { disk, attempt } => ("disk", disk, attempt, versions::DISKS),
        Undo::DeleteImage { image, attempt } => ("managed image", image, attempt, versions::IMAGES),
        Undo::DeleteVersion { version, attempt } => ("image version", version, attempt, versions::GALLERIES),
    };
    let there = azure.arm.find(id, api_version).await?;
    if there.as_ref().map(tags::attempt_of).as_ref() != Some(attempt) {
        return Ok(());
    }
    match undo {
        Undo::EndAccess { .. } => end_access(azure, cx, id).await,
        Undo::DeleteDisk { .. } => {
            // An open access would keep the disk from being deleted. One that cannot be ended is for the deletion to say.
            let ended = end_access(azure, cx, id).await;
            delete(azure, cx, kind, id, api_version).await.map_err(|error| ended.err().unwrap_or(error))
        }
        Undo::DeleteImage { .. } | Undo::DeleteVersion { .. } => delete(azure, cx, kind, id, api_version).await,
    }
}

/// Closes a disk, whatever is on it: half full it is no VHD, as Azure says, and closed all the same.
async fn end_access(azure: &Azure, cx: &Cx<Undo>, disk: &str) -> Result<()> {
    match disk::end_access(azure, cx, disk).await {
        Err(error) if matches!(error.kind(), Kind::NotFound | Kind::Image) => Ok(()),
        ended => ended,
    }
}

/// Deletes a resource, and waits until it is gone.
pub async fn delete(azure: &Azure, cx: &Cx<Undo>, kind: &'static str, id: &str, api_version: &str) -> Result<()> {
    let deleted = azure.arm.delete(id, api_version).await?;
    azure.arm.finish(cx, &format!("deleting the {kind}"), deleted).await?;
    cx.emit(Event::Removed { kind, id: id.to_owned() });
    Ok(())
}
