use aws_sdk_ec2::types::{ImageState, ResourceType};
use futures::future::join_all;
use publisher::{
    Artifact, Cx, Error, Event, Kind, Region, RegionOutcome, RegionState, Replication, Result, RunKey, TAG_DIGEST,
};
use serde::{Deserialize, Serialize};

use crate::{Aws, Registered, Undo, error::classify, find, register, tags, undo};

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

pub async fn replicate(
    aws: &Aws,
    cx: &Cx<Undo>,
    registered: &Registered,
    to: &[Region],
) -> Result<Replication<Replica>> {
    // An AMI that an earlier run registered may still be pending; only an available one can be copied.
    register::wait(aws, cx, &registered.region, &registered.ami).await?;
    let outcomes = join_all(to.iter().map(|region| bring(aws, cx, registered, region))).await;
    let changed = outcomes.iter().any(|(_, made)| *made);
    let regions = outcomes.into_iter().map(|(outcome, _)| outcome).collect();
    Ok(Replication { regions, changed, resources: registered.resources() })
}

/// An AMI in a region.
struct Copied {
    ami: String,
    /// Whether this run began the copy.
    made: bool,
    available: bool,
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
        Ok(Copied { ami, made, available: false }) => {
            (RegionState::Pending { replica: Some(Replica { ami }), percent: None }, made)
        }
        Ok(Copied { ami, made, .. }) => {
            cx.emit(Event::Region { region: region.clone(), percent: 100 });
            (RegionState::Available(Replica { ami }), made)
        }
        Err(error) => {
            cx.emit(Event::RegionFailed { region: region.clone(), error: error.to_string() });
            (RegionState::Failed(error), true)
        }
    };
    (RegionOutcome { region: region.clone(), state }, made)
}

async fn copy(aws: &Aws, cx: &Cx<Undo>, registered: &Registered, region: &Region) -> Result<Copied> {
    let decided = aws.decided()?;
    if let Some(there) = find::image_by_name(aws, cx, &region.0, &decided.name).await? {
        let ami = there.image_id().unwrap_or_default().to_owned();
        if tags::value(there.tags(), TAG_DIGEST) != Some(&decided.digest) {
            let text = format!("{ami} in {region} has the name {} and holds another image", decided.name);
            return Err(Error::new(Kind::Conflict, text)
                .with_hint("images are never overwritten: give this one another version or name"));
        }
        // What has failed is known at once, and is removed for the next run's sake.
        let pending = there.state() == Some(&ImageState::Pending) && !cx.waits();
        if !pending {
            finish(aws, cx, region, &ami).await?;
        }
        return Ok(Copied { ami, made: false, available: !pending });
    }
    let ec2 = aws.clients.ec2(&region.0);
    // One token for one copy of one AMI by one process: a lost answer makes no second copy.
    let token = RunKey::new([
        ("run", cx.run().to_string()),
        ("source", registered.ami.clone()),
        ("region", region.0.clone()),
        ("process", aws.nonce.to_string()),
    ]);
    let request = || {
        let request = ec2
            .copy_image()
            .name(&decided.name)
            .set_description(aws.spec.description.clone())
            .source_region(&registered.region)
            .source_image_id(&registered.ami)
            .client_token(token.as_str())
            .tag_specifications(tags::specification(ResourceType::Image, &decided.tags))
            .tag_specifications(tags::specification(ResourceType::Snapshot, &decided.tags));
        async { request.send().await.map_err(classify) }
    };
    let begun = cx.retry(&format!("copying the AMI to {region}"), request).await?;
    let ami = begun.image_id.ok_or_else(|| Error::new(Kind::Invalid, "AWS began a copy without an id"))?;
    if cx.waits() {
        finish(aws, cx, region, &ami).await?;
    }
    Ok(Copied { ami, made: true, available: cx.waits() })
}

/// Waits for a copy. One that failed is removed, so that its name is free for the next run.
async fn finish(aws: &Aws, cx: &Cx<Undo>, region: &Region, ami: &str) -> Result<()> {
    let waited = register::wait(aws, cx, &region.0, ami).await;
    if let Err(error) = &waited
        && error.kind() == Kind::Invalid
        && let Err(left) = undo::deregister(aws, cx, &region.0, ami).await
    {
        cx.emit(Event::Warning { message: format!("left behind: {ami} in {region}: {left}") });
    }
    waited
}
