use std::time::Duration;

use aws_sdk_ec2::types::{ImportSnapshotTask, ResourceType, SnapshotDiskContainer, SnapshotTaskDetail, UserBucket};
use publisher::{Cx, Error, Event, Kind, Poll, Result, Schedule};

use crate::{
    Aws, Undo,
    error::{self, classify},
    find, tags,
};

const LONGEST_WAIT: Duration = Duration::from_secs(10);
const DEADLINE: Duration = Duration::from_secs(4 * 60 * 60);

/// Imports an object as a snapshot, and returns the snapshot's id.
pub async fn import(aws: &Aws, cx: &Cx<Undo>, bucket: &str, key: &str) -> Result<String> {
    let (decided, ec2) = (aws.decided()?, aws.clients.ec2(aws.home()?));
    let task = begin(aws, cx, bucket, key).await.map_err(|error| error.context("AWS does not import the object"))?;
    let look = || async {
        let request = ec2.describe_import_snapshot_tasks().import_task_ids(&task);
        let answer = request.send().await.map_err(classify)?;
        let detail = answer.import_snapshot_tasks().first().and_then(|task| task.snapshot_task_detail());
        detail.map_or(Ok(Poll::Pending { percent: None, retry_after: None }), judge)
    };
    let snapshot = cx.poll("importing the snapshot", Schedule::new(LONGEST_WAIT, DEADLINE), look).await?;
    // The tags of the task do not reach the snapshot.
    let request = || async {
        let request = ec2.create_tags().resources(&snapshot).set_tags(Some(tags::ec2(&decided.tags)));
        request.send().await.map_err(classify).map_err(error::soon)
    };
    let tagged = cx.retry("tagging the snapshot", request).await;
    tagged.map_err(|error| error.context("cannot tag the snapshot"))?;
    super::complete::wait(aws, cx, &snapshot).await?;
    Ok(snapshot)
}

/// The task of a run that was killed, if anything comes of it still: it goes on, or has made a snapshot that is there.
pub async fn earlier(aws: &Aws, cx: &Cx<Undo>) -> Result<(Option<String>, usize)> {
    let tasks = find::imports_of_run(aws, cx, aws.home()?).await?;
    let detail = ImportSnapshotTask::snapshot_task_detail;
    if let Some(id) = tasks.iter().find(|task| find::is_active(task)).and_then(ImportSnapshotTask::import_task_id) {
        return Ok((Some(id.to_owned()), tasks.len()));
    }
    for task in &tasks {
        let snapshot = detail(task).and_then(SnapshotTaskDetail::snapshot_id).filter(|id| !id.is_empty());
        if let (Some(id), Some(snapshot)) = (task.import_task_id(), snapshot)
            && find::snapshot(aws, cx, aws.home()?, snapshot).await?.is_some()
        {
            return Ok((Some(id.to_owned()), tasks.len()));
        }
    }
    Ok((None, tasks.len()))
}

/// Whether there is such a task. Whoever may not look begins anew, and is told that importing will want it.
pub async fn may_go_on(aws: &Aws, cx: &Cx<Undo>) -> Result<bool> {
    match earlier(aws, cx).await {
        Err(error) if error.kind() == Kind::Denied => {
            cx.emit(Event::Warning { message: format!("cannot look for earlier imports: {error}") });
            Ok(false)
        }
        looked => looked.map(|(task, _)| task.is_some()),
    }
}

/// Begins a task, or goes on with the one that a lost answer or a killed run began: the token is the run's. AWS answers a
/// token for ever with the task it began, so there is a new one after each task of the run that came to nothing.
async fn begin(aws: &Aws, cx: &Cx<Undo>, bucket: &str, key: &str) -> Result<String> {
    let (decided, ec2) = (aws.decided()?, aws.clients.ec2(aws.home()?));
    let (earlier, count) = earlier(aws, cx).await?;
    if let Some(id) = earlier {
        find::take_over(aws, cx, aws.home()?, &id).await?;
        return Ok(id);
    }
    let token = format!("publish-{}-{}", cx.run(), count + 1);
    let object = UserBucket::builder().s3_bucket(bucket).s3_key(key).build();
    let container =
        SnapshotDiskContainer::builder().description(&decided.name).format("VHD").user_bucket(object).build();
    let request = || {
        let request = ec2
            .import_snapshot()
            .description(&decided.name)
            .disk_container(container.clone())
            .client_token(&token)
            .set_role_name(aws.config.role.clone())
            .set_encrypted(decided.shape.encrypted.then_some(true))
            .set_kms_key_id(decided.shape.kms_key.clone())
            // A token that is used again has to come with the same tags: whose the task is, is said when it is there.
            .tag_specifications(tags::specification(
                ResourceType::ImportSnapshotTask,
                &tags::without_attempt(&decided.tags),
            ));
        async { request.send().await.map_err(classify) }
    };
    let begun = cx.retry("importing the snapshot", request).await?;
    let id = begun.import_task_id.ok_or_else(|| Error::new(Kind::Invalid, "AWS began an import without an id"))?;
    find::take_over(aws, cx, aws.home()?, &id).await?;
    Ok(id)
}

fn is_ended(status: &str) -> bool {
    matches!(status, "deleted" | "deleting" | "error")
}

/// The SDK's own waiter knows `completed` and `error`; real failures say `deleted` (osbuild-composer#706).
fn judge(detail: &SnapshotTaskDetail) -> Result<Poll<String>> {
    match (detail.status().unwrap_or_default(), detail.snapshot_id()) {
        ("completed", Some(snapshot)) if !snapshot.is_empty() => Ok(Poll::Ready(snapshot.to_owned())),
        (status, _) if is_ended(status) => {
            let message = detail.status_message().unwrap_or("AWS gives no reason");
            let failed = Error::new(Kind::Invalid, format!("the import failed: {message}"));
            Err(error::with_hint(failed, error::hint("", message)))
        }
        _ => {
            Ok(Poll::Pending { percent: detail.progress().and_then(|percent| percent.parse().ok()), retry_after: None })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_that_is_deleted_has_failed_with_its_message() {
        let detail = |status: &str| {
            SnapshotTaskDetail::builder()
                .status(status)
                .status_message("ClientError: Disk validation failed [403 Forbidden]")
                .build()
        };
        for status in ["deleted", "deleting", "error"] {
            let error = judge(&detail(status)).unwrap_err();
            assert_eq!(error.to_string(), "the import failed: ClientError: Disk validation failed [403 Forbidden]");
            assert!(error.hint().unwrap().contains("s3:GetObject"));
        }
        assert!(matches!(judge(&detail("active")), Ok(Poll::Pending { .. })));
        let empty = SnapshotTaskDetail::builder().status("completed").snapshot_id("").build();
        assert!(matches!(judge(&empty), Ok(Poll::Pending { .. })), "no id yet (aws-cli#9118)");
    }
}
