//! Gallery image versions, and how they reach their regions.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    arm::text,
    error::{ArmError, arm, invalid},
    locations,
    resource::{Kind, Resource},
};
use crate::server::World;

/// A version in one region.
#[derive(Clone, Debug)]
pub struct Replica {
    pub region: &'static str,
    pub started: Duration,
    pub ready_at: Duration,
    pub failed: bool,
}

/// Makes or changes a version. The error is the one with which its operation will end.
pub fn put(
    world: &World,
    version: &mut Resource,
    existing: Option<&Resource>,
    definition: &str,
) -> Result<Option<ArmError>, ArmError> {
    check_name(&version.name)?;
    let targets = target_regions(version)?;
    let source_key = source(version);
    if let Some(old) = existing {
        if source(old) != source_key {
            return Err(arm(
                409,
                "PropertyChangeNotAllowed",
                "Changing property 'storageProfile' of an image version is not allowed.",
            ));
        }
        version.content.clone_from(&old.content);
        version.replicas.clone_from(&old.replicas);
    } else {
        let state = world.azure.state();
        let found = state.resources.get(&source_key).filter(|r| matches!(r.kind, Kind::Image | Kind::Disk));
        let found = found.ok_or_else(|| {
            arm(404, "NotFound", format!("The source {source_key} of the image version is not found."))
        })?;
        check_source(version, found, state.resources.get(definition), world)?;
        version.content.clone_from(&found.content);
    }
    Ok(replicate(world, version, &targets))
}

fn check_name(name: &str) -> Result<(), ArmError> {
    let parts: Vec<_> = name.split('.').map(str::parse::<i32>).collect();
    if parts.len() == 3 && parts.iter().all(|part| part.as_ref().is_ok_and(|number| *number >= 0)) {
        return Ok(());
    }
    Err(invalid(format!("The image version name '{name}' must be Major.Minor.Patch, each a 32-bit integer.")))
}

/// The id of what a version is made from, in lower case.
pub fn source(version: &Resource) -> String {
    let profile = &version.properties["storageProfile"];
    let id = text(profile, "/source/id").or_else(|| text(profile, "/osDiskImage/source/id"));
    id.unwrap_or_default().to_lowercase()
}

fn target_regions(version: &Resource) -> Result<Vec<&'static str>, ArmError> {
    let targets = version.properties["publishingProfile"]["targetRegions"].as_array().cloned().unwrap_or_default();
    let mut regions = Vec::new();
    for target in &targets {
        let name = target["name"].as_str().unwrap_or_default();
        let region =
            locations::find(name).ok_or_else(|| invalid(format!("The target region '{name}' is not available.")))?;
        if regions.contains(&region) {
            return Err(invalid(format!("The target region '{region}' is given twice.")));
        }
        if target["regionalReplicaCount"].as_u64().is_some_and(|count| count == 0 || count > 100) {
            return Err(invalid("regionalReplicaCount must be from 1 to 100."));
        }
        regions.push(region);
    }
    if regions.is_empty() {
        regions.push(version.location);
    }
    if !regions.contains(&version.location) {
        return Err(invalid(format!(
            "The target regions must contain the location of the image version, '{}'.",
            version.location
        )));
    }
    Ok(regions)
}

fn check_source(
    version: &Resource,
    source: &Resource,
    definition: Option<&Resource>,
    world: &World,
) -> Result<(), ArmError> {
    if !source.is_ready(world) || (source.kind == Kind::Disk && source.disk_state() != "Unattached") {
        return Err(arm(409, "OperationNotAllowed", format!("The source {} is not ready.", source.name)));
    }
    if source.location != version.location {
        return Err(invalid(format!("The source is in location {}, not in {}.", source.location, version.location)));
    }
    let Some(definition) = definition else { return Ok(()) };
    let features = definition.properties["features"].as_array().into_iter().flatten();
    let mut security = features.filter(|feature| feature["name"] == "SecurityType").filter_map(|f| f["value"].as_str());
    if source.kind == Kind::Disk
        && let Some(other) = security.find(|value| *value != "Standard")
    {
        let message = format!(
            "The security type '{other}' is not supported for the source id '{}'. Currently only Vhd Blob, User Image and Gallery Image Version sources are supported for '{other}' images.",
            source.id
        );
        return Err(arm(400, "InvalidParameter", message));
    }
    let (wanted, has) =
        (text(&definition.properties, "/hyperVGeneration"), text(&source.properties, "/hyperVGeneration"));
    if wanted != has {
        return Err(invalid(format!(
            "The hyperVGeneration of the source is {}, that of the image definition {}.",
            has.unwrap_or("V1"),
            wanted.unwrap_or("V1")
        )));
    }
    let architecture = text(&source.properties, "/supportedCapabilities/architecture").unwrap_or("x64");
    if source.kind == Kind::Disk && text(&definition.properties, "/architecture") != Some(architecture) {
        return Err(invalid(format!(
            "The architecture of the source is {architecture}, not that of the image definition."
        )));
    }
    Ok(())
}

/// Starts replication to the regions that do not have the version, or in which it failed.
fn replicate(world: &World, version: &mut Resource, targets: &[&'static str]) -> Option<ArmError> {
    let now = world.clock.now();
    version.replicas.retain(|replica| targets.contains(&replica.region) && !replica.failed);
    for (index, region) in targets.iter().enumerate() {
        if version.replicas.iter().any(|replica| replica.region == *region) {
            continue;
        }
        let time = world.pace.replication.mul_f64(1.0 + index as f64 / 2.0);
        let failed = world.faults.next("Replicate", Some(region)).is_some();
        version.replicas.push(Replica { region, started: now, ready_at: now + time, failed });
    }
    version.ready_at =
        version.replicas.iter().map(|replica| replica.ready_at).max().unwrap_or(now).max(now + world.pace.arm);
    let failed: Vec<_> =
        version.replicas.iter().filter(|replica| replica.failed).map(|replica| replica.region).collect();
    (!failed.is_empty()).then(|| {
        let message = format!("The replication of the image version failed in {}.", failed.join(", "));
        arm(409, "GalleryImageVersionReplicationFailed", message)
    })
}

/// What `$expand=ReplicationStatus` adds.
pub fn replication_status(world: &World, version: &Resource) -> Value {
    let now = world.clock.now();
    let region = |replica: &Replica| {
        let length = (replica.ready_at - replica.started).as_secs_f64();
        let passed = now.saturating_sub(replica.started).as_secs_f64();
        let progress = if now >= replica.ready_at { 100.0 } else { 100.0 * passed / length };
        let (state, progress, details) = match (replica.failed, now >= replica.ready_at) {
            (true, true) => ("Failed", 0, "Not enough capacity in the region to store the replica."),
            (_, true) => ("Completed", 100, ""),
            _ => ("Replicating", progress as u64, ""),
        };
        json!({"region": locations::display(replica.region), "state": state, "progress": progress, "details": details})
    };
    let summary: Vec<_> = version.replicas.iter().map(region).collect();
    let is = |state: &str| summary.iter().any(|entry| entry["state"] == state);
    let aggregated = if is("Replicating") {
        "InProgress"
    } else if is("Failed") {
        "Failed"
    } else {
        "Completed"
    };
    json!({"aggregatedState": aggregated, "summary": summary})
}
