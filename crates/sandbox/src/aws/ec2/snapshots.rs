use super::{Params, Refusal, missing, params::passes, refusal};
use crate::{
    aws::state::{ACCOUNT, Progress, Snapshot, Tags},
    ids,
    server::World,
    xml::Xml,
};

pub fn describe(world: &World, region: &str, params: &Params) -> Result<Xml, Refusal> {
    let mut regions = world.aws.regions();
    let snapshots = &regions.entry(region.to_owned()).or_default().snapshots;
    let wanted = params.list("SnapshotId");
    if let Some(absent) = wanted.iter().find(|id| !snapshots.contains_key(**id)) {
        return Err(refusal("InvalidSnapshot.NotFound", format!("The snapshot '{absent}' does not exist.")));
    }
    let filters = params.filters();
    let shown = snapshots.values().filter(|snapshot| wanted.is_empty() || wanted.contains(&snapshot.id.as_str()));
    let shown = shown.filter(|snapshot| {
        passes(&filters, &snapshot.tags, |field| match field {
            "status" => Some(snapshot.state(world).to_owned()),
            "snapshot-id" => Some(snapshot.id.clone()),
            "description" => Some(snapshot.description.clone()),
            "owner-id" => Some(ACCOUNT.to_owned()),
            _ => None,
        })
    });
    Ok(Xml::new().items("snapshotSet", shown.map(|snapshot| describe_one(world, snapshot))))
}

fn describe_one(world: &World, snapshot: &Snapshot) -> Xml {
    let state = snapshot.state(world);
    Xml::new()
        .text("snapshotId", &snapshot.id)
        .text("volumeId", "vol-ffffffff")
        .text("status", state)
        .text("startTime", "2026-01-02T03:04:05.000Z")
        .text("progress", if state == "completed" { "100%" } else { "0%" })
        .text("ownerId", ACCOUNT)
        .text("volumeSize", snapshot.volume_size)
        .text("description", &snapshot.description)
        .text("encrypted", snapshot.is_encrypted())
        .maybe("kmsKeyId", snapshot.key.as_ref())
        .text("storageTier", "standard")
        .append(tag_set(&snapshot.tags))
}

pub fn tag_set(tags: &Tags) -> Xml {
    Xml::new().items("tagSet", tags.iter().map(|(key, value)| Xml::new().text("key", key).text("value", value)))
}

/// CopySnapshot: into the region that is asked. It knows no client token.
pub fn copy(world: &World, region: &str, params: &Params) -> Result<Xml, Refusal> {
    let field = |name: &str| params.get(name).ok_or_else(|| missing(name));
    let (source_region, source) = (field("SourceRegion")?, field("SourceSnapshotId")?);
    let mut regions = world.aws.regions();
    let there = regions.get(source_region).and_then(|there| there.snapshots.get(source)).cloned();
    let there =
        there.ok_or_else(|| refusal("InvalidSnapshot.NotFound", format!("The snapshot '{source}' does not exist.")))?;
    if there.state(world) != "completed" {
        return Err(refusal("IncorrectState", format!("The snapshot '{source}' is not completed.")));
    }
    let here = regions.entry(region.to_owned()).or_default();
    let copy = Snapshot {
        id: ids::ec2("snap"),
        description: params.get("Description").unwrap_or_default().to_owned(),
        tags: params.tags("snapshot"),
        progress: Progress::At(world.clock.now() + world.pace.copy),
        key: here.key_for(params.get("KmsKeyId"), params.is_true("Encrypted") || there.is_encrypted()),
        shared_with: Default::default(),
        ..there
    };
    let id = copy.id.clone();
    here.snapshots.insert(id.clone(), copy);
    Ok(Xml::new().text("snapshotId", id))
}

pub fn delete(world: &World, region: &str, params: &Params) -> Result<Xml, Refusal> {
    let id = params.get("SnapshotId").ok_or_else(|| missing("SnapshotId"))?;
    let mut regions = world.aws.regions();
    let region = regions.entry(region.to_owned()).or_default();
    if !region.snapshots.contains_key(id) {
        return Err(refusal("InvalidSnapshot.NotFound", format!("The snapshot '{id}' does not exist.")));
    }
    if let Some(user) = region.images.values().find(|image| image.snapshot == id) {
        return Err(refusal("InvalidSnapshot.InUse", format!("The snapshot {id} is currently in use by {}", user.id)));
    }
    region.snapshots.remove(id);
    Ok(Xml::new().text("return", true))
}

pub fn create_tags(world: &World, region: &str, params: &Params) -> Result<Xml, Refusal> {
    let tags = params.plain_tags("Tag");
    let mut regions = world.aws.regions();
    let region = regions.entry(region.to_owned()).or_default();
    for id in params.list("ResourceId") {
        let found = match (region.snapshots.get_mut(id), region.images.get_mut(id), region.imports.get_mut(id)) {
            (Some(snapshot), ..) => &mut snapshot.tags,
            (_, Some(image), _) => &mut image.tags,
            (.., Some(import)) => &mut import.tags,
            _ => return Err(refusal("InvalidID", format!("The ID '{id}' is not valid"))),
        };
        found.extend(tags.clone());
    }
    Ok(Xml::new().text("return", true))
}
