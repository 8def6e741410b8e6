use super::{
    arm::{required, text},
    error::{ArmError, arm, invalid},
    resource::{Kind, Resource},
};
use crate::server::World;

/// A managed image, made from a disk that was uploaded and validated.
pub fn put(world: &World, image: &mut Resource, existing: Option<&Resource>) -> Result<(), ArmError> {
    let source = required(&image.properties, "/storageProfile/osDisk/managedDisk/id")?.to_lowercase();
    required(&image.properties, "/storageProfile/osDisk/osType")?;
    required(&image.properties, "/storageProfile/osDisk/osState")?;
    if let Some(old) = existing {
        if text(&old.properties, "/storageProfile/osDisk/managedDisk/id").map(str::to_lowercase).as_deref()
            != Some(&source)
        {
            return Err(arm(
                409,
                "PropertyChangeNotAllowed",
                "Changing property 'osDisk.managedDisk.id' is not allowed.",
            ));
        }
        image.content.clone_from(&old.content);
        return Ok(());
    }
    let state = world.azure.state();
    let disk = state.resources.get(&source).filter(|resource| resource.kind == Kind::Disk);
    let disk = disk.ok_or_else(|| arm(404, "NotFound", format!("Disk {source} is not found.")))?;
    if !disk.validated || disk.sas.is_some() {
        let message =
            format!("Disk {} is in state {} and cannot be the source of an image.", disk.name, disk.disk_state());
        return Err(arm(409, "OperationNotAllowed", message));
    }
    if disk.location != image.location {
        return Err(invalid(format!(
            "Disk {} is in location {}, not in {}.",
            disk.name, disk.location, image.location
        )));
    }
    if text(&disk.properties, "/supportedCapabilities/architecture") == Some("Arm64") {
        return Err(arm(400, "BadRequest", "Managed images do not support the Arm64 architecture."));
    }
    let generation = |resource: &Resource| text(&resource.properties, "/hyperVGeneration").unwrap_or("V1").to_owned();
    if generation(disk) != generation(image) {
        return Err(invalid(format!(
            "The disk's hyperVGeneration is {}, the image's is {}.",
            generation(disk),
            generation(image)
        )));
    }
    image.content.clone_from(&disk.content);
    Ok(())
}
