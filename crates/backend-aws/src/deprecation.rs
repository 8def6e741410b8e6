//! The day from which on an AMI is not shown any more to those who look for one.

use aws_sdk_ec2::{primitives::DateTime, types::Image};
use publisher::{Cx, Error, Event, Kind, Result};

use crate::{
    Aws, Config, Undo,
    error::{classify, soon},
    find,
};

const DAY: i64 = 24 * 60 * 60;

/// The day, so many days after an image was made, in seconds of Unix time.
fn day(image: &Image, days: u32) -> Option<i64> {
    Some(find::created(image)?.as_second() + i64::from(days) * DAY)
}

fn is_past(at: i64) -> bool {
    at <= jiff::Timestamp::now().as_second()
}

/// Whether the day of an image is still to be set, and can be.
pub fn is_due(config: &Config, image: &Image) -> bool {
    let at = config.deprecate_after_days.and_then(|days| day(image, days));
    image.deprecation_time().is_none() && at.is_some_and(|at| !is_past(at))
}

/// Sets the day, counted from the AMI's creation. One that is set stays: a rerun does not push it out. Tells whether it was
/// set.
pub async fn deprecate(aws: &Aws, cx: &Cx<Undo>, region: &str, ami: &str) -> Result<bool> {
    let Some(days) = aws.config.deprecate_after_days else { return Ok(false) };
    let image = find::image_by_id(aws, cx, region, ami).await?;
    if image.deprecation_time().is_some() {
        return Ok(false);
    }
    let at = day(&image, days).ok_or_else(|| Error::new(Kind::Invalid, format!("{ami} has no date of creation")))?;
    if is_past(at) {
        let message = format!("{ami} in {region} is older than {days} days, and is not deprecated after the fact");
        cx.emit(Event::Warning { message });
        return Ok(false);
    }
    let ec2 = aws.clients.ec2(region);
    let request = || async {
        ec2.enable_image_deprecation()
            .image_id(ami)
            .deprecate_at(DateTime::from_secs(at))
            .send()
            .await
            .map_err(classify)
            .map_err(soon)
    };
    cx.retry("deprecating the AMI", request).await.map_err(|error| error.context("cannot deprecate the AMI"))?;
    Ok(true)
}
