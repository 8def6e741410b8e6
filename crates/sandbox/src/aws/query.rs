//! The query protocol of EC2, STS and IAM: a form comes in, XML goes out; and the answers of the latter two, which have one
//! form.

use std::collections::BTreeMap;

use crate::{
    FaultKind, ids,
    message::{Call, Reply},
    xml::Xml,
};

/// The form of a call.
#[derive(Debug)]
pub struct Params(BTreeMap<String, String>);

impl Params {
    pub fn of(call: &Call) -> Self {
        Self(url::form_urlencoded::parse(&call.body).into_owned().collect())
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub fn is_true(&self, name: &str) -> bool {
        self.get(name) == Some("true")
    }

    /// `Name.1`, `Name.2`, …
    pub fn list(&self, name: &str) -> Vec<&str> {
        (1..).map_while(|index| self.get(&format!("{name}.{index}"))).collect()
    }
}

/// The operation that a call names.
pub fn operation(call: &Call) -> String {
    Params::of(call).get("Action").unwrap_or("Unknown").to_owned()
}

/// STS or IAM, by the namespace of its answers.
pub struct Service(pub &'static str);

impl Service {
    pub fn reply(&self, operation: &str, result: Xml) -> Reply {
        let metadata = Xml::new().text("RequestId", ids::random());
        let body = Xml::new().child(&format!("{operation}Result"), result).child("ResponseMetadata", metadata);
        Reply::xml(200, body.document(&format!("{operation}Response"), Some(self.0)))
    }

    pub fn error(&self, status: u16, code: &str, message: &str) -> Reply {
        let inner = Xml::new().text("Type", "Sender").text("Code", code).text("Message", message);
        let body = Xml::new().child("Error", inner).text("RequestId", ids::random());
        Reply::xml(status, body.document("ErrorResponse", Some(self.0)))
    }

    pub fn refuse(&self, kind: FaultKind) -> Reply {
        match kind {
            FaultKind::Throttle | FaultKind::Busy => self.error(400, "Throttling", "Rate exceeded"),
            FaultKind::Deny => {
                self.error(403, "AccessDenied", "The identity is not authorized to perform this operation.")
            }
            _ => self.error(500, "ServiceFailure", "An internal error has occurred"),
        }
    }
}
