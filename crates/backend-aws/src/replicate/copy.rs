use aws_sdk_ec2::types::{ImageState, ResourceType};
use publisher::{Cx, Error, Event, Kind, Region, Result, RunKey, TAG_DIGEST, TAG_RUN};

use crate::{
    Aws, Registered, Undo,
    error::{classify, has_code, soon},
    find, register, tags, undo,
};

/// An AMI in a region.
pub struct Copied {
    pub ami: String,
    /// Whether this run began the copy.
    pub made: bool,
    pub available: bool,
}

/// Copies the AMI to a region, or finds the copy that is there.
pub async fn copy(aws: &Aws, cx: &Cx<Undo>, registered: &Registered, region: &Region) -> Result<Copied> {
    match begin(aws, cx, registered, region).await {
        // Another machine was quicker, and its copy is the one there is.
        Err(error) if has_code(&error, "InvalidAMIName.Duplicate") => begin(aws, cx, registered, region).await,
        begun => begun,
    }
}

/// Begins a copy, or finds the one that is there.
async fn begin(aws: &Aws, cx: &Cx<Undo>, registered: &Registered, region: &Region) -> Result<Copied> {
    let decided = aws.decided()?;
    if let Some(there) = find::image_by_name(aws, cx, &region.0, &decided.name).await? {
        let ami = there.image_id().unwrap_or_default().to_owned();
        // What an AMI is registered as is in the run's key.
        let is_ours = tags::value(there.tags(), TAG_RUN) == Some(cx.run().as_str());
        if is_ours && there.state() == Some(&ImageState::Disabled) {
            let text = format!("{ami} in {region} is disabled");
            return Err(Error::new(Kind::Conflict, text)
                .with_hint(format!("aws ec2 enable-image --region {region} --image-id {ami}")));
        }
        if !is_ours || tags::value(there.tags(), TAG_DIGEST) != Some(&decided.digest) {
            let text = format!(
                "{ami} in {region} has the name {} and holds another image, or was registered otherwise",
                decided.name
            );
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
        ("process", aws.attempt.nonce().to_owned()),
    ]);
    let key = aws.config.key_in(&region.0, decided.home()).cloned();
    let request = || {
        let request = ec2
            .copy_image()
            .name(&decided.name)
            .set_description(aws.spec.description.clone())
            .source_region(&registered.region)
            .source_image_id(&registered.ami)
            .client_token(token.as_str())
            .set_encrypted((decided.shape.encrypted || key.is_some()).then_some(true))
            .set_kms_key_id(key.clone())
            .tag_specifications(tags::specification(ResourceType::Image, &decided.tags))
            .tag_specifications(tags::specification(ResourceType::Snapshot, &decided.tags));
        // The region may not know yet what the home region has.
        async { request.send().await.map_err(classify).map_err(soon) }
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
    // Only what AWS itself calls failed is removed, and not what could not be looked at.
    let Err(failure) = register::outcome(aws, cx, &region.0, ami).await? else { return Ok(()) };
    if let Err(left) = undo::deregister(aws, cx, &region.0, ami).await {
        cx.emit(Event::Warning { message: format!("left behind: {ami} in {region}: {left}") });
    }
    Err(failure)
}
