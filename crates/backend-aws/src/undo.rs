use std::fmt;

use publisher::{Attempt, Cx, Error, Event, Kind, Result};
use serde::{Deserialize, Serialize};

use crate::{
    Aws,
    error::{classify, has_code},
    find, tags,
};

/// How to take one act back. What an act makes has an id only after it; so the undo, which is noted before, finds it by
/// the tags of the run and of the attempt: what another attempt has made, or has taken over, is not this one's to take back. An
/// object has no such tag; it stays while another attempt imports it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum Undo {
    /// Delete an object, and abort the uploads to its key.
    DeleteObject { region: String, bucket: String, key: String, attempt: Attempt },
    /// Cancel the run's imports, and delete the snapshots that they made.
    CancelImports { region: String, attempt: Attempt },
    /// Delete the run's snapshots.
    DeleteSnapshots { region: String, attempt: Attempt },
    /// Deregister the run's AMIs.
    DeregisterImages { region: String, attempt: Attempt },
}

impl Undo {
    /// Where the act was done.
    pub(crate) fn region(&self) -> &str {
        match self {
            Self::DeleteObject { region, .. }
            | Self::CancelImports { region, .. }
            | Self::DeleteSnapshots { region, .. }
            | Self::DeregisterImages { region, .. } => region,
        }
    }
}

impl fmt::Display for Undo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DeleteObject { bucket, key, .. } => write!(f, "object s3://{bucket}/{key}, or an upload of it"),
            Self::CancelImports { region, .. } => write!(f, "imports of this run in {region}"),
            Self::DeleteSnapshots { region, .. } => write!(f, "snapshots of this run in {region}"),
            Self::DeregisterImages { region, .. } => write!(f, "AMIs of this run in {region}"),
        }
    }
}

pub async fn undo(aws: &Aws, cx: &Cx<Undo>, undo: &Undo) -> Result<()> {
    match undo {
        Undo::DeleteObject { region, bucket, key, attempt } => {
            // What another attempt imports from it now, that one deletes.
            let tasks = match find::imports_of_run(aws, cx, region).await {
                Err(error) if error.kind() == Kind::Denied => Vec::new(),
                tasks => tasks?,
            };
            let mut others =
                tasks.iter().filter(|task| find::is_active(task)).map(|task| tags::attempt_of(task.tags()));
            if others.any(|owner| !is_ours(&owner, attempt)) {
                return Ok(());
            }
            delete_object(aws, region, bucket, key).await
        }
        Undo::CancelImports { region, attempt } => cancel_imports(aws, cx, region, attempt).await,
        Undo::DeleteSnapshots { region, attempt } => {
            let made = find::snapshots_of_run(aws, cx, region).await?;
            for snapshot in made.iter().filter(|snapshot| tags::attempt_of(snapshot.tags()) == *attempt) {
                delete_snapshot(aws, cx, region, snapshot.snapshot_id().unwrap_or_default()).await?;
            }
            Ok(())
        }
        Undo::DeregisterImages { region, attempt } => {
            let made = find::images_of_run(aws, cx, region).await?;
            for image in made.iter().filter(|image| tags::attempt_of(image.tags()) == *attempt) {
                deregister(aws, cx, region, image.image_id().unwrap_or_default()).await?;
            }
            Ok(())
        }
    }
}

/// Deletes an object and aborts the uploads to its key, however many there are.
pub async fn delete_object(aws: &Aws, region: &str, bucket: &str, key: &str) -> Result<()> {
    let s3 = aws.clients.s3(region);
    let open = s3.list_multipart_uploads().bucket(bucket).prefix(key).send().await.map_err(classify)?;
    for upload in open.uploads().iter().filter(|upload| upload.key() == Some(key)) {
        let abort = s3.abort_multipart_upload().bucket(bucket).key(key).set_upload_id(upload.upload_id.clone());
        gone(abort.send().await.map(drop).map_err(classify))?;
    }
    gone(s3.delete_object().bucket(bucket).key(key).send().await.map(drop).map_err(classify))
}

async fn cancel_imports(aws: &Aws, cx: &Cx<Undo>, region: &str, attempt: &Attempt) -> Result<()> {
    let ec2 = aws.clients.ec2(region);
    let tasks = find::imports_of_run(aws, cx, region).await?;
    for task in tasks.iter().filter(|task| is_ours(&tags::attempt_of(task.tags()), attempt)) {
        let detail = task.snapshot_task_detail();
        match (detail.and_then(|detail| detail.status()), detail.and_then(|detail| detail.snapshot_id())) {
            (Some("active"), _) => {
                let cancel = ec2.cancel_import_task().set_import_task_id(task.import_task_id.clone());
                gone(cancel.send().await.map(drop).map_err(classify))?;
            }
            (Some("completed"), Some(id)) if !id.is_empty() => {
                let there = find::snapshot(aws, cx, region, id).await?;
                if there.is_some_and(|snapshot| is_ours(&tags::attempt_of(snapshot.tags()), attempt)) {
                    delete_snapshot(aws, cx, region, id).await?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// What an import makes has no attempt's tag until it is seen.
fn is_ours(owner: &Attempt, attempt: &Attempt) -> bool {
    owner == attempt || owner.as_str().is_empty()
}

/// Deletes a snapshot. One that an AMI is made of belongs to whoever has the AMI.
pub async fn delete_snapshot(aws: &Aws, cx: &Cx<Undo>, region: &str, id: &str) -> Result<()> {
    let deleted = aws.clients.ec2(region).delete_snapshot().snapshot_id(id).send().await.map(drop).map_err(classify);
    match deleted {
        Err(error) if has_code(&error, "InvalidSnapshot.InUse") => {
            return if find::is_used(aws, cx, region, id).await? { Ok(()) } else { Err(error) };
        }
        deleted => gone(deleted)?,
    }
    cx.emit(Event::Removed { kind: "snapshot", id: id.to_owned() });
    Ok(())
}

/// Deregisters an AMI, and deletes the snapshot under it.
pub async fn deregister(aws: &Aws, cx: &Cx<Undo>, region: &str, ami: &str) -> Result<()> {
    let request = aws.clients.ec2(region).deregister_image().image_id(ami).delete_associated_snapshots(true);
    gone(request.send().await.map(drop).map_err(classify))?;
    cx.emit(Event::Removed { kind: "ami", id: ami.to_owned() });
    Ok(())
}

/// What is not there any more is undone.
fn gone(result: Result<(), Error>) -> Result<()> {
    match result {
        Err(error) if error.kind() == Kind::NotFound => Ok(()),
        result => result,
    }
}
