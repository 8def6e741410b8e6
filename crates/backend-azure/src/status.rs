//! How far an image is that was published before.

use publisher::{Artifact, Cx, Error, Kind, Region, RegionOutcome, RegionState, Replication, Result};
use serde_json::Value;

use crate::{
    Azure, Destination, Registered, Replica, Undo,
    plan::{existing, regions},
    replicate::Standing,
    sharing,
};

pub async fn status(azure: &Azure, cx: &Cx<Undo>) -> Result<(Registered, Replication<Replica>)> {
    let all = existing::all(azure, cx).await?;
    let (wanted, highest) = (azure.version(), all.iter().map(|(version, _)| *version).max());
    let entry = all.into_iter().find(|(version, _)| wanted.or(highest) == Some(*version));
    let (_, entry) = entry.ok_or_else(|| {
        let what = if azure.config.destination() == Destination::Gallery { "version" } else { "managed image" };
        let which = wanted.map_or_else(String::new, |version| format!(" {version}"));
        Error::new(Kind::NotFound, format!("there is no {what}{which} of {}", azure.names.definition))
            .with_hint("--name, --version, --gallery and --destination say which image is meant")
    })?;
    let registered = existing::registered(azure, cx, &entry).await?;
    let resources = registered.resources();
    let Registered::Version(version) = &registered else {
        let regions = vec![outcome_of_image(&entry)];
        return Ok((registered, Replication { regions, changed: false, resources }));
    };
    let standing = Standing::read(azure, cx, &version.id).await?;
    let mut regions = standing.targets();
    for region in regions::named(azure, cx).await? {
        if !regions.contains(&region) {
            regions.push(region);
        }
    }
    let regions = regions.iter().map(|region| outcome_of(&standing, region)).collect();
    let shared = sharing::shared_as(azure, cx, &version.id).await?;
    let resources = resources.into_iter().chain(shared).collect();
    Ok((registered, Replication { regions, changed: false, resources }))
}

fn outcome_of(standing: &Standing, region: &Region) -> RegionOutcome<Replica> {
    if standing.targets().contains(region) {
        return standing.outcome(region, None);
    }
    let error = Error::new(Kind::NotFound, format!("the version is not in {region}"))
        .with_hint("publish again: it is brought to the regions that it does not have");
    RegionOutcome::new(region.clone(), RegionState::failed(error))
}

fn outcome_of_image(image: &Value) -> RegionOutcome<Replica> {
    let region = Region(image["location"].as_str().unwrap_or_default().to_owned());
    let replica = Replica { id: image["id"].as_str().unwrap_or_default().to_owned() };
    let state = match image["properties"]["provisioningState"].as_str() {
        Some("Succeeded") => RegionState::Available(replica),
        Some("Failed") => RegionState::failed(Error::new(Kind::Invalid, "the managed image failed")),
        _ => RegionState::Pending { replica: Some(replica), percent: None },
    };
    RegionOutcome::new(region, state)
}
