use std::collections::BTreeSet;

use publisher::{Error, Kind, Result};
use serde::{Deserialize, Serialize};

use super::VOLUME_TYPE;

/// What an instance gets beside its root volume: an empty volume, or a disk of its host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BlockDevice {
    /// Its name, such as `/dev/xvdb`.
    pub device: String,
    /// GiB of an empty volume.
    pub volume_size: Option<u32>,
    /// Type of the volume; `gp3` if it is left out.
    pub volume_type: Option<String>,
    /// Operations a second; only `io1`, `io2` and `gp3` take them, and the first two want them.
    pub iops: Option<u32>,
    /// MiB a second; only `gp3` takes them.
    pub throughput: Option<u32>,
    /// Whether the volume is encrypted; the account's own default if it is left out.
    pub encrypted: Option<bool>,
    /// Whether it goes with the instance; it does if this is left out.
    pub delete_on_termination: Option<bool>,
    /// Which of the host's disks it is, in place of a volume, counted from 0: `ephemeral0`.
    pub instance_store: Option<u8>,
}

impl BlockDevice {
    /// Its type as a volume.
    pub(crate) fn volume_type(&self) -> &str {
        self.volume_type.as_deref().unwrap_or(VOLUME_TYPE)
    }

    fn describes_a_volume(&self) -> bool {
        self.volume_type.is_some()
            || self.iops.is_some()
            || self.throughput.is_some()
            || self.encrypted.is_some()
            || self.delete_on_termination.is_some()
    }
}

/// The most of the host's disks that can be named (EC2, "Instance store volumes": `ephemeral[0-23]`).
const INSTANCE_STORES: u8 = 24;

/// Types of a volume that an instance need not start from (EC2, "Amazon EBS volume types").
const VOLUME_TYPES: [&str; 7] = ["gp3", "gp2", "io1", "io2", "st1", "sc1", "standard"];

/// # Errors
/// [`Kind::Config`] for what AWS would refuse, with the device.
pub(super) fn check(devices: &[BlockDevice], root: &str) -> Result<()> {
    let mut names = BTreeSet::from([root]);
    for device in devices {
        let refuse = |why: &str| Err(Error::new(Kind::Config, format!("aws.block_devices: {}: {why}", device.device)));
        if device.device.is_empty() {
            return refuse("a device has no name, such as device = \"/dev/xvdb\"");
        }
        if !names.insert(&device.device) {
            return refuse("there are two of this name");
        }
        match (device.instance_store, device.volume_size) {
            (Some(_), Some(_)) => return refuse("a disk of the host has no volume_size"),
            (Some(index), None) if index >= INSTANCE_STORES => return refuse("instance_store may be 0 to 23"),
            (Some(_), None) if device.describes_a_volume() => {
                return refuse("a disk of the host has nothing of what is said of volumes");
            }
            (None, None | Some(0)) => return refuse("volume_size is not set, nor instance_store"),
            _ => {}
        }
        let kind = device.volume_type();
        if !VOLUME_TYPES.contains(&kind) {
            return refuse(&format!("volume_type is \"{kind}\", and may be {}", VOLUME_TYPES.join(" or ")));
        }
        performance(kind, device.iops, device.throughput).or_else(|why| refuse(&why))?;
    }
    Ok(())
}

/// Which types of volume take operations and throughput, and which want them (CreateVolume, "Iops" and "Throughput").
///
/// # Errors
/// What contradicts, as the end of a sentence about the volume.
pub(super) fn performance(kind: &str, iops: Option<u32>, throughput: Option<u32>) -> std::result::Result<(), String> {
    if iops.is_some() && !matches!(kind, "gp3" | "io1" | "io2") {
        return Err(format!("iops is set, and volumes of type {kind} take none"));
    }
    if iops.is_none() && matches!(kind, "io1" | "io2") {
        return Err(format!("iops is not set, and volumes of type {kind} want it"));
    }
    if throughput.is_some() && kind != "gp3" {
        return Err(format!("throughput is set, and volumes of type {kind} take none"));
    }
    Ok(())
}
