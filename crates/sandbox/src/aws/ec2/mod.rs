//! EC2, by the query protocol with answers of its own form.

mod images;
mod imports;
mod params;
mod regions;
mod settings;
mod sharing;
mod snapshots;

pub use self::params::matches;
use super::query::{Params, operation};
use crate::{
    FaultKind, ids,
    message::{Call, Reply},
    server::World,
    xml::Xml,
};

const NAMESPACE: &str = "http://ec2.amazonaws.com/doc/2016-11-15/";

/// A refusal: code and message.
pub struct Refusal(u16, &'static str, String);

fn refusal(code: &'static str, message: impl Into<String>) -> Refusal {
    Refusal(400, code, message.into())
}

fn missing(name: &str) -> Refusal {
    refusal("MissingParameter", format!("The request must contain the parameter {name}"))
}

pub fn answer(world: &World, call: &Call) -> Reply {
    let params = Params::of(call);
    let region = super::region(call);
    if !regions::exists(&region) {
        return error(401, "AuthFailure", "AWS was not able to validate the provided access credentials");
    }
    let action = params.get("Action").unwrap_or_default();
    let handler: fn(&World, &str, &Params) -> Result<Xml, Refusal> = match action {
        "DescribeRegions" => regions::describe,
        "ImportSnapshot" => imports::import,
        "DescribeImportSnapshotTasks" => imports::describe,
        "CancelImportTask" => imports::cancel,
        "DescribeSnapshots" => snapshots::describe,
        "CopySnapshot" => snapshots::copy,
        "DeleteSnapshot" => snapshots::delete,
        "RegisterImage" => images::register::register,
        "CopyImage" => images::copy::copy,
        "DescribeImages" => images::describe::describe,
        "DeregisterImage" => images::deregister,
        "EnableImageDeprecation" => images::deprecate,
        "DescribeImageAttribute" => sharing::describe_image,
        "ModifyImageAttribute" => sharing::modify_image,
        "DescribeSnapshotAttribute" => sharing::describe_snapshot,
        "ModifySnapshotAttribute" => sharing::modify_snapshot,
        "GetImageBlockPublicAccessState" => settings::public_images,
        "EnableImageBlockPublicAccess" => settings::block_public_images,
        "DisableImageBlockPublicAccess" => settings::unblock_public_images,
        "GetSnapshotBlockPublicAccessState" => settings::public_snapshots,
        "GetEbsDefaultKmsKeyId" => settings::default_key,
        "GetEbsEncryptionByDefault" => settings::encryption,
        "EnableEbsEncryptionByDefault" => settings::encrypt,
        "DisableEbsEncryptionByDefault" => settings::end_encryption,
        "CreateTags" => snapshots::create_tags,
        _ => return error(400, "InvalidAction", format!("The action {action} is not valid for this web service.")),
    };
    match handler(world, &region, &params) {
        Ok(body) => {
            let body = Xml::new().text("requestId", ids::random()).append(body);
            Reply::xml(200, body.document(&format!("{action}Response"), Some(NAMESPACE)))
        }
        Err(Refusal(status, code, message)) => error(status, code, message),
    }
}

pub fn error(status: u16, code: &str, message: impl Into<String>) -> Reply {
    let inner = Xml::new().text("Code", code).text("Message", message.into());
    let body = Xml::new().child("Errors", Xml::new().child("Error", inner)).text("RequestID", ids::random());
    Reply::xml(status, body.document("Response", None))
}

pub fn refuse(call: &Call, kind: FaultKind) -> Reply {
    match kind {
        FaultKind::Forget
            if ["Snapshot", "RegisterImage", "CreateTags"].iter().any(|of| operation(call).contains(of)) =>
        {
            error(400, "InvalidSnapshot.NotFound", "The snapshot does not exist.")
        }
        FaultKind::Forget => error(400, "InvalidAMIID.NotFound", "The image id does not exist"),
        FaultKind::Throttle | FaultKind::Busy => error(503, "RequestLimitExceeded", "Request limit exceeded."),
        FaultKind::Deny => error(403, "UnauthorizedOperation", "You are not authorized to perform this operation."),
        _ => error(500, "InternalError", "An internal error has occurred"),
    }
}
