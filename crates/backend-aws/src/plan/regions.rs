//! Which regions are meant.

use aws_sdk_ec2::types::Region as KnownRegion;
use publisher::{Cx, Error, Event, Kind, Region, Result};

use crate::{Aws, Undo, error::classify, identity};

/// The regions that are asked for, the home region first.
///
/// # Errors
/// [`Kind::Config`] if there is none.
pub fn wanted(aws: &Aws) -> Result<Vec<String>> {
    let mut wanted = aws.config.regions.clone().unwrap_or_default().0;
    if wanted.is_empty() {
        wanted.extend(aws.clients.default_region());
    }
    let Some(home) = wanted.first() else {
        return Err(Error::new(Kind::Config, "no AWS region is given")
            .with_hint("name at least one: --regions us-east-1,eu-west-1"));
    };
    aws.config.check_home(home)?;
    Ok(wanted)
}

/// Where to ask what is the same in all regions of a partition. A region that does not exist has no endpoint to ask; this one
/// always has. Its own role, if it has one, is not tried for it.
pub fn elsewhere(home: &str) -> &str {
    if partition(home) == "aws" { "us-east-1" } else { home }
}

/// All regions, the home region first; each is known and enabled.
pub async fn regions(aws: &Aws, cx: &Cx<Undo>) -> Result<Vec<Region>> {
    let wanted = wanted(aws)?;
    let home = wanted.first().cloned().unwrap_or_default();
    let ec2 = aws.clients.ec2_as_at_home(elsewhere(&home));
    let request = || async { ec2.describe_regions().all_regions(true).send().await.map_err(classify) };
    let known = cx.retry("reading the regions", request).await?.regions.unwrap_or_default();
    let mut regions = Vec::new();
    for name in aws.config.per_region.keys() {
        let is_known = |region: &KnownRegion| region.region_name() == Some(name);
        if !known.iter().any(is_known) {
            return Err(Error::new(Kind::Config, format!("aws.per_region.{name} is no region's")));
        }
        if !wanted.contains(name) {
            let message = format!("aws.per_region.{name} is configured, and the image does not go there");
            cx.emit(Event::Warning { message });
        }
    }
    for name in wanted {
        if partition(&name) != partition(&home) {
            let text = format!("{name} is in the partition {}, and {home} in {}", partition(&name), partition(&home));
            return Err(Error::new(Kind::Config, text)
                .with_hint("nothing is copied between partitions: publish to each by a profile of its own"));
        }
        let checked = match check_region(&name, &known) {
            Ok(()) => aws.clients.check_role(&name).await,
            Err(error) => Err(error),
        };
        match checked {
            // Without the home region there is nothing.
            Err(error) if name != home && !aws.config.is_required(&name) => {
                cx.emit(Event::Warning { message: format!("{name} is left out: {error}") });
                continue;
            }
            checked => checked?,
        }
        let region = Region(name);
        if !regions.contains(&region) {
            regions.push(region);
        }
    }
    identity::check_accounts(aws, cx, &regions).await?;
    Ok(regions)
}

/// The partition that a region is in, by the beginning of its name.
pub fn partition(region: &str) -> &'static str {
    match region {
        region if region.starts_with("cn-") => "aws-cn",
        region if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

fn check_region(name: &str, known: &[KnownRegion]) -> Result<()> {
    let Some(found) = known.iter().find(|region| region.region_name() == Some(name)) else {
        let area = name.split('-').next().unwrap_or(name);
        let near: Vec<_> =
            known.iter().filter_map(KnownRegion::region_name).filter(|known| known.starts_with(area)).take(4).collect();
        let error = Error::new(Kind::Config, format!("AWS has no region \"{name}\""));
        return Err(if near.is_empty() {
            error.with_hint("`aws ec2 describe-regions --all-regions` lists them")
        } else {
            error.with_hint(format!("did you mean {}?", near.join(", ")))
        });
    };
    if found.opt_in_status() == Some("not-opted-in") {
        return Err(Error::new(Kind::Config, format!("the account has not opted in to the region {name}"))
            .with_hint(format!("enable it with `aws account enable-region --region-name {name}`, or leave it out")));
    }
    Ok(())
}
