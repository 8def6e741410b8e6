use publisher::{Cx, Event, Kind, Region, Result};
use serde_json::Value;

use super::{Standing, watch::settled};
use crate::{Azure, Undo, Version, client::versions, config::plain, register::publishing_profile};

/// What became of regions that a version did not have.
pub enum Extension {
    /// There are none.
    NotNeeded,
    /// Azure is bringing the version to them; where its operation's status is, if Azure has said.
    Accepted(Option<String>),
    /// Azure is at something else of the version, which is not waited for.
    Later,
}

/// Adds the regions that a version does not have, or in which it failed. Nothing is sent where nothing is missing.
pub async fn extend(azure: &Azure, cx: &Cx<Undo>, version: &Version, to: &[Region]) -> Result<Extension> {
    let mut standing = Standing::read(azure, cx, &version.id).await?;
    let is_complete = |standing: &Standing| !to.iter().any(|region| standing.lacks(region));
    if is_complete(&standing) {
        return Ok(Extension::NotNeeded);
    }
    // A version is changed by one operation at a time.
    if !standing.is_final() {
        if !cx.waits() {
            let message = "the version is still on its way: publish again to add the regions that it is not going to";
            cx.emit(Event::Warning { message: message.to_owned() });
            return Ok(Extension::Later);
        }
        standing = settled(azure, cx, version).await?;
        if is_complete(&standing) {
            return Ok(Extension::NotNeeded);
        }
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
            "if Azure misses what it was made from: publish a new version, and keep that (azure.keep_image) if regions are \
             to be added to it later",
        ),
        _ => error,
    })?;
    Ok(Extension::Accepted(accepted.operation()))
}
