use super::{Params, Refusal};
use crate::{server::World, xml::Xml};

/// Some of AWS's regions, of three partitions; two have to be opted in to and are not.
const REGIONS: [(&str, bool); 17] = [
    ("ap-northeast-1", true),
    ("ap-south-1", true),
    ("ap-southeast-1", true),
    ("ap-southeast-2", true),
    ("ca-central-1", true),
    ("eu-central-1", true),
    ("eu-north-1", true),
    ("eu-west-1", true),
    ("us-east-1", true),
    ("us-east-2", true),
    ("us-west-1", true),
    ("us-west-2", true),
    ("ap-east-1", false),
    ("me-south-1", false),
    ("us-gov-east-1", true),
    ("us-gov-west-1", true),
    ("cn-north-1", true),
];

/// Whether calls to the region are answered.
pub fn exists(name: &str) -> bool {
    REGIONS.contains(&(name, true))
}

/// What a region's partition is called by the beginning of its name.
fn partition(region: &str) -> &str {
    ["us-gov-", "cn-"].into_iter().find(|beginning| region.starts_with(beginning)).unwrap_or_default()
}

/// The regions of the partition that is asked; each knows of no other.
pub fn describe(_: &World, asked: &str, params: &Params) -> Result<Xml, Refusal> {
    let (all, wanted) = (params.is_true("AllRegions"), params.list("RegionName"));
    let of_partition = REGIONS.iter().filter(|(name, _)| partition(name) == partition(asked));
    let shown =
        of_partition.filter(|(name, enabled)| (all || *enabled) && (wanted.is_empty() || wanted.contains(name)));
    let items = shown.map(|(name, enabled)| {
        let by_default = *enabled;
        Xml::new()
            .text("regionName", name)
            .text("regionEndpoint", format!("ec2.{name}.amazonaws.com"))
            .text("optInStatus", if by_default { "opt-in-not-required" } else { "not-opted-in" })
    });
    Ok(Xml::new().items("regionInfo", items))
}
