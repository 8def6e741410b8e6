//! How far an image is that was published before.

use publisher::{Cx, Error, Kind, Region, RegionOutcome, RegionState, Replication, Result};

use crate::{Azure, Destination, Registered, Replica, Undo, plan::existing, replicate::Standing, sharing};

pub async fn status(azure: &Azure, cx: &Cx<Undo>) -> Result<(Registered, Replication<Replica>)> {
    let all = existing::all(azure, cx).await?;
    let (wanted, highest) = (azure.version(), all.iter().map(|(version, _)| *version).max());
    let entry = all.into_iter().find(|(version, _)| wanted.or(highest) == Some(*version));
    let (_, entry) = entry.ok_or_else(|| {
        let what = if azure.config.destination() == Destination::Gallery { "version" } else { "managed image" };
        let which = wanted.map_or_else(String::new, |version| format!(" {version}"));
        Error::new(Kind::NotFound, format!("there is no {what}{which} of {}", azure.names.definition))
            .with_hint("--name, --version and --gallery say which image is meant")
    })?;
    let registered = existing::registered(azure, cx, &entry).await?;
    let Registered::Version(version) = &registered else {
        let region = Region(entry["location"].as_str().unwrap_or_default().to_owned());
        let state = match (entry["properties"]["provisioningState"].as_str(), entry["id"].as_str()) {
            (Some("Succeeded"), Some(id)) => RegionState::Available(Replica { id: id.to_owned() }),
            (Some("Failed"), _) => RegionState::Failed(Error::new(Kind::Invalid, "the managed image failed")),
            (_, id) => RegionState::Pending { replica: id.map(|id| Replica { id: id.to_owned() }), percent: None },
        };
        let regions = vec![RegionOutcome { region, state }];
        return Ok((registered, Replication { regions, changed: false, resources: Vec::new() }));
    };
    let standing = Standing::read(azure, cx, &version.id).await?;
    let regions = standing.targets().into_iter().map(|region| standing.outcome(&region, None));
    let regions = regions.collect();
    let resources = sharing::shared_as(azure, cx, &version.id).await?;
    Ok((registered, Replication { regions, changed: false, resources }))
}
