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
    let copy = find::image_by_id(aws, cx, &region.0, copy).await?;
    let fields = fields(&source).into_iter().zip(fields(&copy));
    let differing = fields.filter(|((_, source), (_, copy))| source != copy);
    let name = |value: Option<String>| value.unwrap_or_else(|| "not set".to_owned());
    Ok(differing
        .map(|((field, source), (_, copy))| format!("{field} is {}, was {}", name(copy), name(source)))
        .collect())
}

/// What DescribeImages tells of how an image's instances start. A copy's id, snapshot and encryption are its own.
fn fields(image: &Image) -> Vec<(&'static str, Option<String>)> {
    let text = |value: Option<&str>| value.map(str::to_owned);
    let device = image.block_device_mappings().iter().find(|device| device.device_name() == image.root_device_name());
    let disk = device.and_then(|device| device.ebs());
    vec![
        ("architecture", text(image.architecture().map(|value| value.as_str()))),
        ("boot mode", text(image.boot_mode().map(|value| value.as_str()))),
        ("virtualization type", text(image.virtualization_type().map(|value| value.as_str()))),
        ("ENA support", image.ena_support().map(|value| value.to_string())),
        ("SR-IOV support", text(image.sriov_net_support())),
        ("IMDS support", text(image.imds_support().map(|value| value.as_str()))),
        ("TPM support", text(image.tpm_support().map(|value| value.as_str()))),
        ("root device", text(image.root_device_name())),
        ("volume size", disk.and_then(|disk| disk.volume_size()).map(|value| value.to_string())),
        ("iops", disk.and_then(|disk| disk.iops()).map(|value| value.to_string())),
        ("throughput", disk.and_then(|disk| disk.throughput()).map(|value| value.to_string())),
        ("deletion on termination", disk.and_then(|disk| disk.delete_on_termination()).map(|value| value.to_string())),
        ("volume type", text(disk.and_then(|disk| disk.volume_type()).map(|value| value.as_str()))),
    ]
}
