use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use publisher::{
    Artifact, Cx, Error, Event, Kind, Poll, Region, RegionOutcome, RegionState, Replication, Result, Schedule,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Azure, Registered, Undo, client::versions, config::plain, register::publishing_profile};

/// The version in one region. Its id is the version's: a gallery resolves it to the nearest replica.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Replica {
    /// The version's id.
    pub version: String,
}

impl Artifact for Replica {
    fn resources(&self) -> Vec<(&'static str, String)> {
        vec![("image_version", self.version.clone())]
    }
}

/// Replication may take hours (Compute Gallery, "Image versions").
const DEADLINE: Duration = Duration::from_secs(6 * 60 * 60);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// What Azure says of one region.
#[derive(Clone, Debug, Default)]
struct Progress {
    state: String,
    percent: u8,
    details: String,
}

pub async fn replicate(
    azure: &Azure,
    cx: &Cx<Undo>,
    registered: &Registered,
    to: &[Region],
) -> Result<Replication<Replica>> {
    let mut operation = registered.operation.clone();
    let mut changed = operation.is_some();
    if operation.is_none() {
        operation = extend(azure, cx, registered, to).await?;
        changed = operation.is_some();
    }
    let regions = watch(azure, cx, registered, to, operation.as_deref()).await?;
    if let Some(undo) = registered.undo {
        cx.settle([undo]).await?;
    }
    Ok(Replication { regions, changed })
}

/// Adds the regions that a version does not have, or in which it failed. Nothing is sent where nothing is missing.
async fn extend(azure: &Azure, cx: &Cx<Undo>, registered: &Registered, to: &[Region]) -> Result<Option<String>> {
    let version = status(azure, cx, registered).await?;
    let has: Vec<_> = targets(&version);
    let progress = progress(&version);
    // A version that failed as a whole may tell nothing of its regions.
    let failed = version["properties"]["provisioningState"] == "Failed";
    let lacking = |region: &&Region| {
        let state = progress.get(&region.0).map(|progress| progress.state.as_str());
        !has.contains(&region.0) || state == Some("Failed") || (failed && state != Some("Completed"))
    };
    if to.iter().filter(lacking).count() == 0 {
        return Ok(None);
    }
    // Regions that others added stay: the body names all of them.
    let more = to.iter().map(|region| &region.0).filter(|region| !has.contains(region));
    let all: Vec<_> = has.iter().chain(more).map(String::as_str).collect();
    let mut body = version.clone();
    let kept = body["properties"]["publishingProfile"]["targetRegions"].as_array().cloned().unwrap_or_default();
    let mut profile = publishing_profile(azure, all.into_iter())?;
    if let Some(targets) = profile["targetRegions"].as_array_mut() {
        for target in targets {
            let same = |old: &&Value| target["name"].as_str().map(plain) == old["name"].as_str().map(plain);
            if let Some(old) = kept.iter().find(same) {
                *target = old.clone();
            }
        }
    }
    body["properties"]["publishingProfile"]["targetRegions"] = profile["targetRegions"].take();
    if let Some(properties) = body["properties"].as_object_mut() {
        properties.remove("provisioningState");
        properties.remove("replicationStatus");
    }
    let what = "adding regions to the image version";
    let accepted = cx.retry(what, || azure.arm.put(&registered.version, versions::GALLERIES, &body)).await?;
    Ok(accepted.operation())
}

async fn status(azure: &Azure, cx: &Cx<Undo>, registered: &Registered) -> Result<Value> {
    let expand = [("$expand", "ReplicationStatus")];
    let what = "reading the replication status";
    cx.retry(what, || azure.arm.get(&registered.version, versions::GALLERIES, &expand)).await
}

fn targets(version: &Value) -> Vec<String> {
    let targets = version["properties"]["publishingProfile"]["targetRegions"].as_array();
    targets.into_iter().flatten().filter_map(|target| target["name"].as_str()).map(plain).collect()
}

fn progress(version: &Value) -> BTreeMap<String, Progress> {
    let summary = version["properties"]["replicationStatus"]["summary"].as_array();
    let entry = |entry: &Value| {
        let text = |field: &str| entry[field].as_str().unwrap_or_default().to_owned();
        let percent = entry["progress"].as_u64().unwrap_or_default().min(100) as u8;
        (plain(&text("region")), Progress { state: text("state"), percent, details: text("details") })
    };
    summary.into_iter().flatten().map(entry).collect()
}

/// Watches until no region is on its way any more.
async fn watch(
    azure: &Azure,
    cx: &Cx<Undo>,
    registered: &Registered,
    to: &[Region],
    operation: Option<&str>,
) -> Result<Vec<RegionOutcome<Replica>>> {
    let told = Mutex::new(BTreeMap::new());
    let look = || async {
        // The operation knows why a version failed as a whole; the version knows how far each region is.
        let ended = match operation {
            Some(url) => match azure.arm.look_at(url).await {
                Ok(Poll::Ready(_)) => Some(None),
                Ok(Poll::Pending { .. }) => None,
                Err(error) if error.kind().is_retryable() => return Err(error),
                Err(error) => Some(Some(error)),
            },
            None => None,
        };
        let version =
            azure.arm.get(&registered.version, versions::GALLERIES, &[("$expand", "ReplicationStatus")]).await;
        let version = match (version, ended) {
            (Ok(version), ended) => (version, ended),
            (Err(_), Some(Some(error))) => return Err(error),
            (Err(error), _) => return Err(error),
        };
        let (version, ended) = version;
        let progress = progress(&version);
        for region in to {
            let percent = progress.get(&region.0).map_or(0, |progress| progress.percent);
            let before = told.lock().unwrap_or_else(PoisonError::into_inner).insert(region, percent);
            if before != Some(percent) {
                cx.emit(Event::Region { region: region.clone(), percent });
            }
        }
        // Until its operation has ended, a region that failed before may still be shown as failed.
        let settled = operation.is_none() || ended.is_some();
        let provisioned = version["properties"]["provisioningState"].as_str().unwrap_or_default().to_owned();
        let is_final = provisioned == "Succeeded" || provisioned == "Failed";
        let over = |region: &Region| match progress.get(&region.0).map(|progress| progress.state.as_str()) {
            Some("Completed") => true,
            Some("Failed") => settled,
            _ => settled && is_final,
        };
        if to.iter().all(over) || matches!(ended, Some(Some(_))) {
            return Ok(Poll::Ready((progress, provisioned, ended.flatten())));
        }
        Ok(Poll::Pending { percent: None, retry_after: None })
    };
    let (progress, provisioned, failure) =
        cx.poll("replicating the image version", Schedule::new(LONGEST_WAIT, DEADLINE), look).await?;
    Ok(to
        .iter()
        .map(|region| outcome(cx, registered, region, progress.get(&region.0), &provisioned, failure.as_ref()))
        .collect())
}

fn outcome(
    cx: &Cx<Undo>,
    registered: &Registered,
    region: &Region,
    progress: Option<&Progress>,
    provisioned: &str,
    failure: Option<&Error>,
) -> RegionOutcome<Replica> {
    let replica = Replica { version: registered.version.clone() };
    let state = match progress {
        Some(progress) if progress.state == "Completed" => RegionState::Available(replica),
        Some(progress) if progress.state == "Failed" => {
            let details = if progress.details.is_empty() { "Azure gives no reason" } else { &progress.details };
            let error = Error::new(Kind::Invalid, format!("replication failed: {details}"))
                .with_hint("publish again: only this region is tried again, and no second version is made");
            RegionState::Failed(error)
        }
        _ => match (failure, provisioned) {
            (Some(failure), _) => RegionState::Failed(Error::new(failure.kind(), failure.to_string())),
            // An operation ends well only when all regions have the version (Compute Gallery, "Replication").
            (None, "Succeeded") => RegionState::Available(replica),
            (None, "Failed") => {
                RegionState::Failed(Error::new(Kind::Invalid, "replication failed: Azure gives no reason"))
            }
            (None, _) => RegionState::Pending(Some(replica)),
        },
    };
    if let RegionState::Failed(error) = &state {
        cx.emit(Event::RegionFailed { region: region.clone(), error: error.to_string() });
    }
    RegionOutcome { region: region.clone(), state }
}
