use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use publisher::{Cx, Error, Event, Poll, Region, RegionOutcome, RegionState, Result, Schedule};

use super::{Replica, Standing};
use crate::{Azure, Undo, Version, client::End};

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
            Some(url) => azure.arm.end_of(url).await?,
            None => End::Unknown,
        };
        let standing = match (Standing::look(azure, &version.id).await, &end) {
            (Err(_), End::Failed(failure)) => return Err(Error::new(failure.kind(), failure.to_string())),
            (standing, _) => standing?,
        };
        for region in to {
            let percent = standing.percent(region);
            let before = told.lock().unwrap_or_else(PoisonError::into_inner).insert(region, percent);
            if before != Some(percent) {
                cx.emit(Event::Region { region: region.clone(), percent });
            }
        }
        // Until its operation has ended, a region that failed before may still be shown as failed.
        let is_settled = match &end {
            End::Succeeded | End::Failed(_) => true,
            End::Unknown => standing.is_final(),
            End::NotYet => false,
        };
        let is_over = |region: &Region| match standing.state(region) {
            Some("Completed") => true,
            Some("Failed") => is_settled,
            _ => is_settled && standing.is_final(),
        };
        if to.iter().all(is_over) || matches!(end, End::Failed(_)) {
            let failure = if let End::Failed(failure) = end { Some(failure) } else { None };
            return Ok(Poll::Ready((standing, failure)));
        }
        Ok(Poll::Pending { percent: None, retry_after: None })
    };
    let schedule = Schedule::new(LONGEST_WAIT, DEADLINE);
    let (standing, failure) = cx.poll("replicating the image version", schedule, look).await?;
    let outcomes: Vec<_> = to.iter().map(|region| standing.outcome(region, failure.as_ref())).collect();
    for outcome in &outcomes {
        if let RegionState::Failed { error, .. } = &outcome.state {
            cx.emit(Event::RegionFailed { region: outcome.region.clone(), error: error.to_string() });
        }
    }
    Ok(outcomes)
}

/// Waits until Azure is at nothing of a version any more.
pub async fn settled(azure: &Azure, cx: &Cx<Undo>, version: &Version) -> Result<Standing> {
    let look = || async {
        let standing = Standing::look(azure, &version.id).await?;
        Ok(if standing.is_final() { Poll::Ready(standing) } else { Poll::Pending { percent: None, retry_after: None } })
    };
    cx.poll("waiting for the image version", Schedule::new(LONGEST_WAIT, DEADLINE), look).await
}
