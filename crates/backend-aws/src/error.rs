//! From what AWS says to what it means.

use std::{error::Error as StdError, time::Duration};

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use publisher::{Error, Kind};

/// Codes by which AWS's services ask for fewer requests.
const THROTTLED: [&str; 14] = [
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottledException",
    "RequestThrottled",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "BandwidthLimitExceeded",
    "SlowDown",
    "EC2ThrottledException",
    "ConcurrentLimitExceededException",
    // A region makes twenty copies at a time; the next one is taken when one of them is done.
    "ResourceLimitExceeded",
    "PriorRequestNotComplete",
    // One parameter is changed by one request at a time (PutParameter).
    "TooManyUpdates",
];

/// What failed, without what AWS said of it: `what` is a fragment such as "cannot register the image".
pub fn classify<E>(error: SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    let retry_after = error.raw_response().and_then(retry_after);
    let status = error.raw_response().map_or(0, |response| response.status().as_u16());
    let made = match &error {
        SdkError::ServiceError(_) => {
            let code = error.code().unwrap_or_default().to_owned();
            let message = error.message().unwrap_or_default().trim();
            let text = match (code.as_str(), message) {
                ("", _) => format!("AWS answered with status {status}"),
                (code, "") => format!("AWS answered {code}"),
                (code, message) => format!("AWS answered {code}: {message}"),
            };
            // That there are too many copies passes; that there are too many of anything else does not.
            let is_quota = code == "ResourceLimitExceeded" && !message.contains("cop");
            let kind = if is_quota { Kind::Invalid } else { kind_of(&code, status) };
            with_hint(Error::new(kind, text), hint(&code, message))
        }
        SdkError::ConstructionFailure(_) => Error::new(Kind::Invalid, "the request cannot be made").caused_by(error),
        _ => unanswered(error),
    };
    made.with_retry_after(retry_after)
}

/// A thing that was just made is not known everywhere at once: that it is not found may pass.
pub fn soon(error: Error) -> Error {
    if error.kind() != Kind::NotFound {
        return error;
    }
    Error::new(Kind::Transient, "AWS does not know yet what it has just made").caused_by(error)
}

/// The code AWS gave a failure that [`classify`] made of it.
pub fn has_code(error: &Error, code: &str) -> bool {
    let text = error.to_string();
    text.strip_prefix("AWS answered ").is_some_and(|rest| rest == code || rest.starts_with(&format!("{code}:")))
}

pub fn with_hint(error: Error, hint: Option<&str>) -> Error {
    match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

fn retry_after(response: &HttpResponse) -> Option<Duration> {
    response.headers().get("retry-after")?.trim().parse().ok().map(Duration::from_secs)
}

fn kind_of(code: &str, status: u16) -> Kind {
    match code {
        code if THROTTLED.contains(&code) => Kind::Throttled,
        "InternalError" | "InternalFailure" | "InternalServerException" | "ServiceUnavailable" | "Unavailable" => {
            Kind::Transient
        }
        "RequestTimeout" | "RequestTimeoutException" => Kind::Transient,
        // Available at home, and not known as that everywhere yet.
        "InvalidAMIID.Unavailable" => Kind::Transient,
        // What arrived is not what was sent: sending it again is the cure.
        "BadDigest" | "XAmzContentSHA256Mismatch" | "IncompleteBody" => Kind::Transient,
        "AuthFailure"
        | "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "RequestExpired" => Kind::Credentials,
        "UnauthorizedOperation" | "AccessDenied" | "AccessDeniedException" => Kind::Denied,
        "InvalidAMIName.Duplicate"
        | "InvalidSnapshot.InUse"
        | "IdempotentParameterMismatch"
        | "ConflictException"
        | "IncorrectState" => Kind::Conflict,
        code if code.contains("NotFound") || code.starts_with("NoSuch") => Kind::NotFound,
        _ => match status {
            401 => Kind::Credentials,
            403 => Kind::Denied,
            404 => Kind::NotFound,
            429 => Kind::Throttled,
            // A success that cannot be read: it may have had its effect, and looking again will tell.
            200..=299 | 500..=599 => Kind::Transient,
            _ => Kind::Invalid,
        },
    }
}

/// The cures of failures that are known to need one.
pub fn hint(code: &str, message: &str) -> Option<&'static str> {
    let says = |part: &str| message.contains(part);
    Some(if says("service role") && says("does not exist") {
        "ImportSnapshot needs the role vmimport, with a trust policy for vmie.amazonaws.com and permission to read the bucket; \
         leave aws.bucket out to publish without bucket and role, through EBS direct"
    } else if says("not local to the region") {
        "the bucket has to be in the home region, which is the first of aws.regions"
    } else if says("403 Forbidden") {
        "the role vmimport may not read the object: it needs s3:GetObject on the bucket's objects"
    } else if says("Unsupported specified file format") || says("image file was corrupted") {
        "AWS does not take the object for the format it was announced as"
    } else if says("AWS Managed CMK") {
        "encrypt with a key of your own, which can be shared"
    } else if says("block public access") {
        "the region does not let AMIs be public; aws ec2 disable-image-block-public-access, if they are to be"
    } else if code == "ResourceLimitExceeded" && says("public") {
        "the account has as many public AMIs as it may: deregister old ones, or ask for more (Service Quotas, EC2, Public AMIs)"
    } else {
        match code {
            "AuthFailure" | "InvalidClientTokenId" | "UnrecognizedClientException" => {
                "check the credential, and that the region is enabled for the account"
            }
            "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => "the session has ended: log in again",
            "UnauthorizedOperation" | "AccessDenied" | "AccessDeniedException" => {
                "the identity lacks a permission; docs/aws.md has the policies that publishing needs"
            }
            "TagPolicyViolation" => "a policy of the organization decides about tags: set them under [PROFILE.tags]",
            _ => return None,
        }
    })
}

/// What is said where there is no credential, or the way to it fails.
pub fn no_credential(cause: &CredentialsError) -> Error {
    let text = match cause {
        CredentialsError::CredentialsNotLoaded(_) => "there is no AWS credential",
        _ => "the AWS credential cannot be loaded",
    };
    Error::new(Kind::Credentials, text).with_hint(
        "run `aws sso login` or `aws configure`, name a profile with aws.profile, or set AWS_ACCESS_KEY_ID and \
         AWS_SECRET_ACCESS_KEY",
    )
}

/// No answer, or none that can be read.
fn unanswered<E>(error: SdkError<E, HttpResponse>) -> Error
where
    E: StdError + Send + Sync + 'static,
{
    let chain = || std::iter::successors(Some(&error as &(dyn StdError + 'static)), |error| (*error).source());
    if let Some(cause) = chain().find_map(|cause| cause.downcast_ref::<CredentialsError>()) {
        return no_credential(cause).caused_by(error);
    }
    if chain().any(|cause| cause.to_string().contains("certificate")) {
        return Error::new(Kind::Config, "the server's certificate is not trusted")
            .with_hint("name its authority with ca_file (PUBLISH_CA_FILE)")
            .caused_by(error);
    }
    let text = match error {
        SdkError::TimeoutError(_) => "AWS did not answer in time",
        _ => "the connection to AWS failed",
    };
    Error::new(Kind::Transient, text).caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_decide_before_the_status() {
        assert_eq!(kind_of("RequestThrottledException", 400), Kind::Throttled);
        assert_eq!(kind_of("InvalidAMIID.NotFound", 400), Kind::NotFound);
        assert_eq!(kind_of("InvalidAMIID.Unavailable", 400), Kind::Transient);
        assert_eq!(kind_of("AccessDeniedException", 403), Kind::Denied);
        assert_eq!(kind_of("", 503), Kind::Transient);
        assert_eq!(kind_of("", 200), Kind::Transient);
        assert_eq!(kind_of("ValidationException", 400), Kind::Invalid);
    }

    #[test]
    fn a_code_is_found_again() {
        let error = Error::new(Kind::Conflict, "AWS answered InvalidAMIName.Duplicate: x");
        assert!(has_code(&error, "InvalidAMIName.Duplicate"));
        assert!(!has_code(&error, "InvalidAMIName"));
    }
}
