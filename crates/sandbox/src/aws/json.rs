//! The protocol of the services that speak plain JSON: the operation in a header, everything else in the body.

use serde_json::{Value, json};

use crate::{
    FaultKind,
    aws::state::Tags,
    message::{Call, Reply},
};

/// The operation that a call names, as `AmazonSSM.GetParameter` does.
pub fn operation(call: &Call) -> String {
    let target = call.header("x-amz-target").unwrap_or_default();
    target.rsplit('.').next().filter(|name| !name.is_empty()).unwrap_or("Unknown").to_owned()
}

/// The tags of a body.
pub fn tags(body: &Value) -> Tags {
    let tag =
        |tag: &Value| Some((tag["Key"].as_str()?.to_owned(), tag["Value"].as_str().unwrap_or_default().to_owned()));
    body["Tags"].as_array().into_iter().flatten().filter_map(tag).collect()
}

pub fn reply(status: u16, body: &Value) -> Reply {
    Reply::of(status, "application/x-amz-json-1.1", body.to_string())
}

pub fn error(status: u16, code: &str, message: &str) -> Reply {
    reply(status, &json!({"__type": code, "message": message}))
}

pub fn refuse(_: &Call, kind: FaultKind) -> Reply {
    match kind {
        FaultKind::Throttle | FaultKind::Busy => error(400, "ThrottlingException", "Rate exceeded"),
        FaultKind::Deny => error(400, "AccessDeniedException", "The identity is not authorized to perform this."),
        _ => error(500, "InternalServerError", "An internal error has occurred"),
    }
}
