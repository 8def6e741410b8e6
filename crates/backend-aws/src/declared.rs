//! What the image's builder says of registering it, in `image-info.json`: it counts where the configuration says nothing
//! (nixpkgs, `amazonImage.registerImage`, whose fields are RegisterImage's own).

use publisher::{Error, Kind, Result};
use serde::{Deserialize, de::IgnoredAny};
use vhd::{Image, ImageInfo};

use crate::{Config, config::BlockDevice};

/// The configuration with what the builder says under it.
#[derive(Clone, Debug)]
pub struct Declared {
    pub config: Config,
    /// UEFI variables as RegisterImage takes them.
    pub uefi_data: Option<String>,
    /// Whether the builder says anything.
    pub says: bool,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "PascalCase")]
struct RegisterImage {
    architecture: Option<String>,
    boot_mode: Option<String>,
    tpm_support: Option<String>,
    imds_support: Option<String>,
    ena_support: Option<bool>,
    sriov_net_support: Option<String>,
    virtualization_type: Option<String>,
    root_device_name: Option<String>,
    uefi_data: Option<String>,
    block_device_mappings: Vec<Mapping>,
    // These are said when it is published.
    name: Option<IgnoredAny>,
    description: Option<IgnoredAny>,
    tag_specifications: Option<IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "PascalCase")]
struct Mapping {
    device_name: Option<String>,
    virtual_name: Option<String>,
    ebs: Option<Ebs>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "PascalCase")]
struct Ebs {
    volume_type: Option<String>,
    volume_size: Option<u32>,
    iops: Option<u32>,
    throughput: Option<u32>,
    encrypted: Option<bool>,
    delete_on_termination: Option<bool>,
}

/// Reads what stands beside the image, and lays the configuration over it.
///
/// # Errors
/// [`Kind::Image`] if it says what no AMI of ours can be, [`Kind::Config`] if the two together are nothing that AWS takes.
pub fn under(config: &Config, image: &Image) -> Result<Declared> {
    let mut declared = Declared { config: config.clone(), uefi_data: None, says: false };
    let Some(info) = ImageInfo::beside(&image.path())? else { return Ok(declared) };
    let fields = info.register_image.clone().map(serde_json::from_value::<Option<RegisterImage>>).transpose();
    let fields = fields.map_err(|error| refuse(&info, "").caused_by(error))?.flatten();
    declared.says = fields.is_some() || info.boot_mode.is_some();
    let fields = fields.unwrap_or_default();
    for (what, found, only) in [
        ("VirtualizationType", &fields.virtualization_type, "hvm"),
        ("TpmSupport", &fields.tpm_support, "v2.0"),
        ("ImdsSupport", &fields.imds_support, "v2.0"),
        ("SriovNetSupport", &fields.sriov_net_support, "simple"),
    ] {
        if let Some(other) = found.as_deref().filter(|found| *found != only) {
            return Err(refuse(&info, &format!(": {what} is \"{other}\", and may be \"{only}\"")));
        }
    }
    let into = &mut declared.config;
    let architecture = match info.system.as_deref() {
        Some("x86_64-linux") => Some("x86_64".to_owned()),
        Some("aarch64-linux") => Some("arm64".to_owned()),
        _ => None,
    };
    fill(&mut into.architecture, fields.architecture.or(architecture));
    fill(&mut into.boot_mode, fields.boot_mode.or_else(|| info.boot_mode.clone()));
    fill(&mut into.tpm, fields.tpm_support.map(|_| true));
    fill(&mut into.imds_v2, fields.imds_support.map(|_| true));
    fill(&mut into.ena, fields.ena_support);
    fill(&mut into.sriov, fields.sriov_net_support.map(|_| true));
    fill(&mut into.root_device, fields.root_device_name.clone());
    // Under another name of ours, the builder's root device is the root device all the same.
    let root = fields.root_device_name.unwrap_or_else(|| into.root_device().to_owned());
    lay_devices(into, fields.block_device_mappings, &root, &info)?;
    if config.uefi_data.is_none() {
        declared.uefi_data = fields.uefi_data;
    }
    declared.config.check().map_err(|error| error.context(format!("with {} under it", info.path.display())))?;
    Ok(declared)
}

fn fill<T>(setting: &mut Option<T>, declared: Option<T>) {
    if setting.is_none() {
        *setting = declared;
    }
}

fn refuse(info: &ImageInfo, what: &str) -> Error {
    Error::new(Kind::Image, format!("{}: registerImage cannot be used{what}", info.path.display()))
        .with_hint("correct it where the image is built")
}

/// The root volume's fields, and the devices beside it.
fn lay_devices(config: &mut Config, mappings: Vec<Mapping>, root: &str, info: &ImageInfo) -> Result<()> {
    let mut more = Vec::new();
    for mapping in mappings {
        let device = mapping.device_name.unwrap_or_default();
        let ebs = mapping.ebs.unwrap_or_default();
        if device == root {
            if ebs.delete_on_termination == Some(false) {
                return Err(refuse(info, ": the root volume always goes with its instance"));
            }
            // Operations belong to a type: where the configuration names another, they are not meant.
            if config.volume_type.is_none() || config.volume_type == ebs.volume_type {
                fill(&mut config.iops, ebs.iops);
                fill(&mut config.throughput, ebs.throughput);
            }
            fill(&mut config.volume_type, ebs.volume_type);
            fill(&mut config.volume_size, ebs.volume_size);
            if config.kms_key.is_none() {
                fill(&mut config.encrypted, ebs.encrypted);
            }
            continue;
        }
        let store = mapping.virtual_name.as_deref().map(|name| name.strip_prefix("ephemeral")?.parse().ok());
        let Some(instance_store) = store.map_or(Some(None), |index: Option<u8>| index.map(Some)) else {
            return Err(refuse(info, &format!(": {device} is no disk of the host")));
        };
        more.push(BlockDevice {
            device,
            volume_size: ebs.volume_size,
            volume_type: ebs.volume_type,
            iops: ebs.iops,
            throughput: ebs.throughput,
            encrypted: ebs.encrypted,
            delete_on_termination: ebs.delete_on_termination,
            instance_store,
        });
    }
    if config.block_devices.is_empty() {
        config.block_devices = more;
    }
    Ok(())
}
