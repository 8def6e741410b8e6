//! The bucket of the S3 route.

use publisher::{Cx, Error, Kind, Result};

use crate::{Aws, Undo, error::classify};

/// ImportSnapshot reads only from buckets of its own region.
pub async fn check_bucket(aws: &Aws, cx: &Cx<Undo>, bucket: &str, home: &str) -> Result<()> {
    let s3 = aws.clients.s3(home);
    let request = || async {
        match s3.head_bucket().bucket(bucket).send().await {
            Ok(found) => Ok(found.bucket_region),
            Err(error) => {
                let elsewhere = error.raw_response().and_then(|response| response.headers().get("x-amz-bucket-region"));
                match elsewhere.map(str::to_owned) {
                    Some(region) if region != home => Ok(Some(region)),
                    _ => Err(classify(error)),
                }
            }
        }
    };
    let region = cx.retry("looking at the bucket", request).await.map_err(|error| match error.kind() {
        Kind::NotFound => Error::new(Kind::Config, format!("there is no bucket {bucket}"))
            .with_hint("make it in the home region, or leave aws.bucket out for EBS direct"),
        _ => error.context(format!("cannot use the bucket {bucket}")),
    })?;
    match region {
        Some(region) if region != home => Err(Error::new(
            Kind::Config,
            format!("the bucket {bucket} is in {region}, and the home region is {home}"),
        )
        .with_hint(
            "ImportSnapshot reads buckets of its own region alone: put that region first, or name another bucket",
        )),
        _ => Ok(()),
    }
}
