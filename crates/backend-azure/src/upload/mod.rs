//! The bytes: a disk that is made to be uploaded to, an access to it, and its pages.
//!
//! ```text
//! disk ─► access ─► door ─► pages ──────────────────────► whole? ─► import
//!                            ▲ resume: what is there already
//! ```

mod access;
pub mod disk;
mod door;
mod pages;
mod resume;
pub mod verify;

use std::sync::Arc;

use publisher::{Cx, Result, UndoId, transfer};
use serde::{Deserialize, Serialize};

use crate::{Azure, Registered, Undo, client::versions, register::Version, tags};
use access::Access;
use disk::Holds;
use pages::Pages;

/// A disk that holds the image.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Uploaded {
    /// The disk's id.
    pub disk: String,
    /// The undo that deletes it.
    pub undo: UndoId,
    /// The undo that ends its access, where that is still open.
    pub access: Option<UndoId>,
}

/// The disk of a run that was killed between making an image of it and deleting it. One that the version is copied from stays
/// until it is everywhere, and replication sees to it.
pub async fn leftovers(azure: &Azure, cx: &Cx<Undo>, registered: &Registered) -> Result<Vec<Undo>> {
    let disk = azure.names.disk(cx.run().short());
    if let Registered::Version(Version { origin: Some(origin), .. }) = registered
        && origin.id.eq_ignore_ascii_case(&disk)
    {
        return Ok(Vec::new());
    }
    if let Registered::ManagedImage { id } = registered {
        // Whoever makes it still needs the disk.
        let image = cx.retry("looking at the managed image", || azure.arm.find(id, versions::IMAGES)).await?;
        if image.is_none_or(|image| image["properties"]["provisioningState"] != "Succeeded") {
            return Ok(Vec::new());
        }
    }
    let there = cx.retry("looking for an earlier disk", || azure.arm.find(&disk, versions::DISKS)).await?;
    let left = there.filter(|found| tags::is_of_run(found, cx.run()) && tags::is_intermediate(found));
    Ok(left.iter().map(|left| Undo::DeleteDisk { disk: disk.clone(), attempt: tags::attempt_of(left) }).collect())
}

pub async fn upload(azure: &Azure, cx: &Cx<Undo>) -> Result<Uploaded> {
    let layout = azure.decided()?.layout()?;
    disk::ensure_group(azure, cx).await?;
    let disk = disk::create(azure, cx).await?;
    if let Holds::Everything { is_open } = disk.holds {
        if is_open {
            disk::end_access(azure, cx, &disk.id).await?;
        }
        return Ok(Uploaded { disk: disk.id, undo: disk.undo, access: None });
    }
    let (closing, access) = Access::to_write(azure, cx, &disk.id).await?;
    let mut pages = Pages::open(azure, cx, access).await?;
    if let Holds::PagesOf(attempt) = &disk.holds {
        pages.resume(&layout, attempt).await?;
    }
    let pages = Arc::new(pages);
    let sent = transfer::run(cx, layout.clone(), pages.clone()).await;
    sent.map_err(|error| error.context("the upload failed"))?;
    verify::all_is_there(cx, &layout, &pages).await?;
    Ok(Uploaded { disk: disk.id, undo: disk.undo, access: Some(closing) })
}
