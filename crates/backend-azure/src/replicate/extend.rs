use publisher::{Cx, Kind, Region, Result};
use serde_json::Value;

use super::Standing;
use crate::{Azure, Undo, Version, client::versions, config::plain, register::publishing_profile};

/// Adds the regions that a version does not have, or in which it failed. Nothing is sent where nothing is missing.
pub async fn extend(azure: &Azure, cx: &Cx<Undo>, version: &Version, to: &[Region]) -> Result<Option<String>> {
    let standing = Standing::read(azure, cx, &version.id).await?;
    if !to.iter().any(|region| standing.lacks(region)) {
        return Ok(None);
    }
    // Regions that others added stay: the body names all of them.
    let has = standing.targets();
    let more = to.iter().filter(|region| !has.contains(region));
    let all: Vec<_> = has.iter().chain(more).map(|region| region.0.as_str()).collect();
    let mut body = standing.version;
    let targets = &mut body["properties"]["publishingProfile"]["targetRegions"];
    let kept = targets.take();
    *targets = publishing_profile(azure, all.into_iter())?["targetRegions"].take();
    for target in targets.as_array_mut().into_iter().flatten() {
        let same = |old: &&Value| target["name"].as_str().map(plain) == old["name"].as_str().map(plain);
        if let Some(old) = kept.as_array().into_iter().flatten().find(same) {
            *target = old.clone();
        }
    }
    if let Some(properties) = body["properties"].as_object_mut() {
        properties.remove("provisioningState");
        properties.remove("replicationStatus");
    }
    let what = "adding regions to the image version";
    let accepted = cx.retry(what, || azure.arm.put(&version.id, versions::GALLERIES, &body)).await;
    let accepted = accepted.map_err(|error| match error.kind() {
        Kind::NotFound => error.context("cannot add regions to the image version").with_hint(
            "if Azure misses the managed image that it was made from: publish a new version, with azure.keep_image = true \
             if regions are to be added to it later",
        ),
        _ => error,
    })?;
    Ok(accepted.operation())
}
