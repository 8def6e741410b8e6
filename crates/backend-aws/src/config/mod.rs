//! What can be configured, and what of it AWS would refuse.

mod devices;
mod sharing;

use std::{collections::BTreeMap, path::PathBuf};

use publisher::{Error, Kind, Names, Result};
use serde::{Deserialize, Serialize};

use crate::arn;

pub use self::{devices::BlockDevice, sharing::Sharing};

/// What `publish.toml` says under `[PROFILE.aws]`. Every field may be left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the AMI has to be in the end. The first is the home region, in which it is made; the SDK's own default region
    /// if there are none.
    pub regions: Option<Names>,
    /// The profile of the AWS configuration files to take credentials from.
    pub profile: Option<String>,
    /// The ARN of a role to take on, by the credential that is found.
    pub assume_role: Option<String>,
    /// What that role wants to hear, where it is another account's.
    pub external_id: Option<String>,
    /// The bucket for the S3 route, in the home region.
    pub bucket: Option<String>,
    /// What the object's key starts with.
    pub prefix: Option<String>,
    /// How the bytes get there; by the bucket if it is left out.
    pub route: Option<Route>,
    /// The service role that ImportSnapshot reads the bucket with; `vmimport` if it is left out.
    pub role: Option<String>,
    /// How many blocks EBS direct is sent in a second at the most. If it is left out, as many as AWS takes, and 1000, which is an
    /// account's quota, once it asks for fewer.
    pub blocks_per_second: Option<u32>,
    /// The AMI's name; name and version if it is left out, or name and digest where there is no version.
    pub ami_name: Option<String>,
    /// Name of the root device; `/dev/xvda` if it is left out.
    pub root_device: Option<String>,
    /// `x86_64` or `arm64`, where the image does not tell.
    pub architecture: Option<String>,
    /// `legacy-bios`, `uefi` or `uefi-preferred`, where the image does not tell.
    pub boot_mode: Option<String>,
    /// Whether instances get a TPM 2.0. Only with UEFI.
    pub tpm: Option<bool>,
    /// Type of the root volume; `gp3` if it is left out.
    pub volume_type: Option<String>,
    /// Size of the root volume in GiB; the image's if it is left out.
    pub volume_size: Option<u32>,
    /// Operations a second of the root volume; only `io1`, `io2` and `gp3` take them, and the first two want them.
    pub iops: Option<u32>,
    /// MiB a second of the root volume; only `gp3` takes them.
    pub throughput: Option<u32>,
    /// A file with the UEFI variables that instances start with, as `uefivars` writes it (base64). Only with UEFI.
    pub uefi_data: Option<PathBuf>,
    /// Whether instances have enhanced networking by ENA; they have if it is left out.
    pub ena: Option<bool>,
    /// Whether instances have enhanced networking by the Intel 82599 VF; they have if it is left out.
    pub sriov: Option<bool>,
    /// What instances get beside the root volume.
    pub block_devices: Vec<BlockDevice>,
    /// Whether the snapshots are encrypted; the account's own default if it is left out.
    pub encrypted: Option<bool>,
    /// The ARN of the KMS key of the home region; the account's own if it is left out. Means `encrypted`.
    pub kms_key: Option<String>,
    /// Whether the snapshot is read back and compared, block by block, before an AMI is made of it.
    pub verify: Option<bool>,
    /// Days from an AMI's creation after which AWS does not show it to others any more. It is set once.
    pub deprecate_after_days: Option<u32>,
    /// Who else may start instances of the AMI.
    pub sharing: Option<Sharing>,
    /// Names of parameters of Systems Manager that name the AMI in each region, once it is there and shared. `{name}`,
    /// `{version}`, `{architecture}` and `{ami_name}` stand for what they say.
    pub ssm_parameters: Names,
    /// What is otherwise in single regions: `[aws.per_region.eu-west-1]`.
    pub per_region: BTreeMap<String, RegionConfig>,
    /// Whether instances must use version 2 of the metadata service; they must if it is left out.
    pub imds_v2: Option<bool>,
    /// Where all services are, in place of AWS; `AWS_ENDPOINT_URL` serves too.
    pub endpoint_url: Option<String>,
}

/// What is otherwise in one region.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RegionConfig {
    /// Whether the run goes on as if nothing had happened if this region fails.
    pub best_effort: Option<bool>,
    /// The ARN of the KMS key there, for copies of encrypted snapshots.
    pub kms_key: Option<String>,
    /// The ARN of a role to take on for that region, in place of `aws.assume_role`. It is of the same account: an AMI is
    /// copied within one.
    pub assume_role: Option<String>,
    /// What that role wants to hear.
    pub external_id: Option<String>,
}

/// How the bytes get to AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Route {
    /// Through a bucket and ImportSnapshot.
    S3,
    /// Block by block into a snapshot, with the EBS direct APIs.
    Ebs,
}

/// The type of a volume that nothing is said about.
const VOLUME_TYPE: &str = "gp3";
/// Types of a volume that an instance can start from (EC2, "Amazon EBS volume types").
const VOLUME_TYPES: [&str; 5] = ["gp3", "gp2", "io1", "io2", "standard"];

impl Config {
    /// AWS's rules for what is ours to choose and does not depend on the image.
    ///
    /// # Errors
    /// [`Kind::Config`], naming the setting and what it may be.
    pub(crate) fn check(&self) -> Result<()> {
        let refuse = |text: String| Err(Error::new(Kind::Config, text));
        let kind = self.volume_type();
        if !VOLUME_TYPES.contains(&kind) {
            return refuse(format!("aws.volume_type is \"{kind}\", and may be {}", VOLUME_TYPES.join(" or ")));
        }
        devices::performance(kind, self.iops, self.throughput).or_else(|why| refuse(format!("aws.{why}")))?;
        if self.blocks_per_second == Some(0) {
            return refuse("aws.blocks_per_second is 0, and nothing would ever be sent".to_owned());
        }
        let keys = self.per_region.iter().map(|(name, region)| (format!("per_region.{name}.kms_key"), &region.kms_key));
        let is_key = |key: &&str| key.starts_with("arn:") && key.contains(":kms:") && key.contains(":key/");
        for (setting, key) in [("kms_key".to_owned(), &self.kms_key)].into_iter().chain(keys) {
            if let Some(key) = key.as_deref().filter(|key| !is_key(key)) {
                return refuse(format!(
                    "aws.{setting} is \"{key}\", and has to be the ARN of a key: arn:aws:kms:…:key/…"
                ));
            }
        }
        for (name, region) in &self.per_region {
            let elsewhere = |key: &&String| arn::region(key) != Some(name);
            if let Some(key) = region.kms_key.as_ref().filter(elsewhere) {
                return refuse(format!("aws.per_region.{name}.kms_key is \"{key}\", which is a key of another region"));
            }
        }
        if let Some(home) = self.regions.as_ref().and_then(|regions| regions.0.first()) {
            self.check_home(home)?;
        }
        let alone =
            self.per_region.iter().find(|(_, region)| region.external_id.is_some() && region.assume_role.is_none());
        if let Some((name, _)) = alone {
            return refuse(format!(
                "aws.per_region.{name}.external_id is set, and aws.per_region.{name}.assume_role is not"
            ));
        }
        if self.external_id.is_some() && self.assume_role.is_none() {
            return refuse("aws.external_id is set, and aws.assume_role is not".to_owned());
        }
        self.check_deprecation()?;
        devices::check(&self.block_devices, self.root_device())?;
        if self.kms_key.is_some() && self.encrypted == Some(false) {
            return refuse("aws.kms_key is set, and aws.encrypted is false".to_owned());
        }
        if let (Some((name, _)), Some(true)) = (
            self.per_region.iter().find(|(_, region)| region.kms_key.is_some()),
            self.sharing.as_ref().map(|sharing| sharing.public),
        ) {
            return refuse(format!("aws.per_region.{name}.kms_key is set, and aws.sharing.public is true"));
        }
        match &self.sharing {
            Some(sharing) => sharing.check(self.is_encrypted()),
            None => Ok(()),
        }
    }

    /// The home region has to have the image, and its key is `kms_key`.
    ///
    /// # Errors
    /// [`Kind::Config`] for what is said of it as of another region.
    pub(crate) fn check_home(&self, name: &str) -> Result<()> {
        let refuse = |text: String| Err(Error::new(Kind::Config, text));
        if let Some(key) = self.kms_key.as_ref().filter(|key| arn::region(key) != Some(name)) {
            return refuse(format!("aws.kms_key is \"{key}\", and the home region is {name}"));
        }
        let Some(region) = self.per_region.get(name) else { return Ok(()) };
        if region.best_effort == Some(true) {
            return refuse(format!("aws.per_region.{name}.best_effort is true, and {name} is the home region"));
        }
        if region.kms_key.is_some() {
            return refuse(format!("aws.per_region.{name}.kms_key is set, and {name} is the home region: aws.kms_key"));
        }
        if region.assume_role.is_some() {
            return refuse(format!(
                "aws.per_region.{name}.assume_role is set, and {name} is the home region: aws.assume_role"
            ));
        }
        Ok(())
    }

    /// EC2, "Deprecate an AMI": ten years at the most, and two for a public one.
    fn check_deprecation(&self) -> Result<()> {
        let public = self.sharing.as_ref().is_some_and(|sharing| sharing.public);
        let most = if public { 2 * 365 } else { 10 * 365 };
        match self.deprecate_after_days {
            Some(days) if !(1..=most).contains(&days) => {
                let which = if public { " of a public AMI" } else { "" };
                let text = format!("aws.deprecate_after_days is {days}, and{which} may be 1 to {most}");
                Err(Error::new(Kind::Config, text))
            }
            _ => Ok(()),
        }
    }

    /// The key that is configured for a region, which is the home region or another.
    pub(crate) fn key_in(&self, region: &str, home: &str) -> Option<&String> {
        if region == home { self.kms_key.as_ref() } else { self.per_region.get(region)?.kms_key.as_ref() }
    }

    /// Name of the root device.
    pub(crate) fn root_device(&self) -> &str {
        self.root_device.as_deref().unwrap_or("/dev/xvda")
    }

    /// The home region, or what the SDK makes of it where none is configured.
    pub(crate) fn home_or(&self, default: Option<String>) -> String {
        let home = self.regions.as_ref().and_then(|regions| regions.0.first());
        home.cloned().or(default).unwrap_or_else(|| "us-east-1".to_owned())
    }

    /// The type of the root volume.
    pub(crate) fn volume_type(&self) -> &str {
        self.volume_type.as_deref().unwrap_or(VOLUME_TYPE)
    }

    /// Whether encryption is asked for; the account may have it all the same.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.encrypted.unwrap_or(self.kms_key.is_some())
    }

    /// Whether a region's failure is the run's.
    pub(crate) fn is_required(&self, region: &str) -> bool {
        !self.per_region.get(region).and_then(|region| region.best_effort).unwrap_or_default()
    }

    /// The route, with the bucket of the S3 route.
    pub(crate) fn route(&self) -> Result<Via<'_>> {
        match (self.route, &self.bucket) {
            (Some(Route::Ebs), _) | (None, None) => Ok(Via::Ebs),
            (Some(Route::S3) | None, Some(bucket)) => Ok(Via::S3(bucket)),
            (Some(Route::S3), None) => Err(Error::new(Kind::Config, "aws.route is s3, and aws.bucket is not set")
                .with_hint("name a bucket in the home region, or leave the route out for EBS direct")),
        }
    }
}

/// The route that was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Via<'a> {
    S3(&'a str),
    Ebs,
}
