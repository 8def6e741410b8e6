use super::{Params, Refusal, absent, check_name, missing, refusal};
use crate::{
    aws::{
        ec2::regions,
        state::{Image, Progress, Tags},
    },
    ids,
    server::World,
    xml::Xml,
};

/// How many copies a region makes at a time.
const AT_A_TIME: usize = 20;

pub fn copy(world: &World, region: &str, params: &Params) -> Result<Xml, Refusal> {
    let field = |name: &str| params.get(name).ok_or_else(|| missing(name));
    let (name, source_region, source_id) = (field("Name")?, field("SourceRegion")?, field("SourceImageId")?);
    check_name(name)?;
    if !regions::exists(source_region) {
        return Err(refusal("InvalidParameterValue", format!("Invalid source region: {source_region}")));
    }
    let mut regions = world.aws.regions();
    let token = params.get("ClientToken").map(|token| format!("copy:{token}"));
    let here = regions.entry(region.to_owned()).or_default();
    // A token is answered with what it first made, even where that is gone.
    if let Some(id) = token.as_ref().and_then(|token| here.tokens.get(token)) {
        return Ok(Xml::new().text("imageId", id));
    }
    if let Some(other) = here.images.values().find(|image| image.name == name) {
        let message = format!("AMI name {name} is already in use by AMI {}", other.id);
        return Err(refusal("InvalidAMIName.Duplicate", message));
    }
    let copying =
        here.images.values().filter(|image| image.source.is_some() && image.state(world) == "pending").count();
    if copying >= AT_A_TIME {
        return Err(refusal("ResourceLimitExceeded", "Too many snapshot copies in progress."));
    }
    let there = regions.entry(source_region.to_owned()).or_default();
    let source = there.images.get(source_id).ok_or_else(|| absent(source_id))?.clone();
    if source.state(world) != "available" {
        return Err(refusal("InvalidAMIID.Unavailable", format!("The image ID '{source_id}' is not available")));
    }
    let mut snapshot = match there.snapshots.get(&source.snapshot) {
        Some(snapshot) => snapshot.clone(),
        None => return Err(refusal("InvalidSnapshot.NotFound", "The image's snapshot does not exist.")),
    };
    let ready_at = world.clock.now() + world.pace.copy;
    snapshot.id = ids::ec2("snap");
    snapshot.description =
        format!("Copied for DestinationAmi from SourceAmi {source_id} for SourceSnapshot {}", source.snapshot);
    snapshot.progress = Progress::At(ready_at);
    let encrypted = params.is_true("Encrypted") || snapshot.is_encrypted();
    // A key is its region's: without one of this region, the copy has the account's own.
    snapshot.key = regions.entry(region.to_owned()).or_default().key_for(params.get("KmsKeyId"), encrypted);
    snapshot.shared_with.clear();
    snapshot.tags = params.tags("snapshot");

    let mut tags = if params.is_true("CopyImageTags") { source.tags.clone() } else { Tags::new() };
    tags.extend(params.tags("image"));
    let failed =
        world.faults.next("Copy", Some(region)).map(|_| "Internal error while copying the snapshot".to_owned());
    let mut source = source;
    source.device.insert("encrypted", snapshot.is_encrypted().to_string());
    // A copy that is not what it was copied from: what a check of it is for.
    if world.faults.next("Alter", Some(region)).is_some() {
        source.fields.insert("imdsSupport", "optional".to_owned());
    }
    let image = Image {
        id: ids::ec2("ami"),
        name: name.to_owned(),
        snapshot: snapshot.id.clone(),
        tags,
        shared_with: Default::default(),
        deprecation: None,
        created: world.clock.now(),
        ready_at,
        failed,
        source: Some((source_region.to_owned(), source_id.to_owned())),
        ..source
    };
    let id = image.id.clone();
    let here = regions.entry(region.to_owned()).or_default();
    here.tokens.extend(token.map(|token| (token, id.clone())));
    here.snapshots.insert(snapshot.id.clone(), snapshot);
    here.images.insert(id.clone(), image);
    Ok(Xml::new().text("imageId", id))
}
