//! The bytes, by one route or the other.

mod blocks;
pub mod earlier;
mod parts;

use std::sync::Arc;

use publisher::{Cx, Result, UndoId};
use serde::{Deserialize, Serialize};
use vhd::Image;

use crate::{Aws, Undo, config::Via};
use earlier::Found;

/// The image's bytes in AWS.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "route", rename_all = "snake_case")]
pub enum Uploaded {
    /// A dynamic VHD in a bucket.
    Object { bucket: String, key: String, undo: UndoId },
    /// A snapshot that holds all blocks and is not completed.
    Snapshot {
        snapshot: String,
        /// Number of blocks that were put.
        blocks: i32,
        /// SHA-256 over the blocks' SHA-256, as base64.
        checksum: String,
        undo: UndoId,
    },
    /// A snapshot that is completed: it holds the image.
    Completed { snapshot: String, undo: UndoId },
}

/// The object of a run that was killed between importing it and deleting it. A snapshot that is not completed AWS gives up by
/// itself.
pub async fn leftovers(aws: &Aws, cx: &Cx<Undo>) -> Result<Vec<Undo>> {
    match aws.config.route()? {
        Via::S3(bucket) => parts::leftovers(aws, cx, bucket).await,
        Via::Ebs => Ok(Vec::new()),
    }
}

pub async fn upload(aws: &Aws, cx: &Cx<Undo>, image: &Arc<Image>) -> Result<Uploaded> {
    let uploaded = match (earlier::take_over(aws, cx).await?, aws.config.route()?) {
        (Found::Snapshot(uploaded), _) => return Ok(uploaded),
        (_, Via::S3(bucket)) => parts::upload(aws, cx, image, bucket).await,
        (Found::Pending(snapshot), Via::Ebs) => blocks::upload(aws, cx, image, Some(snapshot)).await,
        (Found::Nothing, Via::Ebs) => blocks::upload(aws, cx, image, None).await,
    };
    uploaded.map_err(|error| error.context("the upload failed"))
}
