//! From what Azure says to what it means.

use std::{error::Error as StdError, time::Duration};

use azure_core::{
    error::ErrorKind,
    http::{
        headers::{RETRY_AFTER, RETRY_AFTER_MS, X_MS_RETRY_AFTER_MS},
        policies::get_retry_after,
    },
    time::OffsetDateTime,
};
use publisher::{Error, Kind};
use serde_json::Value;

/// Codes that say more than the status they come with.
fn kind_of(status: u16, code: &str) -> Kind {
    match code {
        // Two writers of one resource, or a parent whose child was deleted a moment ago.
        "ConflictingConcurrentWriteNotAllowed" | "AnotherOperationInProgress" | "RetryableError" => Kind::Transient,
        "OperationTimedOut" | "InternalError" | "InternalServerError" | "InternalExecutionError" => Kind::Transient,
        // What arrived is not what was sent: sending it again is the cure.
        "Md5Mismatch" | "Crc64Mismatch" => Kind::Transient,
        "ServerBusy" | "TooManyRequests" | "OperationNotAllowedOnThrottle" => Kind::Throttled,
        "InvalidVhd" => Kind::Image,
        // With status 404, and no word of whether what was asked for is there.
        "SubscriptionNotFound" => Kind::Denied,
        _ => match status {
            401 => Kind::Credentials,
            403 => Kind::Denied,
            404 => Kind::NotFound,
            409 => Kind::Conflict,
            429 => Kind::Throttled,
            408 | 500..=599 => Kind::Transient,
            _ => Kind::Invalid,
        },
    }
}

fn hint(code: &str, message: &str) -> Option<&'static str> {
    Some(match code {
        "AuthorizationFailed" | "LinkedAuthorizationFailed" => {
            "the identity needs a role on the resource group that covers Microsoft.Compute disks, images and galleries, and \
             may read the subscription's locations; docs/azure.md has the least one"
        }
        "SubscriptionNotFound" => "check azure.subscription, and that the identity has a role in it",
        "InvalidAuthenticationToken" | "ExpiredAuthenticationToken" => client_hint(),
        "InvalidAuthenticationTokenTenant" => {
            "the token is of another tenant than the subscription: az account set --subscription …, or AZURE_TENANT_ID"
        }
        "InvalidVhd" => "Azure refused the disk's content; nothing was registered and the upload was removed",
        "PropertyChangeNotAllowed" => "what is there differs in a property that cannot be changed; choose another name",
        "RequestDisallowedByPolicy" => {
            "a policy forbids this, and is named above: give what it wants in publish.toml, as tags or regions, or ask \
             whoever assigned it for an exemption"
        }
        "MissingSubscriptionRegistration" | "SubscriptionNotRegistered" => {
            "register the provider, once for the subscription: az provider register --namespace Microsoft.Compute --wait"
        }
        "QuotaExceeded" | "OperationNotAllowed" | "ResourceQuotaExceeded"
            if code.contains("Quota") || message.to_lowercase().contains("quota") =>
        {
            "ask for more quota in this region, or publish to another one; az vm list-usage --location REGION shows it"
        }
        "SkuNotAvailable" | "LocationNotAvailableForResourceType" => {
            "the region does not offer this to the subscription; choose another home region or another azure.storage"
        }
        _ => return None,
    })
}

fn client_hint() -> &'static str {
    "log in again with `az login`, or check the client secret"
}

/// A refusal in the Resource Manager's envelope, `{"error": {"code", "message"}}`.
pub fn from_arm(status: u16, body: &Value, retry_after: Option<Duration>) -> Error {
    let error = &body["error"];
    let code = error["code"].as_str().unwrap_or_default();
    let message = error["message"].as_str().map(str::trim).filter(|message| !message.is_empty());
    let mut text = match (code, message) {
        ("", None) => format!("Azure answered with status {status}"),
        (code, None) => format!("Azure answered {code}"),
        (code, Some(message)) => format!("Azure answered {code}: {message}"),
    };
    if let Some(target) = error["target"].as_str().filter(|target| !text.contains(target)) {
        text += &format!(" (in {target})");
    }
    // What is wrong in the one thing that was asked for often stands only here.
    for detail in error["details"].as_array().into_iter().flatten() {
        let said = detail["message"].as_str().or(detail["code"].as_str()).unwrap_or_default().trim();
        if !said.is_empty() && !text.contains(said) {
            text += &format!("; {said}");
        }
    }
    let made = Error::new(kind_of(status, code), text.clone()).with_retry_after(retry_after);
    match hint(code, &text) {
        Some(hint) => made.with_hint(hint),
        None => made,
    }
}

/// A failure that a long-running operation ended with.
pub fn from_operation(status: &str, body: &Value) -> Error {
    if body["error"].is_object() {
        // It is the operation's end and not a request's: sending a look again would not change it.
        let error = from_arm(400, body, None);
        let kind = if error.kind().is_retryable() { Kind::Invalid } else { error.kind() };
        let made = Error::new(kind, error.to_string());
        return match error.hint() {
            Some(hint) => made.with_hint(hint),
            None => made,
        };
    }
    Error::new(Kind::Invalid, format!("the operation ended as {status}"))
}

/// A failure of the SDK: no answer, an answer of Blob storage, or no credential.
pub fn from_sdk(error: azure_core::Error) -> Error {
    match error.kind() {
        ErrorKind::HttpResponse { status, error_code, raw_response } => {
            let status = u16::from(*status);
            let code = error_code.clone().unwrap_or_default();
            let names = [X_MS_RETRY_AFTER_MS, RETRY_AFTER_MS, RETRY_AFTER];
            let wait =
                raw_response.as_ref().and_then(|r| get_retry_after(r.headers(), OffsetDateTime::now_utc, &names));
            let text = if code.is_empty() { format!("status {status}") } else { code.clone() };
            // The body is XML that repeats the code; it may name the URL, so it is left out.
            Error::new(kind_of(status, &code), format!("Azure storage answered {text}"))
                .with_retry_after(wait.and_then(|wait| Duration::try_from(wait).ok()))
        }
        ErrorKind::Credential => from_credential(error),
        ErrorKind::Connection | ErrorKind::Io => from_connection(error),
        _ => Error::new(Kind::Invalid, "the request failed").caused_by(error),
    }
}

fn from_connection(error: azure_core::Error) -> Error {
    let chain: Vec<_> = std::iter::successors(Some(&error as &dyn StdError), |error| (*error).source())
        .map(ToString::to_string)
        .collect();
    if chain.iter().any(|cause| cause.contains("certificate")) {
        return Error::new(Kind::Config, "the server's certificate is not trusted")
            .with_hint("name its authority with ca_file (PUBLISH_CA_FILE)")
            .caused_by(error);
    }
    Error::new(Kind::Transient, "the connection to Azure failed").caused_by(error)
}

fn from_credential(error: azure_core::Error) -> Error {
    // The identity crate says "credential" for whatever went wrong on the way to a token.
    let inner = error.downcast_ref::<azure_core::Error>().map(|inner| inner.kind().clone());
    if let Some(kind) = passing(&error) {
        return Error::new(kind, "the authority that issues Azure tokens is busy").caused_by(error);
    }
    match inner {
        Some(ErrorKind::Connection | ErrorKind::Io) => {
            from_connection(error).context("cannot reach the authority that issues Azure tokens")
        }
        // What the authority said is in the innermost of the causes; who was asking, in the error around this one.
        _ => Error::new(Kind::Credentials, last_line(&innermost(&error))),
    }
}

/// What an authority's answer says of asking again, if it does.
fn passing(error: &azure_core::Error) -> Option<Kind> {
    let chain = std::iter::successors(Some(error as &(dyn StdError + 'static)), |error| (*error).source());
    let status = |error: &azure_core::Error| match error.kind() {
        ErrorKind::HttpResponse { status, .. } => Some(u16::from(*status)),
        _ => None,
    };
    match chain.filter_map(|error| error.downcast_ref::<azure_core::Error>()).find_map(status)? {
        429 => Some(Kind::Throttled),
        408 | 500..=599 => Some(Kind::Transient),
        _ => None,
    }
}

/// What is at the end of a chain of errors.
fn innermost(error: &dyn StdError) -> String {
    std::iter::successors(Some(error), |error| (*error).source()).last().map(ToString::to_string).unwrap_or_default()
}

/// The last line of a program's or a service's text that says anything.
fn last_line(text: &str) -> &str {
    text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("it gives no reason")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_code_decides_before_the_status() {
        let kind =
            |status, code: &str| from_arm(status, &json!({"error": {"code": code, "message": "m"}}), None).kind();
        assert_eq!(kind(409, "AnotherOperationInProgress"), Kind::Transient);
        assert_eq!(kind(409, "OperationNotAllowed"), Kind::Conflict);
        assert_eq!(kind(403, "AuthorizationFailed"), Kind::Denied);
        assert_eq!(kind(400, "InvalidVhd"), Kind::Image);
        assert_eq!(kind(404, "ResourceNotFound"), Kind::NotFound);
        assert_eq!(kind(404, "SubscriptionNotFound"), Kind::Denied);
        assert_eq!(kind(503, ""), Kind::Transient);
        assert_eq!(kind(429, ""), Kind::Throttled);
    }

    #[test]
    fn the_envelope_is_unpacked_whole() {
        let body = json!({"error": {
            "code": "BadRequest", "message": "The request is invalid.", "target": "galleryImageVersion",
            "details": [{"code": "A", "message": "The region is full."}, {"code": "The request is invalid."}, {"code": "Z9"}],
        }});
        let error = from_arm(400, &body, None);
        assert_eq!(
            error.to_string(),
            "Azure answered BadRequest: The request is invalid. (in galleryImageVersion); The region is full.; Z9"
        );
    }

    #[test]
    fn known_errors_have_a_cure() {
        let hint = |code: &str, message: &str| {
            from_arm(409, &json!({"error": {"code": code, "message": message}}), None).hint().map(str::to_owned)
        };
        assert!(hint("RequestDisallowedByPolicy", "m").unwrap().contains("exemption"));
        assert!(hint("MissingSubscriptionRegistration", "m").unwrap().contains("az provider register"));
        assert!(hint("QuotaExceeded", "m").unwrap().contains("more quota"));
        assert!(hint("OperationNotAllowed", "exceeding approved Quota").unwrap().contains("more quota"));
        assert!(!hint("OperationNotAllowed", "the disk is attached").unwrap().contains("quota"));
    }

    #[test]
    fn an_operation_that_failed_is_final() {
        let error = from_operation("Failed", &json!({"error": {"code": "InternalExecutionError", "message": "m"}}));
        assert_eq!(error.kind(), Kind::Invalid);
        assert_eq!(error.to_string(), "Azure answered InternalExecutionError: m");
    }
}
