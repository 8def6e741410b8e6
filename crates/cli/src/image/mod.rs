//! The image: found where it is said to be, or built there, opened and read.

mod folder;
mod place;

use std::{path::PathBuf, sync::Arc};

use publisher::{Error, ImageReport, Kind, Result};
use tokio_util::sync::CancellationToken;
use vhd::{Image, ImageInfo, OpenOptions, image_info::Difference};

pub use self::place::Place;
use crate::{
    args::Opening,
    interrupt, nix,
    render::{message, meter::Meter},
};

/// An image that is open.
#[derive(Debug)]
pub struct Opened {
    pub image: Arc<Image>,
    /// What it is called where no name is given.
    pub called: String,
    /// What Nix built stays in its store for as long as this lives.
    _build: Option<nix::Build>,
}

/// Opens what a path, a pattern that matches one file, or a flake reference names; the last is built. What is not as it should be
/// in the image is shown.
///
/// # Errors
/// [`Kind::Config`] if no image is named, if the pattern is not one file's or if the flake has no such image, [`Kind::Image`]
/// for what is none, [`Kind::Local`] if it cannot be built, [`Kind::Cancelled`].
pub async fn open(named: Option<&str>, opening: &Opening, cancel: &CancellationToken) -> Result<Opened> {
    let named = named.ok_or_else(|| {
        Error::new(Kind::Config, "no image is named")
            .with_hint("publish azure result/disk.vhd, or .#ecs-node, or `image = …` in publish.toml")
    })?;
    let place = Place::of(named);
    let (path, build) = place.find(&opening.nix_flags, cancel).await?;
    let opened = interrupt::unless(cancel, open_file(path, opening)).await?;
    Ok(Opened { called: place.called().unwrap_or(opened.called), _build: build, ..opened })
}

/// Opens a file.
///
/// # Errors
/// [`Kind::Image`] if it is no disk image.
pub async fn open_file(path: PathBuf, opening: &Opening) -> Result<Opened> {
    let called = place::name_of(&path);
    let Opening { spool_dir, repair, .. } = opening.clone();
    let image = apart(move || {
        let meter = Meter::new(format!("unpacking {}", path.display()));
        let report = |progress| meter.show(progress);
        OpenOptions::new().spool_in(spool_dir).repair(repair).progress(&report).open(&path).map_err(Error::from)
    })
    .await?;
    for warning in image.warnings() {
        message::warning(&warning.to_string());
    }
    Ok(Opened { image: Arc::new(image), called, _build: None })
}

/// What stands beside the image, and where it disagrees with it.
pub async fn info(image: &Arc<Image>) -> Result<Option<(ImageInfo, Vec<Difference>)>> {
    let image = image.clone();
    apart(move || {
        let Some(info) = ImageInfo::beside(&image.path())? else { return Ok(None) };
        let differences = info.differences(&image)?;
        Ok(Some((info, differences)))
    })
    .await
}

/// That what stands beside the image agrees with it.
///
/// # Errors
/// [`Kind::Image`] with everything that differs.
pub async fn check_info(image: &Arc<Image>) -> Result<()> {
    let Some((info, differences)) = info(image).await? else { return Ok(()) };
    if differences.is_empty() {
        return Ok(());
    }
    let all: Vec<_> = differences.iter().map(ToString::to_string).collect();
    let text = format!("{} does not agree with {}: {}", info.path.display(), image.path().display(), all.join("; "));
    Err(Error::new(Kind::Image, text).with_hint("one of the two is of another build; build the image again"))
}

/// Where a version stands that is not given as it is: `image` or a file.
fn place_of(version: Option<&str>) -> Option<&str> {
    version.and_then(|given| given.strip_prefix('@'))
}

fn unknown_version(place: &str, why: &str) -> Error {
    Error::new(Kind::Config, format!("the version is to be read from {place}: {why}"))
}

/// The version that is asked for, read from where it stands.
///
/// # Errors
/// [`Kind::Config`] if nothing stands there.
pub async fn version(given: Option<String>, image: &Arc<Image>) -> Result<Option<String>> {
    if place_of(given.as_deref()) != Some("image") {
        return version_without_image(given);
    }
    let label = info(image).await?.and_then(|(info, _)| info.label).filter(|label| !label.is_empty());
    let label =
        label.ok_or_else(|| unknown_version("image", "there is no image-info.json with a label beside the image"))?;
    Ok(Some(label))
}

/// The version that is asked for, where no image is open. What stands beside an image is not known then, and the latest is
/// as good.
///
/// # Errors
/// See [`version`].
pub fn version_without_image(given: Option<String>) -> Result<Option<String>> {
    let Some(place) = place_of(given.as_deref()) else { return Ok(given) };
    if place == "image" {
        return Ok(None);
    }
    let text = std::fs::read_to_string(place);
    let text = text.map_err(|error| unknown_version(place, "it cannot be read").caused_by(error))?;
    match text.lines().next().map(str::trim).unwrap_or_default() {
        "" => Err(unknown_version(place, "it is empty")),
        version => Ok(Some(version.to_owned())),
    }
}

/// Reads the image's data once, on threads of its own; everything later goes by what was found.
pub async fn read(image: &Arc<Image>) -> Result<ImageReport> {
    let image = image.clone();
    apart(move || ImageReport::of(&image)).await
}

/// Runs what blocks where it does not keep anything else from running.
pub async fn apart<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::new(Kind::Local, "reading the image failed").caused_by(error))?
}
