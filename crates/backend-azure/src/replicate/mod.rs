//! The version in every region.

mod extend;
mod image;
mod standing;
mod watch;

use publisher::{Artifact, Cx, Region, RegionOutcome, RegionState, Replication, Result};
use serde::{Deserialize, Serialize};

pub use self::standing::Standing;
use self::{
    extend::{Extension, extend},
    watch::watch,
};
use crate::{Azure, Registered, Undo, Version, sharing, upload};

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
            image::wait(azure, cx, id).await?;
            // A run that was killed while it was made has left the disk that it was made of.
            for left in upload::leftovers(azure, cx, registered).await? {
                cx.always(left).await?;
            }
            let available = |region: &Region| {
                RegionOutcome::new(region.clone(), RegionState::Available(Replica { id: id.clone() }))
            };
            let regions = to.iter().map(available).collect();
            Ok(Replication { regions, changed: false, resources: registered.resources() })
        }
    }
}

async fn replicate_version(
    azure: &Azure,
    cx: &Cx<Undo>,
    version: &Version,
    to: &[Region],
) -> Result<Replication<Replica>> {
    let extension = match &version.operation {
        Some(operation) => Extension::Accepted(Some(operation.clone())),
        None => extend(azure, cx, version, to).await?,
    };
    let shared = sharing::share(azure, cx, &version.id).await?;
    let regions = match &extension {
        Extension::Accepted(operation) if cx.waits() => watch(azure, cx, version, to, operation.as_deref()).await?,
        Extension::NotNeeded if cx.waits() => watch(azure, cx, version, to, None).await?,
        _ => {
            let standing = Standing::read(azure, cx, &version.id).await?;
            let accepted = matches!(extension, Extension::Accepted(_));
            let look = |region| if accepted { standing.accepted(region) } else { standing.outcome(region, None) };
            to.iter().map(look).collect()
        }
    };
    let mut version = version.clone();
    if let Some(origin) = version.origin.clone().filter(|origin| !origin.stays)
        && Standing::read(azure, cx, &version.id).await?.is_everywhere()
    {
        cx.always(origin.undo()).await?;
        version.origin = None;
    }
    let changed = matches!(extension, Extension::Accepted(_)) || shared.changed;
    let resources = Registered::Version(version).resources().into_iter().chain(shared.resources).collect();
    Ok(Replication { regions, changed, resources })
}
