//! What can be known before anything is changed.

mod bucket;
mod regions;
mod shape;
mod steps;

use std::{collections::BTreeMap, sync::Arc};

use publisher::{Cx, Error, Event, ImageSpec, Kind, Plan, Region, Result, TAG_DIGEST};
use vhd::Image;

use self::steps::steps;
pub use self::{
    bucket::check_bucket,
    regions::{elsewhere, partition, regions, wanted},
    shape::Shape,
};
use crate::{Aws, Config, Registered, Undo, config::Via, find, parameters, permissions, sharing, tags};

/// The AMI's name, as far as it can be told without the image.
pub fn configured_name(config: &Config, spec: &ImageSpec) -> Option<String> {
    let versioned = || spec.version.as_ref().map(|version| format!("{}-{version}", spec.name));
    config.ami_name.clone().or_else(versioned)
}

/// The AMI's name. It tells versions apart, or contents where there is no version: AMI names are unique in a region.
///
/// # Errors
/// [`Kind::Config`] for a name that AWS does not take.
pub fn ami_name(config: &Config, spec: &ImageSpec, image: &Image) -> Result<String> {
    let name = match configured_name(config, spec) {
        Some(name) => name,
        None => format!("{}-{}", spec.name, &image.content()?.digest().hex()[..12]),
    };
    // RegisterImage, "Name".
    let allowed = |c: char| c.is_ascii_alphanumeric() || "()[] ./-'@_".contains(c);
    if (3..=128).contains(&name.len()) && name.chars().all(allowed) {
        return Ok(name);
    }
    Err(Error::new(Kind::Config, format!("\"{name}\" is no name for an AMI"))
        .with_hint("3 to 128 letters, digits, spaces and ( ) [ ] . / - ' @ _"))
}

/// What the later stages work by.
#[derive(Clone, Debug)]
pub struct Decided {
    pub shape: Shape,
    pub name: String,
    pub regions: Vec<Region>,
    pub digest: String,
    pub tags: BTreeMap<String, String>,
    /// Names of the parameters that name the AMI in the end.
    pub parameters: Vec<String>,
    /// What is published.
    pub image: Arc<Image>,
}

impl Decided {
    /// The region in which the image is made: the first, of which there is one at least.
    pub fn home(&self) -> &str {
        self.regions.first().map(|region| region.0.as_str()).unwrap_or_default()
    }
}

/// What can be known of an image and its settings without asking AWS: what it is registered as, its name, and the names of the
/// parameters that name it.
///
/// # Errors
/// What AWS would refuse.
pub fn local(aws: &Aws, image: &Image) -> Result<(Shape, String, Vec<String>)> {
    let shape = Shape::of(&aws.config, image)?;
    let name = ami_name(&aws.config, &aws.spec, image)?;
    let parameters = parameters::names(&aws.config, &aws.spec, &name, &shape.architecture)?;
    if aws.config.route()? != Via::Ebs {
        vhd::footer::check_size(shape.disk_size)?;
    }
    Ok((shape, name, parameters))
}

pub async fn preflight(aws: &Aws, cx: &Cx<Undo>, image: &Arc<Image>) -> Result<Plan<Registered>> {
    let (shape, name, parameters) = local(aws, image)?;
    let facts = image.facts()?;
    for problem in &facts.problems {
        cx.emit(Event::Warning { message: format!("the image: {problem}") });
    }
    if facts.firmware().is_none() {
        let message = "nothing on the image can be booted by UEFI or BIOS; it may not boot on EC2".to_owned();
        cx.emit(Event::Warning { message });
    }
    aws.clients.check_credentials().await?;
    let regions = regions(aws, cx).await?;
    let digest = image.content()?.digest().to_string();
    let tags = tags::all(&aws.spec, &name, cx.run(), &aws.attempt, &digest);
    let decided = Decided { shape, name, regions, digest, tags, parameters, image: image.clone() };
    if let Via::S3(bucket) = aws.config.route()? {
        check_bucket(aws, cx, bucket, decided.home()).await?;
    }
    let found = found(aws, cx, &decided).await?;
    sharing::preflight(aws, cx, &decided.regions, &decided.name, decided.shape.encrypted).await?;
    parameters::preflight(aws, cx, &decided.regions, &decided.parameters).await?;
    let denied = if cx.plans() { permissions::denied(aws, cx, &decided).await } else { Vec::new() };
    let steps = steps(aws, &decided, found.is_some(), image)?;
    let plan = Plan { steps, regions: decided.regions.clone(), denied, found };
    aws.decided.set(decided).map_err(|_| Error::new(Kind::Local, "a backend publishes one image"))?;
    Ok(plan)
}

/// The image of this name, if it is this image.
async fn found(aws: &Aws, cx: &Cx<Undo>, decided: &Decided) -> Result<Option<Registered>> {
    let Some(image) = find::image_by_name(aws, cx, decided.home(), &decided.name).await? else { return Ok(None) };
    let id = image.image_id().unwrap_or_default();
    if tags::value(image.tags(), TAG_DIGEST) != Some(&decided.digest) {
        let text = format!("{id} in {} has the name {} and holds another image", decided.home(), decided.name);
        return Err(Error::new(Kind::Conflict, text)
            .with_hint("images are never overwritten: give this one another version or name"));
    }
    if tags::value(image.tags(), publisher::TAG_RUN) != Some(cx.run().as_str()) {
        let text = format!("{id} in {} holds this image and was registered otherwise", decided.home());
        return Err(
            Error::new(Kind::Conflict, text).with_hint("give it another version or name, or register it as before")
        );
    }
    Ok(Some(Registered::found(decided.home(), &image)))
}
