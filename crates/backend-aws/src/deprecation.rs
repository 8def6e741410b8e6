//! The day from which on an AMI is not shown any more to those who look for one.

use aws_sdk_ec2::primitives::DateTime;
use publisher::{Cx, Error, Event, Kind, Result};

use crate::{
    Aws, Undo,
    error::{classify, soon},
    find,
};

const DAY: i64 = 24 * 60 * 60;

/// Sets the day, counted from the AMI's creation. One that is set stays: a rerun does not push it out. Tells whether it was
/// set.
pub async fn deprecate(aws: &Aws, cx: &Cx<Undo>, region: &str, ami: &str) -> Result<bool> {
    let Some(days) = aws.config.deprecate_after_days else { return Ok(false) };
    let image = find::image_by_id(aws, cx, region, ami).await?;
    if image.deprecation_time().is_some() {
        return Ok(false);
    }
    let created = image.creation_date().and_then(|date| date.parse::<jiff::Timestamp>().ok());
    let created = created.ok_or_else(|| Error::new(Kind::Invalid, format!("{ami} has no date of creation")))?;
    let at = created.as_second() + i64::from(days) * DAY;
    if at <= jiff::Timestamp::now().as_second() {
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
