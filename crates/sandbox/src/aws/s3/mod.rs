//! S3, path style: buckets, objects, multipart uploads, and the checksums of all of them.

mod buckets;
mod chunked;
mod objects;
mod uploads;

use http::Method;

use crate::{
    FaultKind, ids,
    message::{Call, Reply},
    server::World,
    xml::Xml,
};

const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

pub fn operation(call: &Call) -> &'static str {
    let has = |name: &str| call.query.contains_key(name);
    match (&call.method, call.segments.len() > 1) {
        (&Method::PUT, false) => "CreateBucket",
        (&Method::HEAD, false) => "HeadBucket",
        (&Method::GET, false) if has("location") => "GetBucketLocation",
        (&Method::GET, false) if has("uploads") => "ListMultipartUploads",
        (&Method::POST, true) if has("uploads") => "CreateMultipartUpload",
        (&Method::PUT, true) if has("uploadId") => "UploadPart",
        (&Method::POST, true) if has("uploadId") => "CompleteMultipartUpload",
        (&Method::DELETE, true) if has("uploadId") => "AbortMultipartUpload",
        (&Method::GET, true) if has("uploadId") => "ListParts",
        (&Method::PUT, true) => "PutObject",
        (&Method::HEAD, true) => "HeadObject",
        (&Method::GET, true) => "GetObject",
        (&Method::DELETE, true) => "DeleteObject",
        _ => "Unknown",
    }
}

pub fn answer(world: &World, call: &Call) -> Reply {
    let handled = match operation(call) {
        "CreateBucket" => buckets::create(world, call),
        "HeadBucket" => buckets::head(world, call),
        "GetBucketLocation" => buckets::location(world, call),
        "CreateMultipartUpload" => uploads::create(world, call),
        "UploadPart" => uploads::put_part(world, call),
        "CompleteMultipartUpload" => uploads::complete(world, call),
        "AbortMultipartUpload" => uploads::abort(world, call),
        "ListParts" => uploads::list_parts(world, call),
        "ListMultipartUploads" => uploads::list(world, call),
        "PutObject" => objects::put(world, call),
        "HeadObject" | "GetObject" => objects::get(world, call),
        "DeleteObject" => objects::delete(world, call),
        _ => Err(error(501, "NotImplemented", "A header you provided implies functionality that is not implemented.")),
    };
    handled.unwrap_or_else(|refusal| refusal)
}

pub fn error(status: u16, code: &str, message: &str) -> Reply {
    let body = Xml::new().text("Code", code).text("Message", message).text("RequestId", ids::random());
    Reply::xml(status, body.document("Error", None))
}

pub fn refuse(_: &Call, kind: FaultKind) -> Reply {
    match kind {
        FaultKind::Throttle => error(503, "SlowDown", "Please reduce your request rate.").with("retry-after", "1"),
        FaultKind::Busy => error(503, "SlowDown", "Please reduce your request rate."),
        FaultKind::Deny => error(403, "AccessDenied", "Access Denied"),
        _ => error(500, "InternalError", "We encountered an internal error. Please try again."),
    }
}

/// Bucket and key of a call.
fn place(call: &Call) -> (&str, String) {
    (call.segments[0].as_str(), call.segments[1..].join("/"))
}

fn no_such_bucket() -> Reply {
    error(404, "NoSuchBucket", "The specified bucket does not exist")
}

/// Runs `act` on the bucket of a call. A call that is signed for another region is refused, as S3 does.
fn in_bucket<T>(
    world: &World,
    call: &Call,
    act: impl FnOnce(&mut crate::aws::state::Bucket) -> Result<T, Reply>,
) -> Result<T, Reply> {
    let mut buckets = world.aws.buckets();
    let bucket = buckets.get_mut(place(call).0).ok_or_else(no_such_bucket)?;
    if bucket.region != super::region(call) {
        let message = "The bucket you are attempting to access must be addressed using the specified endpoint.";
        return Err(error(301, "PermanentRedirect", message).with("x-amz-bucket-region", bucket.region.clone()));
    }
    act(bucket)
}
