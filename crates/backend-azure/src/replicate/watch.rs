use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use publisher::{Cx, Event, Poll, Region, RegionOutcome, RegionState, Result, Schedule};

use super::{Replica, Standing};
use crate::{Azure, Undo, Version};

/// Replication may take hours (Compute Gallery, "Image versions").
const DEADLINE: Duration = Duration::from_secs(6 * 60 * 60);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Watches until no region is on its way any more.
pub async fn watch(
    azure: &Azure,
    cx: &Cx<Undo>,
    version: &Version,
    to: &[Region],
    operation: Option<&str>,
) -> Result<Vec<RegionOutcome<Replica>>> {
    let told = Mutex::new(BTreeMap::new());
    let look = || async {
        // The operation knows why a version failed as a whole; the version knows how far each region is.
        let end = match operation {
            Some(url) => end_of(azure, url).await?,
            None => None,
        };
        let (standing, end) = match (Standing::look(azure, &version.id).await, end) {
            (Ok(standing), end) => (standing, end),
            (Err(_), Some(Err(failure))) => return Err(failure),
            (Err(error), _) => return Err(error),
        };
        for region in to {
            let percent = standing.percent(region);
            let before = told.lock().unwrap_or_else(PoisonError::into_inner).insert(region, percent);
            if before != Some(percent) {
                cx.emit(Event::Region { region: region.clone(), percent });
            }
        }
        // Until its operation has ended, a region that failed before may still be shown as failed.
        let settled = operation.is_none() || end.is_some();
        let is_over = |region: &Region| match standing.state(region) {
            Some("Completed") => true,
            Some("Failed") => settled,
            _ => settled && standing.is_final(),
        };
        let failure = end.and_then(Result::err);
        if to.iter().all(is_over) || failure.is_some() {
            return Ok(Poll::Ready((standing, failure)));
        }
        Ok(Poll::Pending { percent: None, retry_after: None })
    };
    let schedule = Schedule::new(LONGEST_WAIT, DEADLINE);
    let (standing, failure) = cx.poll("replicating the image version", schedule, look).await?;
    let outcomes: Vec<_> = to.iter().map(|region| standing.outcome(region, failure.as_ref())).collect();
    for outcome in &outcomes {
        if let RegionState::Failed(error) = &outcome.state {
            cx.emit(Event::RegionFailed { region: outcome.region.clone(), error: error.to_string() });
        }
    }
    Ok(outcomes)
}

/// How an operation ended, if it has.
async fn end_of(azure: &Azure, operation: &str) -> Result<Option<Result<()>>> {
    match azure.arm.look_at(operation).await {
        Ok(Poll::Ready(_)) => Ok(Some(Ok(()))),
        Ok(Poll::Pending { .. }) => Ok(None),
        Err(error) if error.kind().is_retryable() => Err(error),
        Err(error) => Ok(Some(Err(error))),
    }
}
