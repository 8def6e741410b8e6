use super::{Params, Refusal, absent, params::passes, snapshots::tag_set};
use crate::{
    aws::state::{ACCOUNT, Image},
    server::World,
    xml::Xml,
};

pub fn describe(world: &World, region: &str, params: &Params) -> Result<Xml, Refusal> {
    let mut regions = world.aws.regions();
    let images = &regions.entry(region.to_owned()).or_default().images;
    let wanted = params.list("ImageId");
    if let Some(missing) = wanted.iter().find(|id| !images.contains_key(**id)) {
        return Err(absent(missing));
    }
    let filters = params.filters();
    let shown = images.values().filter(|image| wanted.is_empty() || wanted.contains(&image.id.as_str()));
    let shown = shown.filter(|image| {
        passes(&filters, &image.tags, |field| match field {
            "name" => Some(image.name.clone()),
            "state" => Some(image.state(world).to_owned()),
            "image-id" => Some(image.id.clone()),
            "is-public" => Some(image.is_public().to_string()),
            "architecture" => image.fields.get("architecture").cloned(),
            "block-device-mapping.snapshot-id" => Some(image.snapshot.clone()),
            _ => None,
        })
    });
    Ok(Xml::new().items("imagesSet", shown.map(|image| describe_one(world, image))))
}

fn describe_one(world: &World, image: &Image) -> Xml {
    let mut ebs = Xml::new().text("snapshotId", &image.snapshot);
    for (name, value) in &image.device {
        ebs = ebs.text(name, value);
    }
    let device = Xml::new().maybe("deviceName", image.fields.get("rootDeviceName")).child("ebs", ebs);
    let more = image.more_devices.iter().map(|(name, fields)| {
        let entry = Xml::new().text("deviceName", name);
        match fields.get("virtualName") {
            Some(virtual_name) => entry.text("virtualName", virtual_name),
            None => entry.child("ebs", fields.iter().fold(Xml::new(), |ebs, (name, value)| ebs.text(name, value))),
        }
    });
    let devices: Vec<_> = std::iter::once(device).chain(more).collect();
    let mut body = Xml::new()
        .text("imageId", &image.id)
        .text("imageLocation", format!("{ACCOUNT}/{}", image.name))
        .text("imageState", image.state(world))
        .text("imageOwnerId", ACCOUNT)
        .text("creationDate", date(world, image.created))
        .text("isPublic", image.is_public())
        .text("imageType", "machine")
        .text("name", &image.name)
        .text("rootDeviceType", "ebs")
        .text("hypervisor", "xen")
        .text("platformDetails", "Linux/UNIX")
        .items("blockDeviceMapping", devices);
    for (name, value) in &image.fields {
        body = body.text(name, value);
    }
    body = body.maybe("deprecationTime", image.deprecation.as_ref());
    if let Some((region, id)) = &image.source {
        body = body.text("sourceImageRegion", region).text("sourceImageId", id);
    }
    if let (Some(reason), "failed") = (&image.failed, image.state(world)) {
        body = body.child("stateReason", Xml::new().text("code", "Client.ImageError").text("message", reason));
    }
    body.append(tag_set(&image.tags))
}

/// When something was made, as EC2 writes it.
fn date(world: &World, since_start: std::time::Duration) -> String {
    world.clock.date(since_start).strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}
