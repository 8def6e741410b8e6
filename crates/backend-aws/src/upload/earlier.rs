//! What runs of the same key have left that were killed.

use aws_sdk_ec2::types::{Snapshot, SnapshotState};
use publisher::{Cx, Error, Result};

use super::Uploaded;
use crate::{Aws, Undo, config::Via, find, import::task, tags, undo};

/// What there is to go on with.
pub enum Found {
    Nothing,
    /// A snapshot to which blocks are put, and of which the journal tells which are there.
    Pending(Pending),
    /// A snapshot that holds the image.
    Snapshot(Uploaded),
}

/// A snapshot to which blocks are put.
pub struct Pending {
    pub id: String,
    pub is_encrypted: bool,
}

/// Takes over the best of what is there, and deletes the other snapshots: what is in one that is pending no API tells.
pub async fn take_over(aws: &Aws, cx: &Cx<Undo>) -> Result<Found> {
    let home = aws.home()?;
    let snapshots = find::snapshots_of_run(aws, cx, home).await?;
    // One that an import is making yet is found by its task.
    if snapshots.is_empty() || (aws.config.route()? != Via::Ebs && task::may_go_on(aws, cx).await?) {
        return Ok(Found::Nothing);
    }
    let undo = Undo::DeleteSnapshots { region: home.to_owned(), attempt: aws.attempt.clone() };
    let undo = cx.on_failure(undo).await?;
    let is_completed = |snapshot: &&Snapshot| snapshot.state() == Some(&SnapshotState::Completed);
    let mut best = snapshots.iter().find(is_completed);
    if best.is_none() && aws.config.route()? == Via::Ebs {
        for snapshot in snapshots.iter().filter(|snapshot| snapshot.state() == Some(&SnapshotState::Pending)) {
            if !cx.sent(id(snapshot)).await.is_empty() {
                best = Some(snapshot);
            }
        }
    }
    for other in snapshots.iter().filter(|other| best.is_none_or(|best| id(best) != id(other))) {
        cx.retry("deleting an earlier snapshot", || undo::delete_snapshot(aws, cx, home, id(other))).await?;
    }
    let Some(best) = best else { return Ok(Found::Nothing) };
    find::take_over(aws, cx, home, id(best)).await?;
    if !is_completed(&best) {
        return Ok(Found::Pending(Pending { id: id(best).to_owned(), is_encrypted: best.encrypted() == Some(true) }));
    }
    // The object that it was imported from may be there yet.
    for left in super::leftovers(aws, cx).await? {
        cx.always(left).await?;
    }
    Ok(Found::Snapshot(Uploaded::Completed { snapshot: id(best).to_owned(), undo }))
}

fn id(snapshot: &Snapshot) -> &str {
    snapshot.snapshot_id().unwrap_or_default()
}

/// What is said where a snapshot is not there any more: who has deleted it, which is whoever publishes the same image.
pub async fn explain_absence(aws: &Aws, cx: &Cx<Undo>, snapshot: &str, error: Error) -> Error {
    let Ok(home) = aws.home() else { return error };
    let Ok(all) = find::snapshots_of_run(aws, cx, home).await else { return error };
    if all.iter().any(|there| id(there) == snapshot) {
        return error;
    }
    let owner = all.iter().map(|other| tags::attempt_of(other.tags())).find(|owner| *owner != aws.attempt);
    let who = owner.map_or_else(
        || "somebody has deleted the snapshot".to_owned(),
        |owner| format!("{owner} publishes the same image, and has deleted the snapshot"),
    );
    Error::overtaken(who).about(snapshot).caused_by(error)
}
