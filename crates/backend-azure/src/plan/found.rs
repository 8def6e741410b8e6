//! What is still to be done for an image that an earlier run registered.

use publisher::{Cx, Event, Region, Result};
use serde_json::Value;

use crate::{Azure, Registered, Undo, config::plain, register::publishing_profile, replicate::Standing, sharing};

/// What would be done, in words. What is otherwise than the configuration has it, and is not changed, is a warning.
pub async fn steps(azure: &Azure, cx: &Cx<Undo>, found: &Registered, regions: &[Region]) -> Result<Vec<String>> {
    let Registered::Version(version) = found else { return Ok(Vec::new()) };
    let standing = Standing::read(azure, cx, &version.id).await?;
    for difference in differences(azure, &standing, regions)? {
        let message = format!("{difference}; a version that is there is not changed");
        cx.emit(Event::Warning { message });
    }
    let mut steps = Vec::new();
    let missing: Vec<_> =
        regions.iter().filter(|region| standing.lacks(region)).map(|region| region.0.as_str()).collect();
    if !missing.is_empty() {
        steps.push(format!("bring version {} to {}", version.id, missing.join(", ")));
    }
    if sharing::is_due(azure, cx).await?
        && let Some(sharing) = &azure.config.sharing
    {
        steps.push(format!("share gallery {}: {}", azure.names.gallery, sharing.describe()));
    }
    if let Some(origin) = version.origin.as_ref().filter(|origin| !origin.stays) {
        steps.push(format!("delete {}, once the version is everywhere", origin.id));
    }
    Ok(steps)
}

/// What of a version is otherwise than the configuration has it.
fn differences(azure: &Azure, standing: &Standing, regions: &[Region]) -> Result<Vec<String>> {
    let wanted = publishing_profile(azure, regions.iter().map(|region| region.0.as_str()))?;
    let found = &standing.version["properties"]["publishingProfile"];
    let mut differences = Vec::new();
    let mut compare = |place: &str, found: &Value, wanted: &Value, fields: &[&str]| {
        for field in fields.iter().filter(|field| !wanted[**field].is_null() && found[**field] != wanted[**field]) {
            differences.push(format!("{field}{place} is {}, the configuration says {}", found[*field], wanted[*field]));
        }
    };
    compare("", found, &wanted, &["endOfLifeDate", "excludeFromLatest"]);
    let targets = |profile: &Value| profile["targetRegions"].as_array().cloned().unwrap_or_default();
    let there = targets(found);
    for target in targets(&wanted) {
        let same = |other: &&Value| other["name"].as_str().map(plain) == target["name"].as_str().map(plain);
        if let Some(found) = there.iter().find(same) {
            let place = format!(" in {}", target["name"].as_str().unwrap_or_default());
            compare(&place, found, &target, &["regionalReplicaCount", "storageAccountType", "excludeFromLatest"]);
        }
    }
    Ok(differences)
}
