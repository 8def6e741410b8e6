//! What can be known before anything is changed.

pub mod existing;
mod found;
pub mod regions;
mod shape;
mod steps;

use std::sync::Arc;

use publisher::{Cx, Error, Event, Kind, Plan, Region, Result};
use vhd::{Facts, FixedVhd, Image, Layout};

pub use self::shape::Shape;
use crate::{Azure, Destination, Registered, Source, Undo, version::Version};

/// What the later stages work by.
#[derive(Clone, Debug)]
pub struct Decided {
    pub shape: Shape,
    pub location: String,
    pub regions: Vec<Region>,
    pub version: Version,
    pub digest: String,
    /// What is published.
    pub image: Arc<Image>,
}

impl Decided {
    /// The image as a disk has it: a fixed VHD.
    pub fn layout(&self) -> Result<Arc<dyn Layout>> {
        Ok(Arc::new(FixedVhd::new(self.image.clone(), self.shape.disk_size)?))
    }
}

pub async fn preflight(azure: &Azure, cx: &Cx<Undo>, image: &Arc<Image>) -> Result<Plan<Registered>> {
    let shape = Shape::of(&azure.config, image)?;
    warn(cx, &shape, image.facts()?);
    let (location, regions) = regions::regions(azure, cx).await?;
    let digest = image.content()?.digest().to_string();
    let has_definition = azure.config.destination() == Destination::Gallery && {
        existing::check_gallery(azure, cx).await?;
        existing::check_definition(azure, cx, &shape).await?
    };
    let all = existing::all(azure, cx).await?;
    let (version, found) = existing::choose_version(azure, all, &digest, shape.disk_size)?;
    if found.is_none() && shape.source == Source::ManagedImage && azure.keeps_image() {
        existing::check_managed_image(azure, cx, version).await?;
    }
    let decided = Decided { shape, location, regions, version, digest, image: image.clone() };
    let (steps, found) = match &found {
        Some(entry) => {
            let found = existing::registered(azure, cx, entry).await?;
            (found::steps(azure, cx, &found, &decided.regions).await?, Some(found))
        }
        None => (steps::steps(azure, &decided, has_definition, image)?, None),
    };
    let plan = Plan { steps, regions: decided.regions.clone(), denied: Vec::new(), found };
    azure.decided.set(decided).map_err(|_| Error::new(Kind::Local, "a backend publishes one image"))?;
    Ok(plan)
}

fn warn(cx: &Cx<Undo>, shape: &Shape, facts: &Facts) {
    for problem in &facts.problems {
        cx.emit(Event::Warning { message: format!("the image: {problem}") });
    }
    if facts.boot_files.is_empty() && shape.generation == "V2" {
        let message = "the image has no EFI boot file at the removable-media path; it may not boot on Azure".to_owned();
        cx.emit(Event::Warning { message });
    }
}
