//! The bytes: a disk that is made to be uploaded to, an access to it, and its pages.

pub mod disk;
mod pages;
mod stale;

use std::sync::Arc;

use publisher::{Cx, Result, UndoId, transfer};
use serde::{Deserialize, Serialize};
use vhd::{FixedVhd, Image, Layout};

use crate::{Azure, Registered, Undo, client::versions, register::Version, tags};
use disk::Access;
use pages::Pages;

/// A disk that holds the image. Its access is still open.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Uploaded {
    /// The disk's id.
    pub disk: String,
    /// The undo that deletes it.
    pub undo: UndoId,
    /// The undo that ends its access.
    pub access: UndoId,
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
    let there = cx.retry("looking for an earlier disk", || azure.arm.find(&disk, versions::DISKS)).await?;
    let left = there.filter(|found| tags::is_of_run(found, cx.run()) && tags::is_intermediate(found));
    let attempt = left.as_ref().and_then(tags::attempt_of).map(str::to_owned);
    Ok(attempt.map(|attempt| Undo::DeleteDisk { disk, attempt }).into_iter().collect())
}

pub async fn upload(azure: &Azure, cx: &Cx<Undo>, image: &Arc<Image>) -> Result<Uploaded> {
    let decided = azure.decided()?;
    let layout: Arc<dyn Layout> = Arc::new(FixedVhd::new(image.clone(), decided.shape.disk_size)?);
    disk::ensure_group(azure, cx).await?;
    let disk = disk::create(azure, cx, layout.length()).await?;
    let (closing, access) = Access::new(azure, cx, &disk.id).await?;
    let pages = Pages::open(access, azure.transport.clone()).await?;
    if !disk.is_new {
        pages.clear(cx).await?;
    }
    transfer::run(cx, layout, Arc::new(pages)).await.map_err(|error| error.context("the upload failed"))?;
    Ok(Uploaded { disk: disk.id, undo: disk.undo, access: closing })
}
