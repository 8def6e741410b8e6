use super::{Params, Refusal};
use crate::{server::World, xml::Xml};

/// Some of AWS's regions; the last two have to be opted in to and are not.
const REGIONS: [(&str, bool); 14] = [
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
];

/// Whether calls to the region are answered.
pub fn exists(name: &str) -> bool {
    REGIONS.contains(&(name, true))
}

pub fn describe(_: &World, _: &str, params: &Params) -> Result<Xml, Refusal> {
    let (all, wanted) = (params.is_true("AllRegions"), params.list("RegionName"));
    let shown =
        REGIONS.iter().filter(|(name, enabled)| (all || *enabled) && (wanted.is_empty() || wanted.contains(name)));
    let items = shown.map(|(name, enabled)| {
        let by_default = *enabled;
        Xml::new()
            .text("regionName", name)
            .text("regionEndpoint", format!("ec2.{name}.amazonaws.com"))
            .text("optInStatus", if by_default { "opt-in-not-required" } else { "not-opted-in" })
    });
    Ok(Xml::new().items("regionInfo", items))
}
