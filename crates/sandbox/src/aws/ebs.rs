//! The EBS direct APIs: a snapshot written and read block by block.

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_STANDARD};
use http::Method;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{
    json, region,
    state::{ACCOUNT, Progress, Snapshot},
};
use crate::{
    FaultKind,
    content::Content,
    ids,
    message::{Call, Reply},
    server::World,
};

/// Bytes in a block (EBS direct APIs, "Key concepts").
const BLOCK: u64 = 512 << 10;

pub fn operation(call: &Call) -> &'static str {
    let segments: Vec<_> = call.segments.iter().map(String::as_str).collect();
    match (&call.method, &*segments) {
        (&Method::POST, ["snapshots"]) => "StartSnapshot",
        (&Method::POST, ["snapshots", "completion", _]) => "CompleteSnapshot",
        (&Method::PUT, ["snapshots", _, "blocks", _]) => "PutSnapshotBlock",
        (&Method::GET, ["snapshots", _, "blocks"]) => "ListSnapshotBlocks",
        (&Method::GET, ["snapshots", _, "blocks", _]) => "GetSnapshotBlock",
        _ => "Unknown",
    }
}

pub fn answer(world: &World, call: &Call) -> Reply {
    let handled = match operation(call) {
        "StartSnapshot" => start(world, call),
        "PutSnapshotBlock" => put(world, call),
        "CompleteSnapshot" => complete(world, call),
        "ListSnapshotBlocks" => list(world, call),
        "GetSnapshotBlock" => get(world, call),
        _ => Err(error(404, "UnknownOperationException", None, "")),
    };
    handled.unwrap_or_else(|refusal| refusal)
}

pub fn error(status: u16, code: &str, reason: Option<&str>, message: &str) -> Reply {
    let mut body = json!({"Message": message});
    if let Some(reason) = reason {
        body["Reason"] = reason.into();
    }
    Reply::json(status, &body).with("x-amzn-errortype", code)
}

fn invalid(reason: &str, message: &str) -> Reply {
    error(400, "ValidationException", Some(reason), message)
}

pub fn refuse(_: &Call, kind: FaultKind) -> Reply {
    match kind {
        FaultKind::Throttle | FaultKind::Busy => error(
            400,
            "RequestThrottledException",
            Some("ACCOUNT_THROTTLED"),
            "The number of API requests has exceeded the maximum.",
        ),
        FaultKind::Deny => {
            error(403, "AccessDeniedException", Some("UNAUTHORIZED_ACCOUNT"), "You do not have sufficient access.")
        }
        FaultKind::Forget => not_found(),
        _ => error(500, "InternalServerException", None, "An internal error has occurred."),
    }
}

fn not_found() -> Reply {
    error(404, "ResourceNotFoundException", Some("SNAPSHOT_NOT_FOUND"), "The specified snapshot does not exist.")
}

fn start(world: &World, call: &Call) -> Result<Reply, Reply> {
    let body = call.json();
    let size = body["VolumeSize"].as_u64().filter(|size| (1..=65_536).contains(size));
    let size = size.ok_or_else(|| invalid("INVALID_VOLUME_SIZE", "VolumeSize must be from 1 to 65536 GiB."))?;
    let tags = json::tags(&body);
    let mut regions = world.aws.regions();
    let region = regions.entry(region(call)).or_default();
    let token = body["ClientToken"].as_str().map(|token| format!("ebs:{token}"));
    if let Some(id) = token.as_ref().and_then(|token| region.tokens.get(token)) {
        let Some(known) = region.snapshots.get(id) else {
            // A token is answered with what it first made, even where that is gone.
            let body = json!({"SnapshotId": id, "Status": "pending", "VolumeSize": size, "BlockSize": BLOCK});
            return Ok(Reply::json(201, &body));
        };
        if known.volume_size != size || known.tags != tags {
            return Err(error(409, "ConflictException", None, "The client token was used with other parameters."));
        }
        return Ok(started(known));
    }
    let open = region.snapshots.values().filter(|snapshot| snapshot.progress == Progress::Open).count();
    if open >= 100 {
        return Err(error(
            400,
            "ConcurrentLimitExceededException",
            None,
            "You have reached the limit of pending snapshots.",
        ));
    }
    let content = Content::create(&world.content_dir, size << 30)
        .map_err(|e| error(500, "InternalServerException", None, &e.to_string()))?;
    let snapshot = Snapshot {
        id: ids::ec2("snap"),
        volume_size: size,
        description: body["Description"].as_str().unwrap_or_default().to_owned(),
        tags,
        progress: Progress::Open,
        key: region.key_for(body["KmsKeyArn"].as_str(), body["Encrypted"].as_bool().unwrap_or_default()),
        shared_with: Default::default(),
        content: Arc::new(content),
        blocks: Default::default(),
    };
    let reply = started(&snapshot);
    region.tokens.extend(token.map(|token| (token, snapshot.id.clone())));
    region.snapshots.insert(snapshot.id.clone(), snapshot);
    Ok(reply)
}

fn started(snapshot: &Snapshot) -> Reply {
    let tags: Vec<_> = snapshot.tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect();
    let mut body = json!({
        "SnapshotId": snapshot.id, "OwnerId": ACCOUNT, "Status": "pending", "StartTime": 1_767_323_045.0,
        "VolumeSize": snapshot.volume_size, "BlockSize": BLOCK, "Description": snapshot.description, "Tags": tags,
    });
    if let Some(key) = &snapshot.key {
        // An alias is answered with the key behind it.
        let behind = || format!("arn:aws:kms:us-east-1:{ACCOUNT}:key/sandbox");
        body["KmsKeyArn"] = if key.starts_with("arn:") { key.clone() } else { behind() }.into();
    }
    Reply::json(201, &body)
}

fn put(world: &World, call: &Call) -> Result<Reply, Reply> {
    let (id, index) = (&call.segments[1], call.segments[3].parse::<u32>().ok());
    let mut regions = world.aws.regions();
    let region = regions.entry(region(call)).or_default();
    let snapshot = region.snapshots.get_mut(id).ok_or_else(not_found)?;
    if snapshot.progress != Progress::Open {
        return Err(invalid("INVALID_SNAPSHOT_ID", "The snapshot is not pending."));
    }
    let index = index.filter(|index| u64::from(*index) < (snapshot.volume_size << 30) / BLOCK);
    let index = index.ok_or_else(|| invalid("INVALID_BLOCK", "The block index is out of range."))?;
    if call.length != BLOCK || call.header("x-amz-data-length") != Some("524288") {
        return Err(invalid("INVALID_PARAMETER_VALUE", "A block has 524288 bytes."));
    }
    // What was thrown away is what it is said to be.
    let said = call.header("x-amz-checksum").filter(|_| call.is_discarded());
    let said = said.and_then(|said| BASE64_STANDARD.decode(said).ok()?.try_into().ok());
    let hash: [u8; 32] = said.unwrap_or_else(|| Sha256::digest(&call.body).into());
    let checksum = BASE64_STANDARD.encode(hash);
    if call.header("x-amz-checksum") != Some(&checksum) || call.header("x-amz-checksum-algorithm") != Some("SHA256") {
        return Err(invalid("INVALID_PARAMETER_VALUE", "The checksum does not match the block."));
    }
    let content = snapshot.content.clone();
    snapshot.blocks.insert(index, hash);
    drop(regions);
    content
        .write_end(&call.body, u64::from(index) * BLOCK, (u64::from(index) + 1) * BLOCK)
        .map_err(|e| error(500, "InternalServerException", None, &e.to_string()))?;
    Ok(Reply::empty(201).with("x-amz-checksum", checksum).with("x-amz-checksum-algorithm", "SHA256"))
}

fn complete(world: &World, call: &Call) -> Result<Reply, Reply> {
    let mut regions = world.aws.regions();
    let region = regions.entry(region(call)).or_default();
    let snapshot = region.snapshots.get_mut(&call.segments[2]).ok_or_else(not_found)?;
    let count = call.header("x-amz-changedblockscount").and_then(|count| count.parse::<usize>().ok());
    if count != Some(snapshot.blocks.len()) {
        return Err(invalid(
            "INVALID_PARAMETER_VALUE",
            "ChangedBlocksCount is not the number of blocks that were put.",
        ));
    }
    if let Some(given) = call.header("x-amz-checksum") {
        let linear = snapshot.blocks.values().fold(Sha256::new(), |hash, block| hash.chain_update(block)).finalize();
        if given != BASE64_STANDARD.encode(linear) {
            return Err(invalid("INVALID_PARAMETER_VALUE", "The checksum does not match the blocks."));
        }
    }
    if snapshot.progress == Progress::Open {
        if snapshot.is_encrypted() {
            scramble(snapshot).map_err(|e| error(500, "InternalServerException", None, &e.to_string()))?;
        }
        snapshot.progress = Progress::At(world.clock.now() + world.pace.snapshot);
    }
    Ok(Reply::json(202, &json!({"Status": "pending"})))
}

/// Blocks of an encrypted snapshot that were never put read as random bytes, not as zeros (coldsnap#395).
fn scramble(snapshot: &Snapshot) -> std::io::Result<()> {
    for index in 0..((snapshot.volume_size << 30) / BLOCK) as u32 {
        if !snapshot.blocks.contains_key(&index) {
            let noise = Sha256::digest(index.to_le_bytes()).repeat((BLOCK / 32) as usize);
            snapshot.content.write(&noise, u64::from(index) * BLOCK)?;
        }
    }
    Ok(())
}

/// The content of a complete snapshot, and the blocks that are not zeros.
fn readable(world: &World, call: &Call) -> Result<(Snapshot, Vec<u32>), Reply> {
    let mut regions = world.aws.regions();
    let region = regions.entry(region(call)).or_default();
    let snapshot = region.snapshots.get(&call.segments[1]).ok_or_else(not_found)?.clone();
    if snapshot.state(world) != "completed" {
        return Err(invalid("INVALID_SNAPSHOT_ID", "The snapshot is not complete."));
    }
    let mut indexes: Vec<_> = snapshot
        .content
        .written()
        .iter()
        .flat_map(|range| range.offset / BLOCK..range.end().div_ceil(BLOCK))
        .map(|index| index as u32)
        .collect();
    indexes.dedup();
    Ok((snapshot, indexes))
}

/// What no checksum tells: a block that rots where it lies.
fn rot(world: &World, snapshot: &Snapshot) {
    if world.faults.next("Rot", None).is_some() {
        // That it cannot be damaged is no reason not to read it.
        let _ = snapshot.content.write(&[0xff; 512], 0);
    }
}

fn list(world: &World, call: &Call) -> Result<Reply, Reply> {
    let (snapshot, indexes) = readable(world, call)?;
    rot(world, &snapshot);
    let number = |name: &str| call.param(name).and_then(|value| value.parse::<u32>().ok());
    let first = number("pageToken").or(number("startingBlockIndex")).unwrap_or(0);
    let most = number("maxResults").unwrap_or(10_000).clamp(100, 10_000) as usize;
    let page: Vec<_> = indexes.iter().copied().filter(|index| *index >= first).take(most + 1).collect();
    let blocks: Vec<_> =
        page.iter().take(most).map(|index| json!({"BlockIndex": index, "BlockToken": format!("T{index}")})).collect();
    let mut body = json!({"Blocks": blocks, "ExpiryTime": 4_102_444_800.0, "VolumeSize": snapshot.volume_size, "BlockSize": BLOCK});
    if let Some(next) = page.get(most) {
        body["NextToken"] = next.to_string().into();
    }
    Ok(Reply::json(200, &body))
}

fn get(world: &World, call: &Call) -> Result<Reply, Reply> {
    let (snapshot, indexes) = readable(world, call)?;
    let index = call.segments[3].parse::<u32>().ok().filter(|index| indexes.contains(index));
    let index = index.ok_or_else(|| invalid("INVALID_BLOCK", "The snapshot has no such block."))?;
    if call.param("blockToken") != Some(&format!("T{index}")) {
        return Err(invalid("INVALID_BLOCK_TOKEN", "The block token is not of this block."));
    }
    let bytes = snapshot
        .content
        .read(u64::from(index) * BLOCK, BLOCK as usize)
        .map_err(|e| error(500, "InternalServerException", None, &e.to_string()))?;
    let checksum = BASE64_STANDARD.encode(Sha256::digest(&bytes));
    Ok(Reply::of(200, "application/octet-stream", bytes)
        .with("x-amz-data-length", BLOCK.to_string())
        .with("x-amz-checksum", checksum)
        .with("x-amz-checksum-algorithm", "SHA256"))
}
