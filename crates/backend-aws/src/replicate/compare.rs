use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::Image;
use publisher::{Cx, Region, Result};

use crate::{Aws, Registered, Undo, find};

/// What a copy has otherwise than its source, field by field.
pub async fn differences(
    aws: &Aws,
    cx: &Cx<Undo>,
    registered: &Registered,
    region: &Region,
    copy: &str,
) -> Result<Vec<String>> {
    let source = find::image_by_id(aws, cx, &registered.region, &registered.ami).await?;
    let copy_image = find::image_by_id(aws, cx, &region.0, copy).await?;
    let (source, copy) = (fields(&source), fields(&copy_image));
    let names: BTreeSet<_> = source.keys().chain(copy.keys()).collect();
    let key = other_key(aws, cx, region, &registered.region, &copy_image).await?;
    let differing = names.into_iter().filter(|name| source.get(*name) != copy.get(*name));
    let value = |of: &BTreeMap<String, String>, name| of.get(name).cloned().unwrap_or_else(|| "not set".to_owned());
    let differing = differing.map(|name| format!("{name} is {}, was {}", value(&copy, name), value(&source, name)));
    Ok(differing.chain(key).collect())
}

/// The key that a copy's snapshot is encrypted with, where it is not the one that is configured for the region.
async fn other_key(aws: &Aws, cx: &Cx<Undo>, region: &Region, home: &str, copy: &Image) -> Result<Option<String>> {
    let Some(wanted) = aws.config.key_in(&region.0, home) else { return Ok(None) };
    let Some(snapshot) = find::snapshot_of(copy) else { return Ok(None) };
    let found = find::snapshot_by_id(aws, cx, &region.0, snapshot).await?;
    let found = found.kms_key_id().unwrap_or("none");
    Ok((found != wanted).then(|| format!("its snapshot's key is {found}, and is to be {wanted}")))
}

/// What DescribeImages tells of how an image's instances start. A copy's id, snapshot and encryption are its own.
fn fields(image: &Image) -> BTreeMap<String, String> {
    let text = |value: Option<&str>| value.map(str::to_owned);
    let of_image = [
        ("architecture", text(image.architecture().map(|value| value.as_str()))),
        ("boot mode", text(image.boot_mode().map(|value| value.as_str()))),
        ("virtualization type", text(image.virtualization_type().map(|value| value.as_str()))),
        ("ENA support", image.ena_support().map(|value| value.to_string())),
        ("SR-IOV support", text(image.sriov_net_support())),
        ("IMDS support", text(image.imds_support().map(|value| value.as_str()))),
        ("TPM support", text(image.tpm_support().map(|value| value.as_str()))),
        ("root device", text(image.root_device_name())),
    ];
    let of_image = of_image.into_iter().map(|(field, value)| (field.to_owned(), value));
    let of_devices = image.block_device_mappings().iter().flat_map(|device| {
        let name = device.device_name().unwrap_or_default();
        let disk = device.ebs();
        [
            ("instance store", text(device.virtual_name())),
            ("volume size", disk.and_then(|disk| disk.volume_size()).map(|value| value.to_string())),
            ("iops", disk.and_then(|disk| disk.iops()).map(|value| value.to_string())),
            ("throughput", disk.and_then(|disk| disk.throughput()).map(|value| value.to_string())),
            (
                "deletion on termination",
                disk.and_then(|disk| disk.delete_on_termination()).map(|value| value.to_string()),
            ),
            ("volume type", text(disk.and_then(|disk| disk.volume_type()).map(|value| value.as_str()))),
        ]
        .map(|(field, value)| (format!("{field} of {name}"), value))
    });
    of_image.chain(of_devices).filter_map(|(field, value)| Some((field, value?))).collect()
}
