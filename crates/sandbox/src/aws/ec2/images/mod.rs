//! Machine images.

pub mod copy;
pub mod describe;
pub mod register;

use super::{Params, Refusal, missing, params, refusal, snapshots};
use crate::{server::World, xml::Xml};

pub fn deregister(world: &World, region: &str, params: &Params) -> Result<Xml, Refusal> {
    let id = params.get("ImageId").ok_or_else(|| missing("ImageId"))?;
    let mut regions = world.aws.regions();
    let region = regions.entry(region.to_owned()).or_default();
    let image = region.images.remove(id).ok_or_else(|| absent(id))?;
    let mut deleted = Vec::new();
    if params.is_true("DeleteAssociatedSnapshots") {
        let shared = region.images.values().any(|other| other.snapshot == image.snapshot);
        let code = if shared { "skipped" } else { "success" };
        if !shared {
            region.snapshots.remove(&image.snapshot);
        }
        deleted.push(Xml::new().text("snapshotId", &image.snapshot).text("returnCode", code));
    }
    Ok(Xml::new().text("return", true).items("deleteSnapshotResultSet", deleted))
}

/// EnableImageDeprecation: to the minute, and not in the past.
pub fn deprecate(world: &World, region: &str, params: &Params) -> Result<Xml, Refusal> {
    let field = |name: &str| params.get(name).ok_or_else(|| missing(name));
    let (id, at) = (field("ImageId")?, field("DeprecateAt")?);
    let time = at.parse::<jiff::Timestamp>().ok().filter(|time| *time > jiff::Timestamp::now());
    let time =
        time.ok_or_else(|| refusal("InvalidParameter", format!("The deprecation date {at} is not in the future")))?;
    let mut regions = world.aws.regions();
    let image = regions.entry(region.to_owned()).or_default().images.get_mut(id).ok_or_else(|| absent(id))?;
    image.deprecation = Some(time.strftime("%Y-%m-%dT%H:%M:00.000Z").to_string());
    Ok(Xml::new().text("return", true))
}

pub fn absent(id: &str) -> Refusal {
    refusal("InvalidAMIID.NotFound", format!("The image id '[{id}]' does not exist"))
}

/// The rules for the name of an image (RegisterImage, "Name").
fn check_name(name: &str) -> Result<(), Refusal> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "()[] ./-'@_".contains(c);
    if (3..=128).contains(&name.len()) && name.chars().all(allowed) {
        return Ok(());
    }
    Err(refusal(
        "InvalidAMIName.Malformed",
        "AMI names must be between 3 and 128 characters long, and may contain letters, numbers, '(', ')', '.', '-', '/' and '_'",
    ))
}
