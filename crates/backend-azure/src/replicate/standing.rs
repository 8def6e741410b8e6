use std::collections::BTreeMap;

use publisher::{Cx, Error, Kind, Region, RegionOutcome, RegionState, Result};
use serde_json::Value;

use super::Replica;
use crate::{Azure, Undo, client::versions, config::plain};

/// What Azure says of a version: where it is to be, and how far it is there.
pub struct Standing {
    /// The version as a GET answers it.
    pub version: Value,
    regions: BTreeMap<Region, InRegion>,
}

/// What Azure says of one region.
#[derive(Clone, Debug, Default)]
struct InRegion {
    state: String,
    percent: u8,
    details: String,
}

const EXPAND: [(&str, &str); 1] = [("$expand", "ReplicationStatus")];

impl Standing {
    /// Asks until there is an answer.
    pub async fn read(azure: &Azure, cx: &Cx<Undo>, id: &str) -> Result<Self> {
        let look = || azure.arm.get(id, versions::GALLERIES, &EXPAND);
        cx.retry("reading the replication status", look).await.map(Self::of)
    }

    /// Asks once.
    pub async fn look(azure: &Azure, id: &str) -> Result<Self> {
        azure.arm.get(id, versions::GALLERIES, &EXPAND).await.map(Self::of)
    }

    fn of(version: Value) -> Self {
        let entry = |entry: &Value| {
            let text = |field: &str| entry[field].as_str().unwrap_or_default().to_owned();
            let percent = entry["progress"].as_u64().unwrap_or_default().min(100) as u8;
            (Region(plain(&text("region"))), InRegion { state: text("state"), percent, details: text("details") })
        };
        let summary = version["properties"]["replicationStatus"]["summary"].as_array();
        let regions = summary.into_iter().flatten().map(entry).collect();
        Self { version, regions }
    }

    /// Where the version is to be.
    pub fn targets(&self) -> Vec<Region> {
        let targets = self.version["properties"]["publishingProfile"]["targetRegions"].as_array();
        let names = targets.into_iter().flatten().filter_map(|target| target["name"].as_str());
        names.map(|name| Region(plain(name))).collect()
    }

    /// How far it is in a region.
    pub fn percent(&self, region: &Region) -> u8 {
        self.regions.get(region).map_or(0, |there| there.percent)
    }

    /// What Azure calls the state of a region: `Completed`, `Failed` or others; none if it says nothing of it.
    pub fn state(&self, region: &Region) -> Option<&str> {
        self.regions.get(region).map(|there| there.state.as_str())
    }

    /// `Succeeded` or `Failed` in the end.
    fn provisioning(&self) -> &str {
        self.version["properties"]["provisioningState"].as_str().unwrap_or_default()
    }

    /// Whether no operation on the version is under way.
    pub fn is_final(&self) -> bool {
        matches!(self.provisioning(), "Succeeded" | "Failed")
    }

    /// Whether the version is to be brought to a region, or again.
    pub fn lacks(&self, region: &Region) -> bool {
        let state = self.state(region);
        // A version that failed as a whole may tell nothing of its regions; one that Azure is at may be at this one.
        let failed = self.provisioning() == "Failed" && state != Some("Completed");
        !self.targets().contains(region) || (self.is_final() && state == Some("Failed")) || failed
    }

    /// Whether the version is in each of its regions, and Azure at nothing of it any more.
    pub fn is_everywhere(&self) -> bool {
        let is_there = |region: &Region| matches!(self.state(region), None | Some("Completed"));
        self.provisioning() == "Succeeded" && self.targets().iter().all(is_there)
    }

    /// What has become of a region; `failure` is what the operation that made the version ended with.
    pub fn outcome(&self, region: &Region, failure: Option<&Error>) -> RegionOutcome<Replica> {
        let there = self.regions.get(region);
        let failed = |why: &str| {
            let why = if why.is_empty() { "Azure gives no reason" } else { why };
            let error = Error::new(Kind::Invalid, format!("replication failed: {why}"));
            RegionState::failed(
                error.with_hint("publish again: only this region is tried again, and no second version is made"),
            )
        };
        let state = match (self.state(region), failure, self.provisioning()) {
            (Some("Completed"), ..) => RegionState::Available(self.replica()),
            (Some("Failed"), _, _) if there.is_some_and(|there| !there.details.is_empty()) && self.is_final() => {
                failed(there.map_or("", |there| &there.details))
            }
            (_, Some(failure), _) => RegionState::failed(Error::new(failure.kind(), failure.to_string())),
            // An operation ends well only when all regions have the version (Compute Gallery, "Replication").
            (state, None, "Succeeded") if state != Some("Failed") => RegionState::Available(self.replica()),
            (_, None, _) if self.is_final() => failed(""),
            _ => self.pending(region),
        };
        RegionOutcome::new(region.clone(), state)
    }

    /// What has become of a region whose operation has only been accepted: what failed before is tried again.
    pub fn accepted(&self, region: &Region) -> RegionOutcome<Replica> {
        let state = match self.state(region) {
            Some("Completed") => RegionState::Available(self.replica()),
            _ => self.pending(region),
        };
        RegionOutcome::new(region.clone(), state)
    }

    fn pending(&self, region: &Region) -> RegionState<Replica> {
        RegionState::Pending { replica: Some(self.replica()), percent: Some(self.percent(region)) }
    }

    fn replica(&self) -> Replica {
        Replica { id: self.version["id"].as_str().unwrap_or_default().to_owned() }
    }
}
