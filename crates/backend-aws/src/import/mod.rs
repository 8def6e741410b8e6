//! From bytes to a snapshot that AWS has completed.

mod complete;
pub mod task;
mod verify;

use publisher::{Cx, Event, Result, UndoId};
use serde::{Deserialize, Serialize};

use crate::{Aws, Undo, Uploaded};

/// A completed snapshot.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Imported {
    /// Its id.
    pub snapshot: String,
    /// The undo that deletes it.
    pub undo: UndoId,
}

pub async fn import(aws: &Aws, cx: &Cx<Undo>, uploaded: &Uploaded) -> Result<Imported> {
    match uploaded {
        Uploaded::Snapshot { snapshot, blocks, checksum, undo } => {
            complete::complete(aws, cx, snapshot, *blocks, checksum).await?;
            verify::verify(aws, cx, snapshot).await?;
            Ok(Imported { snapshot: snapshot.clone(), undo: *undo })
        }
        Uploaded::Completed { snapshot, undo } => {
            verify::verify(aws, cx, snapshot).await?;
            Ok(Imported { snapshot: snapshot.clone(), undo: *undo })
        }
        Uploaded::Object { bucket, key, undo } => {
            let region = aws.home()?.to_owned();
            let attempt = aws.attempt.clone();
            let cancel = cx.on_failure(Undo::CancelImports { region: region.clone(), attempt }).await?;
            let snapshot = task::import(aws, cx, bucket, key).await?;
            verify::verify(aws, cx, &snapshot).await?;
            cx.emit(Event::Created { kind: "snapshot", id: snapshot.clone() });
            let deleted =
                cx.retry("deleting the object", || crate::undo::delete_object(aws, &region, bucket, key)).await;
            match deleted {
                Ok(()) => cx.settle([*undo]).await?,
                // The snapshot is there all the same, and the object is still to be deleted when the run ends.
                Err(error) => cx.emit(Event::Warning { message: format!("the object is not deleted yet: {error}") }),
            }
            Ok(Imported { snapshot, undo: cancel })
        }
    }
}
