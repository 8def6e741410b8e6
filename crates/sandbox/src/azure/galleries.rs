use super::{
    arm::required,
    error::{ArmError, arm, invalid},
    resource::{Kind, Resource},
    sharing,
};
use crate::server::World;

pub fn put_gallery(gallery: &mut Resource, existing: Option<&Resource>) -> Result<(), ArmError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '_';
    if gallery.name.len() > 80 || !gallery.name.chars().all(allowed) {
        return Err(invalid(format!(
            "The entity name 'galleryName' is invalid according to its validation rule: {} may have letters, digits, '.' and '_'.",
            gallery.name
        )));
    }
    sharing::check_profile(gallery)?;
    if let Some(old) = existing {
        // Who already has it is no part of what is put.
        sharing::carry_over(old, gallery)?;
    }
    let subscription = crate::environment::SUBSCRIPTION;
    gallery.properties["identifier"]["uniqueName"] = format!("{subscription}-{}", gallery.name.to_uppercase()).into();
    Ok(())
}

/// What of a definition cannot be changed once it is there.
const FIXED: [&str; 5] = ["/osType", "/osState", "/hyperVGeneration", "/architecture", "/identifier"];

pub fn put_definition(
    world: &World,
    definition: &mut Resource,
    existing: Option<&Resource>,
    gallery: &str,
) -> Result<(), ArmError> {
    for field in ["/osType", "/osState", "/identifier/publisher", "/identifier/offer", "/identifier/sku"] {
        required(&definition.properties, field)?;
    }
    let default = |field: &str, value: &str, properties: &mut serde_json::Value| {
        if properties[field].is_null() {
            properties[field] = value.into();
        }
    };
    // What a definition without them gets, from the api-version of 2025-03-03 on.
    default("hyperVGeneration", "V2", &mut definition.properties);
    default("architecture", "x64", &mut definition.properties);
    if let Some(old) = existing {
        for field in FIXED {
            if old.properties.pointer(field) != definition.properties.pointer(field) {
                let message =
                    format!("Changing property 'galleryImage.properties{}' is not allowed.", field.replace('/', "."));
                return Err(arm(409, "PropertyChangeNotAllowed", message));
            }
        }
        return Ok(());
    }
    let prefix = format!("{gallery}/images/");
    let same = |other: &Resource| other.properties["identifier"] == definition.properties["identifier"];
    let state = world.azure.state();
    let taken = state
        .resources
        .iter()
        .find(|(key, other)| other.kind == Kind::Definition && key.starts_with(&prefix) && same(other));
    match taken {
        Some((_, other)) => Err(arm(
            409,
            "Conflict",
            format!("The publisher, offer and sku of the image definition are those of '{}'.", other.name),
        )),
        None => Ok(()),
    }
}
