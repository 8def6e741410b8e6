use serde_json::json;

use crate::{
    FaultKind,
    message::{Call, Reply},
    xml::Xml,
};

/// A refusal of the Resource Manager.
#[derive(Clone, Debug)]
pub struct ArmError {
    pub status: u16,
    pub code: String,
    pub message: String,
}

pub fn arm(status: u16, code: &str, message: impl Into<String>) -> ArmError {
    ArmError { status, code: code.to_owned(), message: message.into() }
}

/// A value the service does not take.
pub fn invalid(message: impl Into<String>) -> ArmError {
    arm(400, "InvalidParameter", message)
}

impl From<ArmError> for Reply {
    fn from(error: ArmError) -> Self {
        let reply = Self::json(error.status, &json!({"error": {"code": error.code, "message": error.message}}));
        reply.with("x-ms-error-code", error.code)
    }
}

/// A refusal of Blob storage: XML, and the code in a header too.
pub fn storage(status: u16, code: &str, message: &str) -> Reply {
    let body = Xml::new().text("Code", code).text("Message", message).document("Error", None);
    Reply::xml(status, body).with("x-ms-error-code", code)
}

pub fn refuse_arm(_: &Call, kind: FaultKind) -> Reply {
    match kind {
        FaultKind::Throttle => {
            Reply::from(arm(429, "TooManyRequests", "The request is being throttled.")).with("retry-after", "1")
        }
        FaultKind::Busy => arm(429, "TooManyRequests", "The request is being throttled.").into(),
        FaultKind::Deny => {
            arm(403, "AuthorizationFailed", "The client does not have authorization to perform action.").into()
        }
        _ => arm(500, "InternalServerError", "Encountered internal server error.").into(),
    }
}

pub fn refuse_storage(_: &Call, kind: FaultKind) -> Reply {
    match kind {
        FaultKind::Throttle => storage(503, "ServerBusy", "The server is busy.").with("retry-after", "1"),
        FaultKind::Busy => storage(503, "ServerBusy", "The server is busy."),
        FaultKind::Deny => storage(403, "AuthorizationPermissionMismatch", "This request is not authorized."),
        _ => storage(500, "InternalError", "The server encountered an internal error."),
    }
}
