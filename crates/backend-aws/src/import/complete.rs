use std::time::Duration;

use aws_sdk_ebs::types::{ChecksumAggregationMethod, ChecksumAlgorithm};
use aws_sdk_ec2::types::SnapshotState;
use publisher::{Cx, Error, Kind, Poll, Result, Schedule};

use crate::{
    Aws, Undo,
    error::{classify, soon},
    upload::earlier::explain_absence,
};

const LONGEST_WAIT: Duration = Duration::from_secs(10);
const DEADLINE: Duration = Duration::from_secs(60 * 60);

/// Tells AWS that all blocks are there, and waits until it has made a snapshot of them.
pub async fn complete(aws: &Aws, cx: &Cx<Undo>, snapshot: &str, blocks: i32, checksum: &str) -> Result<()> {
    let ebs = aws.clients.ebs(aws.home()?);
    let request = || {
        let request = ebs
            .complete_snapshot()
            .snapshot_id(snapshot)
            .changed_blocks_count(blocks)
            .checksum(checksum)
            .checksum_algorithm(ChecksumAlgorithm::ChecksumAlgorithmSha256)
            .checksum_aggregation_method(ChecksumAggregationMethod::ChecksumAggregationLinear);
        async { request.send().await.map_err(classify).map_err(soon) }
    };
    let completed = match cx.retry("completing the snapshot", request).await {
        Ok(_) => wait(aws, cx, snapshot).await,
        Err(error) => Err(error),
    };
    match completed {
        Ok(()) => Ok(()),
        Err(error) if matches!(error.kind(), Kind::NotFound | Kind::Transient | Kind::TimedOut) => {
            Err(explain_absence(aws, cx, snapshot, error).await.context("cannot complete the snapshot"))
        }
        Err(error) => Err(error.context("cannot complete the snapshot")),
    }
}

/// Waits until a snapshot is completed.
pub async fn wait(aws: &Aws, cx: &Cx<Undo>, snapshot: &str) -> Result<()> {
    let ec2 = aws.clients.ec2(aws.home()?);
    let look = || async {
        let answer = ec2.describe_snapshots().snapshot_ids(snapshot).send().await.map_err(classify).map_err(soon)?;
        // It is not known everywhere the moment it is made; one that stays unknown has been deleted.
        let unknown = || soon(Error::new(Kind::NotFound, format!("{snapshot} is not there")));
        let found = answer.snapshots.unwrap_or_default().into_iter().next().ok_or_else(unknown)?;
        match found.state() {
            Some(SnapshotState::Completed) => Ok(Poll::Ready(())),
            Some(SnapshotState::Error) => {
                let reason = found.state_message().unwrap_or("AWS gives no reason");
                Err(Error::new(Kind::Invalid, format!("AWS failed to complete {snapshot}: {reason}")))
            }
            _ => {
                let percent = found.progress().and_then(|progress| progress.trim_end_matches('%').parse().ok());
                Ok(Poll::Pending { percent, retry_after: None })
            }
        }
    };
    cx.poll("completing the snapshot", Schedule::new(LONGEST_WAIT, DEADLINE), look).await
}
