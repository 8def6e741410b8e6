use super::{NAMESPACE, error, no_such_bucket, place};
use crate::{
    aws::{region, state::Bucket},
    environment::HOME_REGION,
    message::{Call, Reply},
    server::World,
};

pub fn create(world: &World, call: &Call) -> Result<Reply, Reply> {
    let name = place(call).0;
    let mut buckets = world.aws.buckets();
    if buckets.contains_key(name) {
        return Err(error(
            409,
            "BucketAlreadyOwnedByYou",
            "Your previous request to create the named bucket succeeded.",
        ));
    }
    buckets.insert(name.to_owned(), Bucket::new(&region(call)));
    Ok(Reply::empty(200).with("location", format!("/{name}")))
}

/// Answers from any region: this is how a client finds out which one the bucket is in.
pub fn head(world: &World, call: &Call) -> Result<Reply, Reply> {
    let buckets = world.aws.buckets();
    let bucket = buckets.get(place(call).0).ok_or_else(|| Reply::empty(404))?;
    let status = if bucket.region == region(call) { 200 } else { 301 };
    Ok(Reply::empty(status).with("x-amz-bucket-region", bucket.region.clone()))
}

pub fn location(world: &World, call: &Call) -> Result<Reply, Reply> {
    let buckets = world.aws.buckets();
    let bucket = buckets.get(place(call).0).ok_or_else(no_such_bucket)?;
    // The home of S3 has no name here (S3 API, "GetBucketLocation").
    let name = if bucket.region == HOME_REGION { "" } else { &bucket.region };
    Ok(Reply::xml(200, format!("<LocationConstraint xmlns=\"{NAMESPACE}\">{}</LocationConstraint>", name)))
}
