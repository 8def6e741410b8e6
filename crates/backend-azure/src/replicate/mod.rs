//! The version in every region.

mod extend;
mod standing;
mod watch;

use publisher::{Artifact, Cx, Region, RegionOutcome, RegionState, Replication, Result};
use serde::{Deserialize, Serialize};

pub use self::standing::Standing;
use crate::{Azure, Registered, Undo, Version, sharing};

/// The image in one region. The id of a version is the same everywhere: a gallery resolves it to the nearest replica.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Replica {
    /// The id of the version or the managed image.
    pub id: String,
}

impl Artifact for Replica {
    fn resources(&self) -> Vec<(&'static str, String)> {
        vec![("image", self.id.clone())]
    }
}

pub async fn replicate(
    azure: &Azure,
    cx: &Cx<Undo>,
    registered: &Registered,
    to: &[Region],
) -> Result<Replication<Replica>> {
    match registered {
        Registered::Version(version) => replicate_version(azure, cx, version, to).await,
        Registered::ManagedImage { id } => {
            let available = |region: &Region| RegionOutcome {
                region: region.clone(),
                state: RegionState::Available(Replica { id: id.clone() }),
            };
            Ok(Replication { regions: to.iter().map(available).collect(), changed: false, resources: Vec::new() })
        }
    }
}

async fn replicate_version(
    azure: &Azure,
    cx: &Cx<Undo>,
    version: &Version,
    to: &[Region],
) -> Result<Replication<Replica>> {
    let mut operation = version.operation.clone();
    if operation.is_none() {
        operation = extend::extend(azure, cx, version, to).await?;
    }
    let shared = sharing::share(azure, cx, &version.id).await?;
    let regions = if cx.waits() {
        watch::watch(azure, cx, version, to, operation.as_deref()).await?
    } else {
        let standing = Standing::read(azure, cx, &version.id).await?;
        let accepted = operation.is_some();
        to.iter()
            .map(|region| if accepted { standing.accepted(region) } else { standing.outcome(region, None) })
            .collect()
    };
    if let Some(undo) = version.undo {
        // The disk that the version is made from goes, and what has reached no region by then never will.
        if !regions.iter().any(|outcome| matches!(outcome.state, RegionState::Available(_))) {
            crate::undo::undo(azure, cx, &Undo::DeleteVersion { version: version.id.clone() }).await?;
        }
        cx.settle([undo]).await?;
    }
    let everywhere = regions.iter().all(|outcome| matches!(outcome.state, RegionState::Available(_)));
    if let Some(image) = version.intermediate.clone().filter(|_| everywhere) {
        cx.always(Undo::DeleteImage { image }).await?;
    }
    Ok(Replication { regions, changed: operation.is_some() || shared.changed, resources: shared.resources })
}
