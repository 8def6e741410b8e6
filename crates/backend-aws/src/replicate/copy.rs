use aws_sdk_ec2::types::{ImageState, ResourceType};
use publisher::{Cx, Error, Event, Kind, Region, Result, RunKey, TAG_DIGEST};

use crate::{Aws, Registered, Undo, error::classify, find, register, tags, undo};

/// An AMI in a region.
pub struct Copied {
    pub ami: String,
    /// Whether this run began the copy.
    pub made: bool,
    pub available: bool,
}

/// Copies the AMI to a region, or finds the copy that is there.
pub async fn copy(aws: &Aws, cx: &Cx<Undo>, registered: &Registered, region: &Region) -> Result<Copied> {
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
            .set_encrypted(decided.shape.encrypted.then_some(true))
            .set_kms_key_id(aws.config.per_region.get(&region.0).and_then(|there| there.kms_key.clone()))
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
