//! Who may start instances of an image, and make volumes of a snapshot.

use std::collections::BTreeSet;

use super::{Params, Refusal, images::absent, missing, refusal};
use crate::{
    aws::state::{OWN_KEY, Region, Snapshot, Who},
    server::World,
    xml::Xml,
};

/// The fields by which somebody is named, in a request and in an answer.
const FIELDS: [(&str, &str); 4] = [
    ("UserId", "userId"),
    ("Group", "group"),
    ("OrganizationArn", "organizationArn"),
    ("OrganizationalUnitArn", "organizationalUnitArn"),
];

fn named(params: &Params, prefix: &str) -> Vec<Who> {
    let at = |index: usize| {
        let value = |(from, to): &(&str, &'static str)| {
            Some((*to, params.get(&format!("{prefix}.{index}.{from}"))?.to_owned()))
        };
        FIELDS.iter().find_map(value)
    };
    (1..).map_while(at).collect()
}

fn shown(set: &'static str, who: &BTreeSet<Who>) -> Xml {
    Xml::new().items(set, who.iter().map(|(field, value)| Xml::new().text(field, value)))
}

/// Who is added, and who is taken off. EC2 takes two forms: a structure of additions and removals, and one operation with
/// flat lists (ModifyImageAttribute, "OperationType").
struct Change {
    added: Vec<Who>,
    removed: Vec<Who>,
}

impl Change {
    fn of(params: &Params, structure: &str, attribute: &str) -> Result<Self, Refusal> {
        let (mut added, mut removed) =
            (named(params, &format!("{structure}.Add")), named(params, &format!("{structure}.Remove")));
        let lists = [("UserId", "userId"), ("UserGroup", "group")];
        let flat: Vec<Who> = lists
            .into_iter()
            .flat_map(|(list, field)| params.list(list).into_iter().map(move |value| (field, value.to_owned())))
            .collect();
        if !flat.is_empty() && params.get("Attribute").is_some_and(|given| given != attribute) {
            return Err(refusal("InvalidParameterValue", format!("The attribute has to be {attribute}.")));
        }
        match params.get("OperationType") {
            Some("add") => added.extend(flat),
            Some("remove") => removed.extend(flat),
            _ if flat.is_empty() => {}
            _ => return Err(missing("OperationType")),
        }
        if added.is_empty() && removed.is_empty() {
            return Err(refusal("InvalidParameterCombination", "No operation and no permissions are given."));
        }
        Ok(Self { added, removed })
    }

    fn apply(self, shared: &mut BTreeSet<Who>) {
        shared.extend(self.added);
        for gone in self.removed {
            shared.remove(&gone);
        }
    }
}

pub fn describe_image(world: &World, region: &str, params: &Params) -> Result<Xml, Refusal> {
    let id = params.get("ImageId").ok_or_else(|| missing("ImageId"))?;
    let mut regions = world.aws.regions();
    let image = regions.entry(region.to_owned()).or_default().images.get(id).ok_or_else(|| absent(id))?;
    Ok(Xml::new().text("imageId", id).append(shown("launchPermission", &image.shared_with)))
}

pub fn modify_image(world: &World, region: &str, params: &Params) -> Result<Xml, Refusal> {
    let id = params.get("ImageId").ok_or_else(|| missing("ImageId"))?;
    let mut regions = world.aws.regions();
    let region = regions.entry(region.to_owned()).or_default();
    let Region { images, snapshots, blocks_public_images, public_images, .. } = region;
    let public = images.values().filter(|image| image.is_public() && image.id != id).count();
    let image = images.get_mut(id).ok_or_else(|| absent(id))?;
    let change = Change::of(params, "LaunchPermission", "launchPermission")?;
    let added = &change.added;
    if let Some((_, wrong)) = added.iter().find(|(field, id)| *field == "userId" && id.len() != 12) {
        return Err(refusal(
            "InvalidAMIAttributeItemValue",
            format!("Invalid attribute item value \"{wrong}\" for userId"),
        ));
    }
    let encrypted = snapshots.get(&image.snapshot).is_some_and(Snapshot::is_encrypted);
    if added.iter().any(|(field, _)| *field == "group") {
        if *blocks_public_images {
            let message = "You can't publicly share this image because block public access for AMIs is enabled in this Region. To publicly share the image, you must first disable block public access for AMIs.";
            return Err(refusal("OperationNotPermitted", message));
        }
        if encrypted {
            return Err(refusal("InvalidParameter", "Images with encrypted snapshots cannot be made public."));
        }
        if public >= *public_images as usize {
            let message = "You have reached your quota of public AMIs allowed in this Region.";
            return Err(refusal("ResourceLimitExceeded", message));
        }
    }
    change.apply(&mut image.shared_with);
    Ok(Xml::new().text("return", true))
}

pub fn describe_snapshot(world: &World, region: &str, params: &Params) -> Result<Xml, Refusal> {
    let id = params.get("SnapshotId").ok_or_else(|| missing("SnapshotId"))?;
    let mut regions = world.aws.regions();
    let snapshot = regions.entry(region.to_owned()).or_default().snapshots.get(id).ok_or_else(|| no_snapshot(id))?;
    Ok(Xml::new().text("snapshotId", id).append(shown("createVolumePermission", &snapshot.shared_with)))
}

pub fn modify_snapshot(world: &World, region: &str, params: &Params) -> Result<Xml, Refusal> {
    let id = params.get("SnapshotId").ok_or_else(|| missing("SnapshotId"))?;
    let mut regions = world.aws.regions();
    let Region { snapshots, blocks_public_snapshots, .. } = regions.entry(region.to_owned()).or_default();
    let snapshot = snapshots.get_mut(id).ok_or_else(|| no_snapshot(id))?;
    let change = Change::of(params, "CreateVolumePermission", "createVolumePermission")?;
    let added = &change.added;
    if added.iter().any(|(field, _)| !matches!(*field, "userId" | "group")) {
        return Err(refusal("InvalidParameterValue", "Snapshots are shared with accounts alone."));
    }
    if !added.is_empty() && !change.removed.is_empty() {
        return Err(refusal(
            "InvalidParameterCombination",
            "Permissions can be added or removed, and not both at once.",
        ));
    }
    if added.iter().any(|(field, _)| *field == "group") {
        if *blocks_public_snapshots {
            let message = "You can't publicly share this snapshot because block public access for snapshots is enabled in this Region.";
            return Err(refusal("OperationNotPermitted", message));
        }
        if snapshot.is_encrypted() {
            return Err(refusal("InvalidParameterValue", "Encrypted snapshots cannot be made public."));
        }
    }
    if !added.is_empty() && snapshot.key.as_deref() == Some(OWN_KEY) {
        let message = "Snapshots encrypted with the AWS Managed CMK can't be shared";
        return Err(refusal("OperationNotPermitted", message));
    }
    change.apply(&mut snapshot.shared_with);
    Ok(Xml::new().text("return", true))
}

fn no_snapshot(id: &str) -> Refusal {
    refusal("InvalidSnapshot.NotFound", format!("The snapshot '{id}' does not exist."))
}
