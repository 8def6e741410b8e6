//! What can be known before anything is changed.

use std::{collections::BTreeMap, sync::Arc};

use aws_sdk_ec2::types::Region as KnownRegion;
use base64::{Engine, prelude::BASE64_STANDARD};
use publisher::{Cx, Error, Event, ImageSpec, Kind, Plan, Region, Result, TAG_DIGEST};
use serde::{Deserialize, Serialize};
use vhd::{Architecture, Firmware, GIB, Image, MIB, layout};

use crate::{
    Aws, Config, Registered, Undo,
    config::{BlockDevice, Via},
    declared::{self, Declared},
    error::classify,
    find, identity, parameters, permissions, sharing, tags,
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

/// The AMI's name, as far as it can be told without the image.
pub fn configured_name(config: &Config, spec: &ImageSpec) -> Option<String> {
    let versioned = || spec.version.as_ref().map(|version| format!("{}-{version}", spec.name));
    config.ami_name.clone().or_else(versioned)
}

/// The AMI's name. It tells versions apart, or contents where there is no version: AMI names are unique in a region.
///
/// # Errors
/// [`Kind::Config`] for a name that AWS does not take.
pub fn ami_name(config: &Config, spec: &ImageSpec, image: &Image) -> Result<String> {
    let name = match configured_name(config, spec) {
        Some(name) => name,
        None => format!("{}-{}", spec.name, &image.content()?.digest().hex()[..12]),
    };
    // RegisterImage, "Name".
    let allowed = |c: char| c.is_ascii_alphanumeric() || "()[] ./-'@_".contains(c);
    if (3..=128).contains(&name.len()) && name.chars().all(allowed) {
        return Ok(name);
    }
    Err(Error::new(Kind::Config, format!("\"{name}\" is no name for an AMI"))
        .with_hint("3 to 128 letters, digits, spaces and ( ) [ ] . / - ' @ _"))
}

/// What the later stages work by.
#[derive(Clone, Debug)]
pub struct Decided {
    pub shape: Shape,
    pub name: String,
    pub regions: Vec<Region>,
    pub digest: String,
    pub tags: BTreeMap<String, String>,
    /// Names of the parameters that name the AMI in the end.
    pub parameters: Vec<String>,
    /// What is published.
    pub image: Arc<Image>,
}

impl Decided {
    /// The region in which the image is made: the first, of which there is one at least.
    pub fn home(&self) -> &str {
        self.regions.first().map(|region| region.0.as_str()).unwrap_or_default()
    }
}

pub async fn preflight(aws: &Aws, cx: &Cx<Undo>, image: &Arc<Image>) -> Result<Plan<Registered>> {
    let shape = Shape::of(&aws.config, image)?;
    let name = ami_name(&aws.config, &aws.spec, image)?;
    let parameters = parameters::names(&aws.config, &aws.spec, &name, &shape.architecture)?;
    if aws.config.route()? != Via::Ebs {
        vhd::footer::check_size(shape.disk_size)?;
    }
    let facts = image.facts()?;
    for problem in &facts.problems {
        cx.emit(Event::Warning { message: format!("the image: {problem}") });
    }
    if facts.firmware().is_none() {
        let message = "nothing on the image can be booted by UEFI or BIOS; it may not boot on EC2".to_owned();
        cx.emit(Event::Warning { message });
    }
    aws.clients.check_credentials().await?;
    let regions = regions(aws, cx).await?;
    let digest = image.content()?.digest().to_string();
    let tags = tags::all(&aws.spec, &name, cx.run(), &digest);
    let decided = Decided { shape, name, regions, digest, tags, parameters, image: image.clone() };
    if let Via::S3(bucket) = aws.config.route()? {
        check_bucket(aws, cx, bucket, decided.home()).await?;
    }
    let found = found(aws, cx, &decided).await?;
    if found.is_none() {
        sharing::preflight(aws, cx, &decided.regions, decided.shape.encrypted).await?;
        check_parameters(aws, cx, &decided).await?;
    }
    let denied = if cx.plans() { permissions::denied(aws, cx, &decided.parameters).await? } else { Vec::new() };
    let steps = steps(aws, &decided, found.is_some(), image)?;
    let plan = Plan { steps, regions: decided.regions.clone(), denied, found };
    aws.decided.set(decided).map_err(|_| Error::new(Kind::Local, "a backend publishes one image"))?;
    Ok(plan)
}

/// That the parameters can be written in each region that has to have the AMI.
async fn check_parameters(aws: &Aws, cx: &Cx<Undo>, decided: &Decided) -> Result<()> {
    for region in decided.regions.iter().filter(|region| aws.config.is_required(&region.0)) {
        parameters::preflight(aws, cx, &region.0, &decided.parameters).await?;
    }
    Ok(())
}

/// All regions, the home region first; each is known and enabled.
pub async fn regions(aws: &Aws, cx: &Cx<Undo>) -> Result<Vec<Region>> {
    let mut wanted = aws.config.regions.clone().unwrap_or_default().0;
    if wanted.is_empty() {
        wanted.extend(aws.clients.default_region());
    }
    let Some(home) = wanted.first().cloned() else {
        return Err(Error::new(Kind::Config, "no AWS region is given")
            .with_hint("name at least one: --regions us-east-1,eu-west-1"));
    };
    // A region that does not exist has no endpoint to ask; this one always has.
    let ask = if home.contains("-gov-") || home.starts_with("cn-") { home.as_str() } else { "us-east-1" };
    let ec2 = aws.clients.ec2(ask);
    let request = || async { ec2.describe_regions().all_regions(true).send().await.map_err(classify) };
    let known = cx.retry("reading the regions", request).await?.regions.unwrap_or_default();
    let mut regions = Vec::new();
    for name in aws.config.per_region.keys() {
        let is_known = |region: &KnownRegion| region.region_name() == Some(name);
        if !known.iter().any(is_known) {
            return Err(Error::new(Kind::Config, format!("aws.per_region.{name} is no region's")));
        }
        if !wanted.contains(name) {
            let message = format!("aws.per_region.{name} is configured, and the image does not go there");
            cx.emit(Event::Warning { message });
        }
    }
    for name in wanted {
        let checked = match check_region(&name, &known) {
            Ok(()) => aws.clients.check_role(&name).await,
            Err(error) => Err(error),
        };
        match checked {
            Err(error) if !aws.config.is_required(&name) => {
                cx.emit(Event::Warning { message: format!("{name} is left out: {error}") });
                continue;
            }
            checked => checked?,
        }
        let region = Region(name);
        if !regions.contains(&region) {
            regions.push(region);
        }
    }
    identity::check_accounts(aws, cx, &regions).await?;
    Ok(regions)
}

fn check_region(name: &str, known: &[KnownRegion]) -> Result<()> {
    let Some(found) = known.iter().find(|region| region.region_name() == Some(name)) else {
        let area = name.split('-').next().unwrap_or(name);
        let near: Vec<_> =
            known.iter().filter_map(KnownRegion::region_name).filter(|known| known.starts_with(area)).take(4).collect();
        let error = Error::new(Kind::Config, format!("AWS has no region \"{name}\""));
        return Err(if near.is_empty() {
            error.with_hint("`aws ec2 describe-regions --all-regions` lists them")
        } else {
            error.with_hint(format!("did you mean {}?", near.join(", ")))
        });
    };
    if found.opt_in_status() == Some("not-opted-in") {
        return Err(Error::new(Kind::Config, format!("the account has not opted in to the region {name}"))
            .with_hint(format!("enable it with `aws account enable-region --region-name {name}`, or leave it out")));
    }
    Ok(())
}

/// ImportSnapshot reads only from buckets of its own region.
pub async fn check_bucket(aws: &Aws, cx: &Cx<Undo>, bucket: &str, home: &str) -> Result<()> {
    let s3 = aws.clients.s3(home);
    let request = || async {
        match s3.head_bucket().bucket(bucket).send().await {
            Ok(found) => Ok(found.bucket_region),
            Err(error) => {
                let elsewhere = error.raw_response().and_then(|response| response.headers().get("x-amz-bucket-region"));
                match elsewhere.map(str::to_owned) {
                    Some(region) if region != home => Ok(Some(region)),
                    _ => Err(classify(error)),
                }
            }
        }
    };
    let region = cx.retry("looking at the bucket", request).await.map_err(|error| match error.kind() {
        Kind::NotFound => Error::new(Kind::Config, format!("there is no bucket {bucket}"))
            .with_hint("make it in the home region, or leave aws.bucket out for EBS direct"),
        _ => error.context(format!("cannot use the bucket {bucket}")),
    })?;
    match region {
        Some(region) if region != home => Err(Error::new(
            Kind::Config,
            format!("the bucket {bucket} is in {region}, and the home region is {home}"),
        )
        .with_hint(
            "ImportSnapshot reads buckets of its own region alone: put that region first, or name another bucket",
        )),
        _ => Ok(()),
    }
}

/// The image of this name, if it is this image.
async fn found(aws: &Aws, cx: &Cx<Undo>, decided: &Decided) -> Result<Option<Registered>> {
    let Some(image) = find::image_by_name(aws, cx, decided.home(), &decided.name).await? else { return Ok(None) };
    let id = image.image_id().unwrap_or_default();
    if tags::value(image.tags(), TAG_DIGEST) != Some(&decided.digest) {
        let text = format!("{id} in {} has the name {} and holds another image", decided.home(), decided.name);
        return Err(Error::new(Kind::Conflict, text)
            .with_hint("images are never overwritten: give this one another version or name"));
    }
    if tags::value(image.tags(), publisher::TAG_RUN) != Some(cx.run().as_str()) {
        let text = format!("{id} in {} holds this image and was registered otherwise", decided.home());
        return Err(
            Error::new(Kind::Conflict, text).with_hint("give it another version or name, or register it as before")
        );
    }
    Ok(Some(Registered::found(decided.home(), &image)))
}

fn steps(aws: &Aws, decided: &Decided, found: bool, image: &Image) -> Result<Vec<String>> {
    let (home, others) = (decided.home(), &decided.regions[1..]);
    let copies = others.iter().map(|region| format!("copy the AMI to {region}, if it is not there"));
    let sharing = aws.config.sharing.as_ref().filter(|sharing| !sharing.is_private());
    let share = sharing.map(|_| "share the AMI, once it is in all regions that have to have it".to_owned());
    let deprecate = aws
        .config
        .deprecate_after_days
        .map(|days| format!("deprecate the AMI after {days} days, if nothing else is set"));
    let public = aws.config.sharing.as_ref().is_some_and(|sharing| sharing.public);
    let open = public.then(|| "make it public in each of them".to_owned());
    let names = decided.parameters.iter().map(|name| format!("have the parameter {name} of each region name it"));
    let copies = copies.chain(deprecate).chain(share).chain(open).chain(names);
    if found {
        return Ok(copies.collect());
    }
    let data = image.content()?.blocks().len() as u64 * vhd::CONTENT_BLOCK / MIB;
    let mut steps = match aws.config.route()? {
        Via::S3(bucket) => vec![
            format!("upload a dynamic VHD with at least {data} MiB to s3://{bucket}"),
            format!("import it as a snapshot in {home}, and delete the object"),
        ],
        Via::Ebs => vec![format!("write {data} MiB of blocks to a new snapshot in {home}")],
    };
    let shape = &decided.shape;
    steps.push(format!(
        "register AMI {} in {home} ({}, {}, {} GiB {})",
        decided.name, shape.architecture, shape.boot_mode, shape.volume_size, shape.volume_type
    ));
    steps.extend(copies);
    Ok(steps)
}
