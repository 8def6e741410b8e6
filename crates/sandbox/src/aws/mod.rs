//! AWS: EC2's images and snapshots, EBS direct, S3 and STS, per region.

mod ebs;
mod ec2;
mod s3;
mod state;
mod sts;

use base64::{Engine, prelude::BASE64_STANDARD};
use http::Method;

pub use self::state::Aws;
use crate::{
    environment::ACCESS_KEY,
    message::{Call, Reply},
    server::{Handler, Refuse, Route, World},
};

/// Who signed a call, and for what (AWS Signature Version 4, "credential scope").
#[derive(Clone, Debug)]
pub struct Scope {
    pub access_key: String,
    pub region: String,
    pub service: String,
}

impl Scope {
    fn of(call: &Call) -> Option<Self> {
        let credential = match call.header("authorization") {
            Some(header) => {
                header.strip_prefix("AWS4-HMAC-SHA256 ")?.split("Credential=").nth(1)?.split([',', ' ']).next()?
            }
            None => call.param("X-Amz-Credential")?,
        };
        let mut parts = credential.split('/');
        let (access_key, _date, region, service) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        Some(Self { access_key: access_key.to_owned(), region: region.to_owned(), service: service.to_owned() })
    }
}

pub fn is_signed(call: &Call) -> bool {
    Scope::of(call).is_some()
}

/// The region that a call addresses.
fn region(call: &Call) -> String {
    Scope::of(call).map(|scope| scope.region).unwrap_or_default()
}

fn crc64nvme(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, bytes).to_be_bytes())
}

/// Which operation a call is.
pub fn route(call: &Call) -> Route {
    let scope = Scope::of(call).unwrap_or_else(|| Scope {
        access_key: String::new(),
        region: String::new(),
        service: String::new(),
    });
    let known = scope.access_key == ACCESS_KEY || sts::is_session(&scope.access_key, call);
    let (operation, handler, refuse): (String, Handler, Refuse) = match scope.service.as_str() {
        "ec2" => (format!("ec2:{}", ec2::operation(call)), ec2::answer, ec2::refuse),
        "ebs" => (format!("ebs:{}", ebs::operation(call)), ebs::answer, ebs::refuse),
        "sts" => (format!("sts:{}", ec2::operation(call)), sts::answer, ec2::refuse),
        _ => (format!("s3:{}", s3::operation(call)), s3::answer, s3::refuse),
    };
    let reads =
        ["ec2:Describe", "ec2:Get", "sts:"].iter().any(|prefix| operation.starts_with(prefix)) || call.is_read();
    Route {
        carries_image: matches!(operation.as_str(), "ebs:PutSnapshotBlock" | "s3:UploadPart" | "s3:PutObject")
            && call.method == Method::PUT,
        operation,
        region: Some(scope.region),
        mutates: !reads,
        handler: if known { handler } else { unknown_key },
        refuse,
    }
}

/// A key that the sandbox does not know, in the words of each service.
fn unknown_key(_: &World, call: &Call) -> Reply {
    match Scope::of(call).map(|scope| scope.service).as_deref() {
        Some("ec2") => ec2::error(401, "AuthFailure", "AWS was not able to validate the provided access credentials"),
        Some("ebs") => ebs::error(
            403,
            "UnrecognizedClientException",
            None,
            "The security token included in the request is invalid.",
        ),
        Some("sts") => sts::invalid_token(),
        _ => s3::error(403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."),
    }
}

/// What an account has decided for a region, and users find there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// All new snapshots are encrypted (EnableEbsEncryptionByDefault).
    EncryptSnapshots,
    /// No image may be made public (EnableImageBlockPublicAccess).
    BlockPublicImages,
}

/// Has an account decide, as one of its administrators would.
pub fn decide(world: &World, region: &str, decision: Decision) {
    let mut regions = world.aws.regions();
    let region = regions.entry(region.to_owned()).or_default();
    match decision {
        Decision::EncryptSnapshots => region.encrypts = true,
        Decision::BlockPublicImages => region.blocks_public_images = true,
    }
}
