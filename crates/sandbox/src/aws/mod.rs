//! AWS: EC2's images and snapshots, EBS direct, S3, parameters and quotas, per region; IAM and STS.

mod ebs;
mod ec2;
mod iam;
mod json;
mod query;
mod quotas;
mod s3;
mod ssm;
mod sso;
mod state;
mod sts;

use base64::{Engine, prelude::BASE64_STANDARD};
use http::Method;

use self::query::Params;
pub use self::{iam::Grant, state::Aws};
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

/// Whether a call is one to AWS: it is signed, or is of those that are not because they bring a token of their own.
pub fn is_addressed(call: &Call) -> bool {
    Scope::of(call).is_some() || sts::is_with_web_identity(call) || sso::is_portal(call)
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
    let scope = Scope::of(call);
    let known =
        scope.as_ref().is_none_or(|scope| scope.access_key == ACCESS_KEY || sts::is_session(&scope.access_key, call));
    let scope = scope.unwrap_or_else(|| Scope {
        access_key: String::new(),
        region: String::new(),
        service: if sso::is_portal(call) { "sso" } else { "sts" }.to_owned(),
    });
    let (operation, handler, refuse): (String, Handler, Refuse) = match scope.service.as_str() {
        "ec2" => (format!("ec2:{}", query::operation(call)), ec2::answer, ec2::refuse),
        "ebs" => (format!("ebs:{}", ebs::operation(call)), ebs::answer, ebs::refuse),
        "sts" => (format!("sts:{}", query::operation(call)), sts::answer, |_, kind| sts::STS.refuse(kind)),
        "sso" => ("sso:GetRoleCredentials".to_owned(), sso::answer, json::refuse),
        "iam" => (format!("iam:{}", query::operation(call)), iam::answer, |_, kind| iam::IAM.refuse(kind)),
        "ssm" => (format!("ssm:{}", json::operation(call)), ssm::answer, json::refuse),
        "servicequotas" => (format!("servicequotas:{}", json::operation(call)), quotas::answer, json::refuse),
        _ => (format!("s3:{}", s3::operation(call)), s3::answer, s3::refuse),
    };
    let reads = ["sts:", "sso:", "iam:Simulate", "iam:List"].iter().any(|prefix| operation.starts_with(prefix))
        || [":Describe", ":Get"].iter().any(|verb| operation.contains(verb))
        || call.is_read();
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
        Some("sts" | "iam") => sts::invalid_token(),
        Some("ssm" | "servicequotas") => {
            json::error(400, "UnrecognizedClientException", "The security token included in the request is invalid.")
        }
        _ => s3::error(403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."),
    }
}

/// What an account has decided for a region, and users find there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// All new snapshots are encrypted (EnableEbsEncryptionByDefault).
    EncryptSnapshots,
    /// The key for that (ModifyEbsDefaultKmsKeyId).
    DefaultKey(String),
    /// No image may be made public (EnableImageBlockPublicAccess).
    BlockPublicImages,
    /// No snapshot may be made public (EnableSnapshotBlockPublicAccess).
    BlockPublicSnapshots,
    /// So many images may be public (Service Quotas, "Public AMIs").
    PublicImages(u32),
    /// There is a secret of this name among the parameters.
    Secret(String),
}

/// Has an account decide, as one of its administrators would.
pub fn decide(world: &World, region: &str, decision: Decision) {
    let mut regions = world.aws.regions();
    let region = regions.entry(region.to_owned()).or_default();
    match decision {
        Decision::EncryptSnapshots => region.encrypts = true,
        Decision::DefaultKey(key) => region.default_key = key,
        Decision::BlockPublicImages => region.blocks_public_images = true,
        Decision::BlockPublicSnapshots => region.blocks_public_snapshots = true,
        Decision::PublicImages(most) => region.public_images = most,
        Decision::Secret(name) => drop(region.parameters.insert(name, ssm::Parameter::secret())),
    }
}

/// Has an administrator change what identities may do.
///
/// # Errors
/// What is wrong with a policy document.
pub fn grant(world: &World, grant: Grant) -> Result<(), String> {
    iam::grant(world, grant)
}

/// Whether the identity of a call may do what it asks for; notes that it called.
pub fn may(world: &World, call: &Call, operation: &str) -> bool {
    let Some(scope) = Scope::of(call) else { return true };
    if matches!(scope.service.as_str(), "ec2" | "ebs" | "ssm") {
        world.aws.note_caller(&scope.region, sts::caller(call));
    }
    let iam = world.aws.iam();
    let resource = resource(&scope, call);
    actions(call, operation).iter().all(|action| iam.identity.verdict(action, &resource) == iam::Verdict::Allowed)
}

/// The actions of IAM that an operation needs. Most are called as the operation is.
fn actions(call: &Call, operation: &str) -> Vec<String> {
    let only = |action: &str| vec![action.to_owned()];
    match operation {
        // Everyone may ask who he is (STS, "GetCallerIdentity").
        "sts:GetCallerIdentity" => Vec::new(),
        "s3:HeadBucket" => only("s3:ListBucket"),
        "s3:ListMultipartUploads" => only("s3:ListBucketMultipartUploads"),
        "s3:CreateMultipartUpload" | "s3:UploadPart" | "s3:CompleteMultipartUpload" => only("s3:PutObject"),
        "s3:ListParts" => only("s3:ListMultipartUploadParts"),
        "s3:HeadObject" => only("s3:GetObject"),
        "ec2:RegisterImage" | "ec2:CopyImage" | "ec2:ImportSnapshot"
            if Params::of(call).get("TagSpecification.1.ResourceType").is_some() =>
        {
            vec![operation.to_owned(), "ec2:CreateTags".to_owned()]
        }
        "ebs:StartSnapshot" if call.json()["Tags"].is_array() => {
            vec![operation.to_owned(), "ec2:CreateTags".to_owned()]
        }
        "ssm:PutParameter" if call.json()["Tags"].is_array() => {
            vec![operation.to_owned(), "ssm:AddTagsToResource".to_owned()]
        }
        _ => only(operation),
    }
}

/// What an operation is about, as policies name it.
fn resource(scope: &Scope, call: &Call) -> String {
    let own = |rest: &str| format!("arn:aws:{}:{}:{}:{rest}", scope.service, scope.region, state::ACCOUNT);
    match scope.service.as_str() {
        "s3" => format!("arn:aws:s3:::{}", call.segments.join("/")),
        "sts" => Params::of(call).get("RoleArn").unwrap_or("*").to_owned(),
        "iam" => {
            format!("arn:aws:iam::{}:role/{}", state::ACCOUNT, Params::of(call).get("RoleName").unwrap_or("*"))
        }
        "ssm" => {
            own(&format!("parameter/{}", call.json()["Name"].as_str().unwrap_or_default().trim_start_matches('/')))
        }
        _ => own("*"),
    }
}
