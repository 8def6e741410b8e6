//! What is there already, asked of the cloud.

use aws_sdk_ec2::types::{Filter, Image, ImportSnapshotTask, Snapshot, Tag};
use publisher::{Cx, Error, Kind, Result, RunKey, TAG_ATTEMPT, TAG_NAME, TAG_RUN};

use crate::{
    Aws, Undo,
    error::{classify, has_code, soon},
};

fn of_run(run: &RunKey) -> Filter {
    Filter::builder().name(format!("tag:{TAG_RUN}")).values(run.as_str()).build()
}

/// The snapshot under an image.
pub fn snapshot_of(image: &Image) -> Option<&str> {
    image.block_device_mappings().iter().find_map(|device| device.ebs()?.snapshot_id())
}

/// When an image was made.
pub fn created(image: &Image) -> Option<jiff::Timestamp> {
    image.creation_date()?.parse().ok()
}

/// Our own image of this name in a region.
pub async fn image_by_name(aws: &Aws, cx: &Cx<Undo>, region: &str, name: &str) -> Result<Option<Image>> {
    let filter = Filter::builder().name("name").values(name).build();
    images(aws, cx, region, filter).await.map(|images| images.into_iter().next())
}

/// The newest of the images that runs made of what is called `name`, whatever its versions.
pub async fn newest_image(aws: &Aws, cx: &Cx<Undo>, region: &str, name: &str) -> Result<Option<Image>> {
    let filter = Filter::builder().name(format!("tag:{TAG_NAME}")).values(name).build();
    let all = images(aws, cx, region, filter).await?;
    Ok(all.into_iter().max_by(|one, other| one.creation_date().cmp(&other.creation_date())))
}

/// An image that was just there, by its id. It may not be known everywhere yet, which passes.
pub async fn image_by_id(aws: &Aws, cx: &Cx<Undo>, region: &str, id: &str) -> Result<Image> {
    let ec2 = aws.clients.ec2(region);
    let request = || async {
        let answer = ec2.describe_images().image_ids(id).include_disabled(true).send().await;
        let found = answer.map_err(classify).map_err(soon)?.images.unwrap_or_default();
        let nothing = || soon(Error::new(Kind::NotFound, format!("{id} is not in {region}")));
        found.into_iter().next().ok_or_else(nothing)
    };
    cx.retry("reading the image", request).await
}

/// An image of the account's own, if it is there.
pub async fn own_image(aws: &Aws, cx: &Cx<Undo>, region: &str, id: &str) -> Result<Option<Image>> {
    let filter = Filter::builder().name("image-id").values(id).build();
    images(aws, cx, region, filter).await.map(|images| images.into_iter().next())
}

/// The images that the run made in a region.
pub async fn images_of_run(aws: &Aws, cx: &Cx<Undo>, region: &str) -> Result<Vec<Image>> {
    images(aws, cx, region, of_run(cx.run())).await
}

async fn images(aws: &Aws, cx: &Cx<Undo>, region: &str, filter: Filter) -> Result<Vec<Image>> {
    let ec2 = aws.clients.ec2(region);
    let request = || {
        let request = ec2.describe_images().owners("self").include_disabled(true).filters(filter.clone());
        async { request.send().await.map_err(classify) }
    };
    Ok(cx.retry("looking for images", request).await?.images.unwrap_or_default())
}

/// Whether an image of the account is made of a snapshot.
pub async fn is_used(aws: &Aws, cx: &Cx<Undo>, region: &str, snapshot: &str) -> Result<bool> {
    let filter = Filter::builder().name("block-device-mapping.snapshot-id").values(snapshot).build();
    images(aws, cx, region, filter).await.map(|images| !images.is_empty())
}

/// The snapshots that the run made in a region.
pub async fn snapshots_of_run(aws: &Aws, cx: &Cx<Undo>, region: &str) -> Result<Vec<Snapshot>> {
    let ec2 = aws.clients.ec2(region);
    let filter = of_run(cx.run());
    let request = || {
        let request = ec2.describe_snapshots().owner_ids("self").filters(filter.clone());
        async { request.send().await.map_err(classify) }
    };
    Ok(cx.retry("looking for snapshots", request).await?.snapshots.unwrap_or_default())
}

/// A snapshot that was just there, by its id.
pub async fn snapshot_by_id(aws: &Aws, cx: &Cx<Undo>, region: &str, id: &str) -> Result<Snapshot> {
    let ec2 = aws.clients.ec2(region);
    let request = || async {
        let answer = ec2.describe_snapshots().snapshot_ids(id).send().await.map_err(classify).map_err(soon)?;
        let nothing = || soon(Error::new(Kind::NotFound, format!("{id} is not in {region}")));
        answer.snapshots.unwrap_or_default().into_iter().next().ok_or_else(nothing)
    };
    cx.retry("reading the snapshot", request).await
}

/// A snapshot, if it is there.
pub async fn snapshot(aws: &Aws, cx: &Cx<Undo>, region: &str, id: &str) -> Result<Option<Snapshot>> {
    let ec2 = aws.clients.ec2(region);
    let request = || async { ec2.describe_snapshots().snapshot_ids(id).send().await.map_err(classify) };
    match cx.retry("looking for a snapshot", request).await {
        Ok(found) => Ok(found.snapshots.unwrap_or_default().into_iter().next()),
        Err(error) if error.kind() == Kind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The import tasks that the run began in a region.
pub async fn imports_of_run(aws: &Aws, cx: &Cx<Undo>, region: &str) -> Result<Vec<ImportSnapshotTask>> {
    let ec2 = aws.clients.ec2(region);
    let filter = of_run(cx.run());
    let request = || {
        let request = ec2.describe_import_snapshot_tasks().filters(filter.clone());
        async { request.send().await.map_err(classify) }
    };
    Ok(cx.retry("looking for imports", request).await?.import_snapshot_tasks.unwrap_or_default())
}

/// Makes what an earlier attempt of the run made this attempt's own: its undos are void from now on.
pub async fn take_over(aws: &Aws, cx: &Cx<Undo>, region: &str, id: &str) -> Result<()> {
    let ec2 = aws.clients.ec2(region);
    let tag = Tag::builder().key(TAG_ATTEMPT).value(aws.attempt.as_str()).build();
    let request = || {
        let request = ec2.create_tags().resources(id).tags(tag.clone());
        async { request.send().await.map(drop).map_err(classify).map_err(unknown_yet) }
    };
    cx.retry("noting whose it is", request).await
}

/// CreateTags takes ids of all kinds, and says of one that it does not know yet that it is none.
fn unknown_yet(error: Error) -> Error {
    if has_code(&error, "InvalidID") {
        return Error::new(Kind::Transient, "AWS does not know yet what it has just made").caused_by(error);
    }
    soon(error)
}

/// Whether an import goes on.
pub fn is_active(task: &ImportSnapshotTask) -> bool {
    task.snapshot_task_detail().and_then(|detail| detail.status()) == Some("active")
}
