//! What can be known before anything is changed.

pub mod existing;
mod regions;
mod shape;
mod steps;

use std::sync::Arc;

use publisher::{Cx, Error, Event, Kind, Plan, Region, Result};
use vhd::{Facts, Image};

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
}

pub async fn preflight(azure: &Azure, cx: &Cx<Undo>, image: &Arc<Image>) -> Result<Plan<Registered>> {
    let shape = Shape::of(&azure.config, image)?;
    check_waiting(azure, cx, &shape)?;
    warn(cx, &shape, image.facts()?);
    let (location, regions) = regions::regions(azure, cx).await?;
    let digest = image.content()?.digest().to_string();
    let has_definition = azure.config.destination() == Destination::Gallery && {
        existing::check_gallery(azure, cx).await?;
        existing::check_definition(azure, cx, &shape).await?
    };
    let all = existing::all(azure, cx).await?;
    let (version, found) = existing::choose_version(azure, all, &digest, shape.disk_size)?;
    if found.is_none() && shape.source == Source::ManagedImage {
        existing::check_managed_image(azure, cx, version).await?;
    }
    let decided = Decided { shape, location, regions, version, digest };
    let plan = Plan {
        steps: steps::steps(azure, &decided, has_definition, found.is_some(), image)?,
        regions: decided.regions.clone(),
        found: match &found {
            Some(entry) => Some(existing::registered(azure, cx, entry).await?),
            None => None,
        },
    };
    azure.decided.set(decided).map_err(|_| Error::new(Kind::Local, "a backend publishes one image"))?;
    Ok(plan)
}

/// A version that is made from the disk needs it until it has replicated, and the disk goes when the run ends.
fn check_waiting(azure: &Azure, cx: &Cx<Undo>, shape: &Shape) -> Result<()> {
    let keeps_disk = azure.config.keep_disk.unwrap_or_default();
    if cx.waits() || shape.source != Source::Disk || keeps_disk {
        return Ok(());
    }
    let text = "a run that does not wait would delete the disk while the version is still made from it";
    Err(Error::new(Kind::Config, text).with_hint("wait for it, or keep the disk: azure.keep_disk = true"))
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
