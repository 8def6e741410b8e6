use base64::{Engine, prelude::BASE64_STANDARD};
use publisher::{Error, Kind, Result};
use serde::{Deserialize, Serialize};
use vhd::{Architecture, Firmware, GIB, Image, layout};

use crate::{
    Config,
    config::BlockDevice,
    declared::{self, Declared},
};

/// What an image is registered as.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// `x86_64` or `arm64`.
    pub architecture: String,
    /// `legacy-bios`, `uefi` or `uefi-preferred`.
    pub boot_mode: String,
    /// Bytes of the disk that is sent: without padding past the last gibibyte.
    pub disk_size: u64,
    /// GiB of the root volume.
    pub volume_size: u32,
    pub volume_type: String,
    pub iops: Option<u32>,
    pub throughput: Option<u32>,
    /// UEFI variables as RegisterImage takes them.
    pub uefi_data: Option<String>,
    pub encrypted: bool,
    pub kms_key: Option<String>,
    pub root_device: String,
    pub tpm: bool,
    pub imds_v2: bool,
    pub ena: bool,
    pub sriov: bool,
    /// What instances get beside the root volume.
    pub block_devices: Vec<BlockDevice>,
}

/// Largest EBS volume, in GiB (EBS, "Constraints on the size of a volume").
const LARGEST: u64 = 65_536;

impl Shape {
    /// From the configuration first, then from what the image's builder says of it, then from the image. What contradicts is
    /// refused here.
    pub fn of(config: &Config, image: &Image) -> Result<Self> {
        let declared = declared::under(config, image)?;
        Self::from(&declared, image).map_err(|error| match error.hint() {
            None if declared.says => error.with_hint("what counts is the configuration, and under it image-info.json"),
            _ => error,
        })
    }

    fn from(declared: &Declared, image: &Image) -> Result<Self> {
        let config = &declared.config;
        let refuse = |text: String| Err(Error::new(Kind::Config, text));
        let facts = image.facts()?;
        let found = facts.architecture().map(|architecture| match architecture {
            Architecture::X86_64 => "x86_64",
            Architecture::Arm64 => "arm64",
        });
        let wanted = one_of("architecture", config.architecture.as_deref(), &["x86_64", "arm64"])?;
        if let (Some(wanted), Some(found)) = (wanted, found)
            && wanted != found
        {
            return refuse(format!("the architecture is to be {wanted}, and the image boots on {found}"));
        }
        let architecture = wanted.or(found).unwrap_or("x86_64");
        let by_image = match facts.firmware() {
            Some(Firmware::Uefi) => "uefi",
            Some(Firmware::Both) => "uefi-preferred",
            Some(Firmware::Bios) => "legacy-bios",
            None if architecture == "arm64" => "uefi",
            None => "legacy-bios",
        };
        let boot_mode = one_of("boot_mode", config.boot_mode.as_deref(), &["legacy-bios", "uefi", "uefi-preferred"])?;
        let boot_mode = boot_mode.unwrap_or(by_image);
        if architecture == "arm64" && boot_mode != "uefi" {
            return refuse(format!("an arm64 AMI boots with UEFI alone, and the boot mode is {boot_mode}"));
        }
        let tpm = config.tpm.unwrap_or_default();
        if tpm && boot_mode != "uefi" {
            return refuse(format!("a TPM needs the boot mode uefi, and it is {boot_mode}"));
        }
        let disk_size = layout::size_without_padding(image)?;
        let least = disk_size.div_ceil(GIB);
        if least > LARGEST {
            return Err(Error::new(
                Kind::Image,
                format!("the disk has {least} GiB, and an EBS volume at most {LARGEST}"),
            ));
        }
        let volume_size = config.volume_size.map_or(least, u64::from);
        if volume_size < least {
            return refuse(format!("aws.volume_size is {volume_size} GiB, and the disk has {least}"));
        }
        if volume_size > LARGEST {
            return refuse(format!("aws.volume_size is {volume_size} GiB, and may be at most {LARGEST}"));
        }
        Ok(Self {
            architecture: architecture.to_owned(),
            boot_mode: boot_mode.to_owned(),
            disk_size,
            volume_size: volume_size as u32,
            volume_type: config.volume_type().to_owned(),
            iops: config.iops,
            throughput: config.throughput,
            uefi_data: uefi_data(declared, boot_mode)?,
            encrypted: config.is_encrypted(),
            kms_key: config.kms_key.clone(),
            root_device: config.root_device().to_owned(),
            tpm,
            imds_v2: config.imds_v2.unwrap_or(true),
            ena: config.ena.unwrap_or(true),
            sriov: config.sriov.unwrap_or(true),
            block_devices: config.block_devices.clone(),
        })
    }
}

/// The UEFI variables in the file that is configured, or those that came with the image.
fn uefi_data(declared: &Declared, boot_mode: &str) -> Result<Option<String>> {
    let (place, text) = match (&declared.config.uefi_data, &declared.uefi_data) {
        (Some(path), _) => (format!("aws.uefi_data is {}", path.display()), std::fs::read_to_string(path)),
        (None, Some(text)) => ("UefiData in image-info.json".to_owned(), Ok(text.clone())),
        (None, None) => return Ok(None),
    };
    let refuse = |why: &str| Error::new(Kind::Config, format!("{place}: {why}"));
    if boot_mode == "legacy-bios" {
        return Err(refuse("and the boot mode is legacy-bios, which has no use for it"));
    }
    let text = text.map_err(|error| refuse("it cannot be read").caused_by(error))?;
    let data: String = text.split_whitespace().collect();
    let is_base64 = BASE64_STANDARD.decode(&data).is_ok_and(|bytes| !bytes.is_empty());
    // RegisterImage, "UefiData": up to 64 KB.
    if !is_base64 || data.len() > 64_000 {
        return Err(
            refuse("it is no base64 of at most 64,000 characters").with_hint("`uefivars -i json -o aws` writes one")
        );
    }
    Ok(Some(data))
}

fn one_of<'a>(setting: &str, given: Option<&str>, allowed: &[&'a str]) -> Result<Option<&'a str>> {
    let Some(given) = given else { return Ok(None) };
    let found = allowed.iter().copied().find(|value| *value == given);
    let expected = || format!("aws.{setting} is \"{given}\", and may be {}", allowed.join(" or "));
    found.map(Some).ok_or_else(|| Error::new(Kind::Config, expected()))
}
