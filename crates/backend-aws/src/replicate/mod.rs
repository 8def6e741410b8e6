//! The AMI in every region, and with whom it is shared there.

mod compare;
mod copy;

use futures::future::join_all;
use publisher::{Artifact, Cx, Error, Event, Kind, Region, RegionOutcome, RegionState, Replication, Result};
use serde::{Deserialize, Serialize};

use self::copy::{Copied, copy};
use crate::{Aws, Registered, Undo, deprecation, register, sharing};

/// An AMI in one region.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Replica {
    /// The AMI's id.
    pub ami: String,
}

impl Artifact for Replica {
    fn resources(&self) -> Vec<(&'static str, String)> {
        vec![("ami", self.ami.clone())]
    }
}

/// In this order: copy, compare with the source, deprecate, share. Nobody else sees the AMI before it is in all regions
/// that have to have it.
pub async fn replicate(
    aws: &Aws,
    cx: &Cx<Undo>,
    registered: &Registered,
    to: &[Region],
) -> Result<Replication<Replica>> {
    // An AMI that an earlier run registered may still be pending; only an available one can be copied.
    register::wait(aws, cx, &registered.region, &registered.ami).await?;
    let outcomes = join_all(to.iter().map(|region| bring(aws, cx, registered, region))).await;
    let mut changed = outcomes.iter().any(|(_, made)| *made);
    let mut regions: Vec<_> = outcomes.into_iter().map(|(outcome, _)| outcome).collect();
    let failed = regions.iter().any(RegionOutcome::is_failure);
    let pending = regions.iter().any(|outcome| matches!(outcome.state, RegionState::Pending { .. }));
    let has_more = aws.config.sharing.is_some() || aws.config.deprecate_after_days.is_some();
    if has_more && (failed || pending) {
        let why = if failed { "a region that has to have it failed" } else { "it is not everywhere yet" };
        let message = format!("sharing and deprecation wait: {why}; publish again");
        cx.emit(Event::Warning { message });
    } else if has_more {
        for done in join_all(regions.iter_mut().map(|outcome| open(aws, cx, outcome))).await {
            changed |= done;
        }
    }
    Ok(Replication { regions, changed, resources: registered.resources() })
}

/// Deprecates and shares the AMI in a region that has it; tells whether anything was changed. What fails is the region's
/// outcome.
async fn open(aws: &Aws, cx: &Cx<Undo>, outcome: &mut RegionOutcome<Replica>) -> bool {
    let RegionState::Available(Replica { ami }) = &outcome.state else { return false };
    let region = outcome.region.0.as_str();
    let done = async {
        let deprecated = deprecation::deprecate(aws, cx, region, ami).await?;
        let shared = sharing::share(aws, cx, region, ami).await?;
        Ok::<_, Error>(deprecated || shared)
    };
    match done.await {
        Ok(changed) => changed,
        Err(error) => {
            cx.emit(Event::RegionFailed { region: outcome.region.clone(), error: error.to_string() });
            outcome.state = RegionState::Failed(error);
            true
        }
    }
}

/// Brings the AMI to one region; tells whether a copy was begun.
async fn bring(aws: &Aws, cx: &Cx<Undo>, registered: &Registered, region: &Region) -> (RegionOutcome<Replica>, bool) {
    cx.emit(Event::Region { region: region.clone(), percent: 0 });
    let copied = if region.0 == registered.region {
        Ok(Copied { ami: registered.ami.clone(), made: false, available: true })
    } else {
        compared(aws, cx, registered, region).await
    };
    let (state, made) = match copied {
        Ok(Copied { ami, made, available: false }) => {
            (RegionState::Pending { replica: Some(Replica { ami }), percent: None }, made)
        }
        Ok(Copied { ami, made, .. }) => {
            cx.emit(Event::Region { region: region.clone(), percent: 100 });
            (RegionState::Available(Replica { ami }), made)
        }
        Err(error) => {
            cx.emit(Event::RegionFailed { region: region.clone(), error: error.to_string() });
            (RegionState::Failed(error), false)
        }
    };
    let required = aws.config.is_required(&region.0);
    (RegionOutcome { region: region.clone(), state, required }, made)
}

/// A copy that is what it was copied from.
async fn compared(aws: &Aws, cx: &Cx<Undo>, registered: &Registered, region: &Region) -> Result<Copied> {
    let copied = copy(aws, cx, registered, region).await?;
    if copied.available {
        let differences = compare::differences(aws, cx, registered, region, &copied.ami).await?;
        if !differences.is_empty() {
            let text = format!("{} is not what it was copied from: {}", copied.ami, differences.join("; "));
            return Err(Error::new(Kind::Invalid, text)
                .with_hint("deregister the copy, and publish again: it is made once more"));
        }
    }
    Ok(copied)
}
