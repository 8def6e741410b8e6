//! The AMI in every region, and with whom it is shared there.

pub mod afterwards;
mod compare;
mod copy;

use futures::future::join_all;
use publisher::{Artifact, Cx, Error, Event, Kind, Region, RegionOutcome, RegionState, Replication, Result};
use serde::{Deserialize, Serialize};

use self::copy::{Copied, copy};
use crate::{Aws, Registered, Undo, register};

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

/// In this order: copy, compare with the source, deprecate, share, make public, write parameters. Nobody else sees the AMI
/// before it is in all regions that have to have it.
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
    changed |= afterwards::take(aws, cx, &mut regions).await;
    Ok(Replication { regions, changed, resources: registered.resources() })
}

/// Brings the AMI to one region; tells whether a copy was begun.
async fn bring(aws: &Aws, cx: &Cx<Undo>, registered: &Registered, region: &Region) -> (RegionOutcome<Replica>, bool) {
    cx.emit(Event::Region { region: region.clone(), percent: 0 });
    let copied = if region.0 == registered.region {
        Ok(Copied { ami: registered.ami.clone(), made: false, available: true })
    } else {
        copy(aws, cx, registered, region).await
    };
    let (state, made) = match copied {
        Ok(Copied { ami, made, available }) => {
            (look_at(aws, cx, registered, region, Replica { ami }, available).await, made)
        }
        Err(error) => (RegionState::failed(error), false),
    };
    match &state {
        RegionState::Available(_) => cx.emit(Event::Region { region: region.clone(), percent: 100 }),
        RegionState::Pending { .. } => {}
        RegionState::Failed { error, .. } => {
            cx.emit(Event::RegionFailed { region: region.clone(), error: error.to_string() });
        }
    }
    let required = aws.config.is_required(&region.0);
    (RegionOutcome { region: region.clone(), state, required }, made)
}

/// What has become of an AMI in a region: a copy has to be what it was copied from.
async fn look_at(
    aws: &Aws,
    cx: &Cx<Undo>,
    registered: &Registered,
    region: &Region,
    replica: Replica,
    available: bool,
) -> RegionState<Replica> {
    if !available {
        return RegionState::Pending { replica: Some(replica), percent: None };
    }
    if replica.ami == registered.ami {
        return RegionState::Available(replica);
    }
    let error = match compare::differences(aws, cx, registered, region, &replica.ami).await {
        Ok(differences) if differences.is_empty() => return RegionState::Available(replica),
        Ok(differences) => {
            let text = format!("{} is not what it was copied from: {}", replica.ami, differences.join("; "));
            Error::new(Kind::Invalid, text).with_hint("deregister the copy, and publish again: it is made once more")
        }
        Err(error) => error,
    };
    RegionState::Failed { replica: Some(replica), error }
}
