//! What Azure has to be told of the image.

use publisher::{Error, Kind, Result};
use serde::{Deserialize, Serialize};
use vhd::{Architecture, Firmware, FixedVhd, GIB, Generation, Image, MIB};

use crate::{Config, Destination, Source, config::one_of};

/// What a disk and a definition are told of the image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// `V1` or `V2`.
    pub generation: String,
    /// `x64` or `Arm64`.
    pub architecture: String,
    /// Bytes of the disk, a whole number of MiB.
    pub disk_size: u64,
    /// What a version is made from.
    pub source: Source,
    /// The definition's SecurityType.
    pub security_type: String,
}

/// Limits of a disk's `uploadSizeBytes`, its footer not counted, and of a gallery version's source (Compute Gallery,
/// "Limits").
const SMALLEST: u64 = 20 * MIB;
const LARGEST: u64 = 2 << 40;

impl Shape {
    /// From the configuration first, then from the image.
    pub fn of(config: &Config, image: &Image) -> Result<Self> {
        let facts = image.facts()?;
        let by_image = match facts.generation() {
            Generation::V1 => "V1",
            Generation::V2 => "V2",
        };
        let generation = one_of("generation", config.generation.as_deref(), &["V1", "V2"])?.unwrap_or(by_image);
        match (generation, facts.firmware()) {
            ("V1", Some(Firmware::Uefi)) => return Err(unbootable("V1", "a BIOS", "UEFI")),
            ("V2", Some(Firmware::Bios)) => return Err(unbootable("V2", "UEFI", "a BIOS")),
            _ => {}
        }
        let found = facts.architecture().map(|architecture| match architecture {
            Architecture::X86_64 => "x64",
            Architecture::Arm64 => "Arm64",
        });
        let wanted = one_of("architecture", config.architecture.as_deref(), &["x64", "Arm64"])?;
        if let (Some(wanted), Some(found)) = (wanted, found)
            && wanted != found
        {
            return Err(Error::new(
                Kind::Config,
                format!("azure.architecture is {wanted}, and the image boots on {found}"),
            ));
        }
        let architecture = wanted.or(found).unwrap_or("x64");
        if architecture == "Arm64" && generation == "V1" {
            return Err(Error::new(Kind::Config, "Azure has no Arm64 machines of generation 1")
                .with_hint("an Arm64 image needs a GPT and an EFI system partition"));
        }
        let image_size = FixedVhd::aligned(image.virtual_size()).max(SMALLEST);
        let disk_size = config.disk_size_gib.map_or(image_size, |gib| u64::from(gib) * GIB);
        if disk_size < image_size {
            let (asked, has) = (disk_size / GIB, image_size.div_ceil(GIB));
            let text = format!("azure.disk_size_gib is {asked}, and the image needs at least {has}");
            return Err(Error::new(Kind::Config, text));
        }
        if disk_size > LARGEST {
            let gib = disk_size / GIB;
            return Err(Error::new(Kind::Image, format!("the disk has {gib} GiB, and a gallery version at most 2048")));
        }
        let source = source(config, architecture)?;
        let security_type = security_type(config, generation, architecture, source)?.to_owned();
        let (generation, architecture) = (generation.to_owned(), architecture.to_owned());
        Ok(Self { generation, architecture, disk_size, source, security_type })
    }
}

fn unbootable(generation: &str, has: &str, wants: &str) -> Error {
    let text =
        format!("azure.generation is {generation}, which boots with {has}, and the image boots with {wants} alone");
    Error::new(Kind::Config, text).with_hint("leave azure.generation out: it is read off the image")
}

/// What a version is made from, or the disk's end where none is made.
fn source(config: &Config, architecture: &str) -> Result<Source> {
    let arm64 = architecture == "Arm64";
    let refuse = |text: &str, hint: &str| Err(Error::new(Kind::Config, text).with_hint(hint));
    match (config.destination(), config.source) {
        (Destination::ManagedImage, _) if arm64 => refuse(
            "azure.destination is managed-image, and there are no managed images for Arm64",
            "publish it to a gallery: azure.destination = \"gallery\"",
        ),
        (Destination::ManagedImage, Some(Source::Disk)) => refuse(
            "azure.source is disk and azure.destination managed-image: only a version can be made from the disk itself",
            "leave one of the two out",
        ),
        (_, Some(Source::ManagedImage)) if arm64 => refuse(
            "azure.source is managed-image, and there are no managed images for Arm64",
            "leave it out: the version is made from the disk",
        ),
        (_, Some(source)) => Ok(source),
        (_, None) if arm64 => Ok(Source::Disk),
        (_, None) => Ok(Source::ManagedImage),
    }
}

/// Values of the feature SecurityType (Compute Gallery, "Trusted Launch", "Confidential VM").
const SECURITY_TYPES: [&str; 6] = [
    "Standard",
    "TrustedLaunchSupported",
    "TrustedLaunch",
    "TrustedLaunchAndConfidentialVmSupported",
    "ConfidentialVmSupported",
    "ConfidentialVM",
];

/// The SecurityType: what is configured, or else the most that is true of every image of this shape. Trusted Launch is for
/// generation 2 and not for every Arm64 image, and no source is documented for it but managed images, VHDs and versions.
fn security_type(config: &Config, generation: &str, architecture: &str, source: Source) -> Result<&'static str> {
    let launches = generation == "V2" && architecture == "x64" && source == Source::ManagedImage;
    let by_shape = if launches { "TrustedLaunchSupported" } else { "Standard" };
    let wanted = one_of("security_type", config.security_type.as_deref(), &SECURITY_TYPES)?.unwrap_or(by_shape);
    if wanted != "Standard" && generation == "V1" {
        let text =
            format!("azure.security_type is {wanted}, which is for generation 2, and the image is of generation 1");
        return Err(
            Error::new(Kind::Config, text).with_hint("an image with an EFI system partition is of generation 2")
        );
    }
    if wanted != "Standard" && source == Source::Disk {
        let text = format!(
            "azure.security_type is {wanted}, and the version is made from the disk: that takes Standard alone"
        );
        return Err(Error::new(Kind::Config, text).with_hint("x64 images can go through a managed image: azure.source"));
    }
    Ok(wanted)
}
