use std::collections::BTreeMap;

use super::{Params, Refusal, check_name, missing, refusal};
use crate::{aws::state::Image, ids, server::World, xml::Xml};

/// Parameters that DescribeImages gives back, with the names it gives them.
const FIELDS: [(&str, &str); 10] = [
    ("Description", "description"),
    ("Architecture", "architecture"),
    ("BootMode", "bootMode"),
    ("TpmSupport", "tpmSupport"),
    ("ImdsSupport", "imdsSupport"),
    ("EnaSupport", "enaSupport"),
    ("SriovNetSupport", "sriovNetSupport"),
    ("VirtualizationType", "virtualizationType"),
    ("RootDeviceName", "rootDeviceName"),
    ("UefiData", "uefiData"),
];

const DEVICE: [(&str, &str); 6] = [
    ("VolumeSize", "volumeSize"),
    ("VolumeType", "volumeType"),
    ("DeleteOnTermination", "deleteOnTermination"),
    ("Iops", "iops"),
    ("Throughput", "throughput"),
    ("Encrypted", "encrypted"),
];

pub fn register(world: &World, region: &str, params: &Params) -> Result<Xml, Refusal> {
    let name = params.get("Name").ok_or_else(|| missing("Name"))?;
    check_name(name)?;
    let given = |pairs: &[(&str, &'static str)], prefix: &str| -> BTreeMap<&'static str, String> {
        let value = |(from, to): &(&str, &'static str)| Some((*to, params.get(&format!("{prefix}{from}"))?.to_owned()));
        pairs.iter().filter_map(value).collect()
    };
    let mut fields = given(&FIELDS, "");
    fields.entry("virtualizationType").or_insert_with(|| "paravirtual".to_owned());
    fields.entry("architecture").or_insert_with(|| "i386".to_owned());
    check_combination(&fields)?;

    let mut device = given(&DEVICE, "BlockDeviceMapping.1.Ebs.");
    let device_name = params.get("BlockDeviceMapping.1.DeviceName").ok_or_else(|| missing("BlockDeviceMapping"))?;
    if fields.get("rootDeviceName").is_none_or(|root| root != device_name) {
        return Err(refusal("InvalidBlockDeviceMapping", "The root device must be among the block devices."));
    }
    let snapshot = params.get("BlockDeviceMapping.1.Ebs.SnapshotId").ok_or_else(|| missing("SnapshotId"))?;
    let mut more_devices = BTreeMap::new();
    for index in 2.. {
        let prefix = format!("BlockDeviceMapping.{index}.");
        let Some(name) = params.get(&format!("{prefix}DeviceName")) else { break };
        let mut more = given(&DEVICE, &format!("{prefix}Ebs."));
        more.extend(params.get(&format!("{prefix}VirtualName")).map(|name| ("virtualName", name.to_owned())));
        if !more.contains_key("virtualName") && !more.contains_key("volumeSize") {
            let message = format!("The device '{name}' has neither a snapshot nor a size.");
            return Err(refusal("InvalidBlockDeviceMapping", message));
        }
        if name == device_name || more_devices.insert(name.to_owned(), more).is_some() {
            let message = format!("The device '{name}' is used in more than one block-device mapping");
            return Err(refusal("InvalidBlockDeviceMapping", message));
        }
    }

    let mut regions = world.aws.regions();
    let region = regions.entry(region.to_owned()).or_default();
    if let Some(other) = region.images.values().find(|image| image.name == name) {
        let message = format!("AMI name {name} is already in use by AMI {}", other.id);
        return Err(refusal("InvalidAMIName.Duplicate", message));
    }
    let found = region.snapshots.get(snapshot);
    let found = found
        .ok_or_else(|| refusal("InvalidSnapshot.NotFound", format!("The snapshot '{snapshot}' does not exist.")))?;
    if found.state(world) != "completed" {
        return Err(refusal("IncorrectState", format!("The snapshot '{snapshot}' is not completed.")));
    }
    let size = device.entry("volumeSize").or_insert_with(|| found.volume_size.to_string());
    if size.parse::<u64>().unwrap_or_default() < found.volume_size {
        let message = format!(
            "Volume of size {size}GB is smaller than snapshot '{snapshot}', expect size >= {}GB",
            found.volume_size
        );
        return Err(refusal("InvalidBlockDeviceMapping", message));
    }
    device.insert("encrypted", found.is_encrypted().to_string());
    if fields.contains_key("uefiData") && fields.get("bootMode").is_none_or(|mode| mode == "legacy-bios") {
        return Err(refusal("InvalidParameterCombination", "UefiData requires the boot mode uefi or uefi-preferred."));
    }
    let image = Image {
        id: ids::ec2("ami"),
        name: name.to_owned(),
        fields,
        snapshot: snapshot.to_owned(),
        device,
        more_devices,
        tags: params.tags("image"),
        shared_with: Default::default(),
        deprecation: None,
        created: world.clock.now(),
        ready_at: world.clock.now() + world.pace.snapshot,
        failed: None,
        source: None,
    };
    let id = image.id.clone();
    region.images.insert(id.clone(), image);
    Ok(Xml::new().text("imageId", id))
}

fn check_combination(fields: &BTreeMap<&'static str, String>) -> Result<(), Refusal> {
    let is = |field: &str, value: &str| fields.get(field).is_some_and(|found| found == value);
    if is("architecture", "arm64") && is("bootMode", "legacy-bios") {
        return Err(refusal(
            "InvalidParameterCombination",
            "The architecture arm64 does not support the boot mode legacy-bios.",
        ));
    }
    if fields.contains_key("tpmSupport") && !is("bootMode", "uefi") {
        return Err(refusal("InvalidParameterCombination", "TPM support requires the boot mode uefi."));
    }
    let known = |field: &str, allowed: &[&str]| match fields.get(field) {
        Some(value) if !allowed.contains(&value.as_str()) => {
            Err(refusal("InvalidParameterValue", format!("Value ({value}) for parameter {field} is invalid.")))
        }
        _ => Ok(()),
    };
    known("architecture", &["x86_64", "arm64", "i386", "x86_64_mac", "arm64_mac"])?;
    known("bootMode", &["legacy-bios", "uefi", "uefi-preferred"])?;
    known("imdsSupport", &["v2.0"])?;
    known("virtualizationType", &["hvm", "paravirtual"])
}
