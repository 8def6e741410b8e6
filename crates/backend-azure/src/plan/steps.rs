//! What would be done, in words.

use publisher::Result;
use vhd::{Image, MIB};

use super::Decided;
use crate::{Azure, Destination, Source};

pub fn steps(azure: &Azure, decided: &Decided, has_definition: bool, image: &Image) -> Result<Vec<String>> {
    let (names, config) = (&azure.names, &azure.config);
    let regions = decided.regions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let version = format!("{}/{}", names.definition, decided.version);
    let gallery = config.destination() == Destination::Gallery;
    let data = image.content()?.blocks().len() as u64 * vhd::CONTENT_BLOCK / MIB;
    let mut steps = vec![
        format!("make resource group {} in {}, if it is not there", names.resource_group, decided.location),
        format!("upload at most {data} MiB to a new disk of {} MiB", decided.shape.disk_size / MIB),
    ];
    let from_image = decided.shape.source == Source::ManagedImage;
    if from_image {
        let stays = names.managed_image(&decided.version.to_string());
        steps.push(if azure.keeps_image() {
            format!("make managed image {stays}")
        } else {
            "make a managed image of it".into()
        });
    }
    if gallery && !has_definition {
        steps.push(format!(
            "make image definition {} ({}, {}, {}) in gallery {}",
            names.definition,
            decided.shape.generation,
            decided.shape.architecture,
            decided.shape.security_type,
            names.gallery
        ));
    }
    if gallery {
        steps.push(format!("make version {version} in {regions}"));
    }
    if from_image && !azure.keeps_image() {
        steps.push("delete the managed image".to_owned());
    }
    if !config.keep_disk.unwrap_or_default() {
        steps.push("delete the disk".to_owned());
    }
    if let Some(sharing) = &config.sharing {
        steps.push(format!("share gallery {}: {}", names.gallery, sharing.describe()));
    }
    Ok(steps)
}
