//! Managed disks that are created to be uploaded to, and the accesses to them.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use vhd::footer::{DiskType, Footer};

use super::{
    arm::{Path, required, text},
    error::{ArmError, arm, invalid},
    operations::{self, Operation},
    resource::{Resource, Sas},
};
use crate::{
    content::Content,
    ids,
    message::{Call, Reply},
    server::World,
};

/// Limits of `uploadSizeBytes` (compute specification, "DiskRP.json", `CreationData`).
const SMALLEST: u64 = 20_972_032;
const LARGEST: u64 = 35_183_298_347_520;
const FOOTER: u64 = 512;

pub fn put(world: &World, disk: &mut Resource, existing: Option<&Resource>) -> Result<(), ArmError> {
    if disk.name.len() > 80 {
        return Err(invalid("The entity name 'disk' is invalid: it may have at most 80 characters."));
    }
    if required(&disk.properties, "/creationData/createOption")? != "Upload" {
        return Err(invalid("The sandbox creates disks for upload only (creationData.createOption = Upload)."));
    }
    let size = disk.properties["creationData"]["uploadSizeBytes"].as_u64().unwrap_or_default();
    if !(SMALLEST..=LARGEST).contains(&size) {
        let message = format!(
            "The value '{size}' of parameter 'creationData.uploadSizeBytes' is out of range: it must be between {SMALLEST} and {LARGEST}."
        );
        return Err(invalid(message));
    }
    if !(size - FOOTER).is_multiple_of(1 << 20) {
        let message = format!(
            "The value '{size}' of parameter 'creationData.uploadSizeBytes' must be a whole number of MiB plus 512 bytes."
        );
        return Err(invalid(message));
    }
    if let Some(old) = existing {
        if old.properties["creationData"] != disk.properties["creationData"] {
            return Err(arm(409, "PropertyChangeNotAllowed", "Changing property 'creationData' is not allowed."));
        }
        (disk.content, disk.sas) = (old.content.clone(), old.sas.clone());
        (disk.validated, disk.is_elsewhere) = (old.validated, old.is_elsewhere);
        return Ok(());
    }
    let content =
        Content::create(&world.content_dir, size).map_err(|e| arm(500, "InternalServerError", e.to_string()))?;
    disk.content = Some(Arc::new(content));
    Ok(())
}

pub fn begin_access(world: &World, call: &Call, path: &Path) -> Result<Reply, ArmError> {
    let body = call.json();
    let seconds = body["durationInSeconds"].as_u64().unwrap_or_default();
    if seconds == 0 {
        return Err(invalid("Required parameter 'durationInSeconds' is missing (null) or zero."));
    }
    let mut state = world.azure.state();
    let disk =
        state.resources.get_mut(&path.key()).ok_or_else(|| arm(404, "ResourceNotFound", "The disk was not found."))?;
    match text(&body, "/access") {
        Some("Write") if disk.validated => {
            return Err(arm(
                409,
                "OperationNotAllowed",
                "Disk is not in ReadyToUpload state; it cannot be written to.",
            ));
        }
        Some("Write") => {}
        Some("Read") if disk.validated => damage(world, "Rot", disk.content.as_deref(), 0),
        Some("Read") => {
            return Err(arm(409, "OperationNotAllowed", "Disk is in ReadyToUpload state; it cannot be read."));
        }
        _ => return Err(invalid("Required parameter 'access' must be Read or Write.")),
    }
    // A second grant on an open access gives the same access again; on one that has expired, another.
    let now = world.clock.now();
    let fresh = || Sas {
        name: format!("md-impexp-{}", &ids::random()[..12]),
        // Recognisable, so that a test can look for it where no signature may be.
        signature: format!("sandbox-signature-{}", ids::random()),
        expires: Duration::ZERO,
    };
    let mut sas = disk.sas.take().filter(|sas| sas.expires > now).unwrap_or_else(fresh);
    sas.expires = now + Duration::from_secs(seconds);
    // A container and a blob in it, as azcopy reads it: a deeper path would be one name with slashes in it.
    let own = || {
        let origin = match call.origin.strip_prefix("https") {
            Some(rest) if world.link.plain_disks => format!("http{rest}"),
            _ => call.origin.clone(),
        };
        format!("{origin}/{}/abcd?sv=2018-03-28&sr=b&si={}&sig={}%3D", sas.name, ids::random(), sas.signature)
    };
    let elsewhere = world.azure.elsewhere().filter(|_| !disk.validated);
    disk.is_elsewhere |= elsewhere.is_some();
    let url = elsewhere.unwrap_or_else(own);
    disk.sas = Some(sas);
    drop(state);
    let operation = Operation {
        ready_at: now + world.pace.arm,
        resource: None,
        output: Some(json!({"accessSAS": url})),
        error: None,
    };
    Ok(operations::follow(world, call, Reply::empty(202), operation))
}

/// Ends all access; what was uploaded is validated here and not before.
pub fn end_access(world: &World, call: &Call, path: &Path) -> Result<Reply, ArmError> {
    let mut state = world.azure.state();
    let disk =
        state.resources.get_mut(&path.key()).ok_or_else(|| arm(404, "ResourceNotFound", "The disk was not found."))?;
    let had_access = disk.sas.take().is_some();
    if had_access && !disk.validated {
        if let Some(content) = disk.content.as_ref().filter(|_| !disk.is_elsewhere) {
            damage(world, "Validate", Some(content), content.length() - FOOTER);
            validate(content)?;
        }
        disk.validated = true;
    }
    drop(state);
    let ready_at = world.clock.now() + world.pace.arm;
    let operation = Operation { ready_at, resource: None, output: None, error: None };
    Ok(operations::follow(world, call, Reply::empty(202), operation))
}

/// What no checksum tells: content that is damaged where it lies.
fn damage(world: &World, when: &str, content: Option<&Content>, offset: u64) {
    if let Some(content) = content.filter(|_| world.faults.next(when, None).is_some()) {
        // That it cannot be damaged is no reason not to go on.
        let _ = content.write(&[0xff; 512], offset);
    }
}

fn validate(content: &Content) -> Result<(), ArmError> {
    let refuse =
        |reason: String| arm(400, "InvalidVhd", format!("The specified disk blob is not a valid VHD: {reason}"));
    let size = content.length() - FOOTER;
    let bytes = content.read(size, FOOTER as usize).map_err(|error| refuse(error.to_string()))?;
    let footer: &[u8; FOOTER as usize] = bytes.as_slice().try_into().map_err(|_| refuse("it is too short.".into()))?;
    let footer = Footer::parse(footer)
        .map_err(|bad| refuse(format!("its footer's {} is {}, expected {}.", bad.field, bad.value, bad.expected)))?;
    if footer.disk_type != DiskType::Fixed {
        return Err(refuse("only fixed VHDs are supported.".into()));
    }
    if footer.current_size != size {
        return Err(refuse(format!("its footer says {} bytes, the disk has {size}.", footer.current_size)));
    }
    Ok(())
}
