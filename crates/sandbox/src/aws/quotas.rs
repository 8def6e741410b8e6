//! Service Quotas: how much of something an account may have.

use serde_json::json;

use super::{json, region};
use crate::{
    message::{Call, Reply},
    server::World,
};

/// EC2's quota of public AMIs in a region.
const PUBLIC_IMAGES: (&str, &str) = ("ec2", "L-0E3CBAB9");

pub fn answer(world: &World, call: &Call) -> Reply {
    let body = call.json();
    let asked = (body["ServiceCode"].as_str().unwrap_or_default(), body["QuotaCode"].as_str().unwrap_or_default());
    if json::operation(call) != "GetServiceQuota" || asked != PUBLIC_IMAGES {
        return json::error(400, "NoSuchResourceException", "The specified quota does not exist.");
    }
    let value = world.aws.regions().entry(region(call)).or_default().public_images;
    let quota = json!({
        "ServiceCode": asked.0, "QuotaCode": asked.1, "QuotaName": "Public AMIs", "Value": f64::from(value), "Unit": "None",
        "Adjustable": true, "GlobalQuota": false,
    });
    json::reply(200, &json!({"Quota": quota}))
}
