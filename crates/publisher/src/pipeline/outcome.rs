use crate::{Artifact, ErrorReport, RegionOutcome, RegionReport, RegionState, Replication, Status};

/// How a run has ended whose regions have ended so.
pub fn status<R>(found: bool, replication: &Replication<R>) -> Status {
    let failed = replication.regions.iter().any(RegionOutcome::is_failure);
    let pending = replication.regions.iter().any(|r| matches!(r.state, RegionState::Pending { .. }));
    let available = replication.regions.iter().any(|r| matches!(r.state, RegionState::Available(_)));
    match (failed, pending) {
        (true, _) if !available && !pending => Status::Failed,
        (true, _) => Status::Partial,
        (false, true) => Status::Pending,
        (false, false) if found && !replication.changed => Status::Unchanged,
        (false, false) => Status::Published,
    }
}

/// What is reported of a region.
pub fn region_report<R: Artifact>(outcome: &RegionOutcome<R>) -> RegionReport {
    let id = |replica: &R| replica.resources().into_iter().next().map(|(_, id)| id);
    let (status, id, percent, error) = match &outcome.state {
        RegionState::Available(replica) => ("available", id(replica), None, None),
        RegionState::Pending { replica, percent } => ("pending", replica.as_ref().and_then(id), *percent, None),
        RegionState::Failed { replica, error } => {
            ("failed", replica.as_ref().and_then(id), None, Some(ErrorReport::from(error)))
        }
    };
    RegionReport { region: outcome.region.0.clone(), id, status, percent, required: outcome.required, error }
}
