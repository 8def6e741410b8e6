//! Whether the regions let an AMI be shared as configured, asked before anything is made. Nothing is ever unblocked.

use aws_sdk_ec2::types::{Image, SnapshotBlockPublicAccessState};
use publisher::{Cx, Error, Event, Kind, Region, Result};

use crate::{Aws, Sharing, Undo, error::classify, find, quota};

/// What can be known before anything is made: whether each region lets images be public, and whether the account encrypts
/// what could then not be. Of a region that need not have the image it is only said.
///
/// # Errors
/// [`Kind::Conflict`] with the region, and who manages it there. Nothing is ever unblocked.
pub async fn preflight(aws: &Aws, cx: &Cx<Undo>, regions: &[Region], name: &str, encrypted: bool) -> Result<()> {
    let Some(sharing) = aws.config.sharing.as_ref().filter(|sharing| !sharing.is_private()) else { return Ok(()) };
    let Some(home) = regions.first() else { return Ok(()) };
    // A copy of what is encrypted is encrypted.
    let encrypted = encrypted || encrypts(aws, cx, home).await?;
    for region in regions {
        let there = find::image_by_name(aws, cx, &region.0, name).await?;
        let has_key = aws.config.key_in(&region.0, &home.0).is_some();
        match check_region(aws, cx, sharing, region, there.as_ref(), has_key, encrypted).await {
            Err(error) if !aws.config.is_required(&region.0) => {
                cx.emit(Event::Warning { message: format!("the AMI will not be shared in {region}: {error}") });
            }
            checked => checked?,
        }
    }
    Ok(())
}

async fn check_region(
    aws: &Aws,
    cx: &Cx<Undo>,
    sharing: &Sharing,
    region: &Region,
    there: Option<&Image>,
    has_key: bool,
    encrypted: bool,
) -> Result<()> {
    // What is public already stays so, whatever is decided about new ones.
    let is_public = there.is_some_and(|image| image.public() == Some(true));
    if sharing.public && !is_public {
        check_public_images(aws, cx, region).await?;
        quota::check(aws, cx, region).await?;
    }
    if sharing.public_snapshots && !is_public {
        check_public_snapshots(aws, cx, region).await?;
    }
    let is_encrypted = match there {
        Some(image) => has_encrypted_snapshot(image),
        None => encrypted || has_key || encrypts(aws, cx, region).await?,
    };
    if !is_encrypted || (has_key && !sharing.public) {
        return Ok(());
    }
    let refuse = |text: String| {
        Err(Error::new(Kind::Conflict, text).with_hint(format!(
            "share with accounts, by a key of yours that they may use (aws.kms_key, aws.per_region.NAME.kms_key); or end the \
             account's default: aws ec2 disable-ebs-encryption-by-default --region {region}"
        )))
    };
    if sharing.public {
        return refuse(format!("snapshots are encrypted in {region}, and an AMI on such a one cannot be public"));
    }
    if has_shareable_key(aws, cx, region).await? {
        return Ok(());
    }
    refuse(format!("snapshots are encrypted in {region} with the account's own key, which others cannot use"))
}

fn has_encrypted_snapshot(image: &Image) -> bool {
    image
        .block_device_mappings()
        .iter()
        .filter_map(|device| device.ebs())
        .any(|disk| disk.snapshot_id().is_some() && disk.encrypted() == Some(true))
}

/// Whether the key that the account encrypts with by default is one of its own making: those can be shared, and the one
/// that AWS made for it cannot.
async fn has_shareable_key(aws: &Aws, cx: &Cx<Undo>, region: &Region) -> Result<bool> {
    let ec2 = aws.clients.ec2(&region.0);
    let request = || async { ec2.get_ebs_default_kms_key_id().send().await.map_err(classify) };
    let answer = cx.retry("reading the key that the account encrypts with", request).await?;
    Ok(answer.kms_key_id().is_some_and(|key| !key.ends_with("alias/aws/ebs")))
}

async fn check_public_images(aws: &Aws, cx: &Cx<Undo>, region: &Region) -> Result<()> {
    let ec2 = aws.clients.ec2(&region.0);
    let request = || async { ec2.get_image_block_public_access_state().send().await.map_err(classify) };
    let answer = cx.retry("reading whether images may be public", request).await?;
    if answer.image_block_public_access_state() != Some("block-new-sharing") {
        return Ok(());
    }
    Err(blocked("image", "AMI", region, answer.managed_by().map(|manager| manager.as_str())))
}

async fn check_public_snapshots(aws: &Aws, cx: &Cx<Undo>, region: &Region) -> Result<()> {
    let ec2 = aws.clients.ec2(&region.0);
    let request = || async { ec2.get_snapshot_block_public_access_state().send().await.map_err(classify) };
    let answer = cx.retry("reading whether snapshots may be public", request).await?;
    if answer.state().is_none_or(|state| *state == SnapshotBlockPublicAccessState::Unblocked) {
        return Ok(());
    }
    Err(blocked("snapshot", "snapshot", region, answer.managed_by().map(|manager| manager.as_str())))
}

fn blocked(command: &str, what: &str, region: &Region, manager: Option<&str>) -> Error {
    let manager = manager.unwrap_or("account");
    let text = format!("block public access for {what}s is on in {region}, managed by the {manager}");
    Error::new(Kind::Conflict, text).with_hint(match manager {
        "declarative-policy" => "a policy of the organization sets it: ask whoever manages that".to_owned(),
        _ => {
            format!("if the {what} is to be public: aws ec2 disable-{command}-block-public-access --region {region}")
        }
    })
}

async fn encrypts(aws: &Aws, cx: &Cx<Undo>, region: &Region) -> Result<bool> {
    let ec2 = aws.clients.ec2(&region.0);
    let request = || async { ec2.get_ebs_encryption_by_default().send().await.map_err(classify) };
    let answer = cx.retry("reading whether the account encrypts snapshots", request).await?;
    Ok(answer.ebs_encryption_by_default() == Some(true))
}
