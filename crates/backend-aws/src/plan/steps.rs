//! What would be done, in words.

use publisher::Result;
use vhd::{Image, MIB};

use super::Decided;
use crate::{Aws, config::Via};

pub fn steps(aws: &Aws, decided: &Decided, found: bool, image: &Image) -> Result<Vec<String>> {
    let (home, others) = (decided.home(), &decided.regions[1..]);
    let copies = others.iter().map(|region| format!("copy the AMI to {region}, if it is not there"));
    let sharing = aws.config.sharing.as_ref().filter(|sharing| !sharing.is_private());
    let share = sharing.map(|_| "share the AMI, once it is in all regions that have to have it".to_owned());
    let deprecate = aws
        .config
        .deprecate_after_days
        .map(|days| format!("deprecate the AMI after {days} days, if nothing else is set"));
    let public = aws.config.sharing.as_ref().is_some_and(|sharing| sharing.public);
    let open = public.then(|| "make it public in each of them".to_owned());
    let names = decided.parameters.iter().map(|name| format!("have the parameter {name} of each region name it"));
    let copies = copies.chain(deprecate).chain(share).chain(open).chain(names);
    if found {
        return Ok(copies.collect());
    }
    let data = image.content()?.blocks().len() as u64 * vhd::CONTENT_BLOCK / MIB;
    let mut steps = match aws.config.route()? {
        Via::S3(bucket) => vec![
            format!("upload a dynamic VHD with at least {data} MiB to s3://{bucket}"),
            format!("import it as a snapshot in {home}, and delete the object"),
        ],
        Via::Ebs => vec![format!("write {data} MiB of blocks to a new snapshot in {home}")],
    };
    let shape = &decided.shape;
    steps.push(format!(
        "register AMI {} in {home} ({}, {}, {} GiB {})",
        decided.name, shape.architecture, shape.boot_mode, shape.volume_size, shape.volume_type
    ));
    steps.extend(copies);
    Ok(steps)
}
