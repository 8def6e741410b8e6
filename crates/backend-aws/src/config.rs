use publisher::Names;
use serde::{Deserialize, Serialize};

/// What `publish.toml` says under `[PROFILE.aws]`. Every field may be left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the AMI has to be in the end. The first is the home region, in which it is made; the SDK's own default region
    /// if there are none.
    pub regions: Option<Names>,
    /// The profile of the AWS configuration files to take credentials from.
    pub profile: Option<String>,
    /// The bucket for the S3 route, in the home region.
    pub bucket: Option<String>,
    /// What the object's key starts with.
    pub prefix: Option<String>,
    /// How the bytes get there; by the bucket if it is left out.
    pub route: Option<Route>,
    /// The service role that ImportSnapshot reads the bucket with; `vmimport` if it is left out.
    pub role: Option<String>,
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
    /// Whether instances must use version 2 of the metadata service; they must if it is left out.
    pub imds_v2: Option<bool>,
    /// Where all services are, in place of AWS; `AWS_ENDPOINT_URL` serves too.
    pub endpoint_url: Option<String>,
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

impl Config {
    /// The route, with the bucket of the S3 route.
    pub(crate) fn route(&self) -> publisher::Result<Via<'_>> {
        match (self.route, &self.bucket) {
            (Some(Route::Ebs), _) | (None, None) => Ok(Via::Ebs),
            (Some(Route::S3) | None, Some(bucket)) => Ok(Via::S3(bucket)),
            (Some(Route::S3), None) => {
                Err(publisher::Error::new(publisher::Kind::Config, "aws.route is s3, and aws.bucket is not set")
                    .with_hint("name a bucket in the home region, or leave the route out for EBS direct"))
            }
        }
    }
}

/// The route that was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Via<'a> {
    S3(&'a str),
    Ebs,
}
