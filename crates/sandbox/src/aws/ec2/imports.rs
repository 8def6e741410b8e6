//! ImportSnapshot: an object of S3 becomes a snapshot, if it is an image.

use std::{path::Path, sync::Arc};

use super::{Params, Refusal, missing, params::passes, refusal, snapshots::tag_set};
use crate::{
    aws::{
        iam::IMPORT_ROLE,
        state::{Import, Progress, Snapshot},
    },
    content::Content,
    ids,
    server::World,
    xml::Xml,
};

pub fn import(world: &World, region: &str, params: &Params) -> Result<Xml, Refusal> {
    let field = |name: &str| params.get(name).ok_or_else(|| missing(name));
    let (bucket, key) = (field("DiskContainer.UserBucket.S3Bucket")?, field("DiskContainer.UserBucket.S3Key")?);
    let format = field("DiskContainer.Format")?.to_uppercase();
    if !matches!(format.as_str(), "VHD" | "RAW" | "VMDK") {
        return Err(refusal("InvalidParameter", format!("Unsupported specified file format: {format}")));
    }
    let may_read = check_role(world, params.get("RoleName").unwrap_or(IMPORT_ROLE), bucket, key)?;
    let token = params.get("ClientToken").map(|token| format!("import:{token}"));
    let mut regions = world.aws.regions();
    let state = regions.entry(region.to_owned()).or_default();
    if let Some(known) = token.as_ref().and_then(|token| state.tokens.get(token)).and_then(|id| state.imports.get(id)) {
        if known.asked != params.tags("import-snapshot-task")
            || (known.bucket.as_str(), known.key.as_str()) != (bucket, key)
        {
            let message = "Client token already used before with different parameters.";
            return Err(refusal("IdempotentParameterMismatch", message));
        }
        return Ok(describe_one(world, known));
    }
    let now = world.clock.now();
    let mut import = Import {
        id: ids::ec2("import-snap"),
        bucket: bucket.to_owned(),
        key: key.to_owned(),
        format: format.clone(),
        description: params.get("Description").unwrap_or_default().to_owned(),
        tags: params.tags("import-snapshot-task"),
        asked: params.tags("import-snapshot-task"),
        started: now,
        ready_at: now + world.pace.import,
        result: Err(String::new()),
        size: 0,
        cancelled: false,
    };
    {
        let buckets = world.aws.buckets();
        let home =
            buckets.get(bucket).ok_or_else(|| refusal("InvalidParameter", format!("Bucket not found: {bucket}")))?;
        if home.region != region {
            return Err(refusal("InvalidParameter", "The given S3 object is not local to the region."));
        }
        let object = home.objects.get(key);
        let object =
            object.ok_or_else(|| refusal("InvalidParameter", format!("The S3 object {key} does not exist.")))?;
        // A fault of this name stands for all the reasons for which a real import of a good object fails.
        let converted = match world.faults.next("Import", Some(region)) {
            Some(_) => Err(refused("Unsupported specified file format")),
            None if !may_read => Err(refused("403 Forbidden")),
            None => convert(world, &object.path, &format),
        };
        import.result = converted.map(|(content, size)| {
            import.size = size;
            let snapshot = Snapshot {
                id: ids::ec2("snap"),
                volume_size: size.div_ceil(1 << 30),
                description: import.description.clone(),
                tags: params.tags("snapshot"),
                progress: Progress::At(import.ready_at),
                key: state.key_for(params.get("KmsKeyId"), params.is_true("Encrypted")),
                shared_with: Default::default(),
                content: Arc::new(content),
                blocks: Default::default(),
            };
            let id = snapshot.id.clone();
            state.snapshots.insert(id.clone(), snapshot);
            id
        });
    }
    state.tokens.extend(token.map(|token| (token, import.id.clone())));
    let body = describe_one(world, &import);
    state.imports.insert(import.id.clone(), import);
    Ok(body)
}

/// What an import needs of its role, beside the object (VM Import/Export, "Required service role").
const OF_ROLE: [&str; 3] = ["ec2:ModifySnapshotAttribute", "ec2:CopySnapshot", "ec2:DescribeSnapshots"];

/// Whether the role that an import runs as may read the object. That shows late; everything else about the role at once.
fn check_role(world: &World, name: &str, bucket: &str, key: &str) -> Result<bool, Refusal> {
    let iam = world.aws.iam();
    let bucket_arn = format!("arn:aws:s3:::{bucket}");
    let role = iam.roles.get(name).filter(|role| {
        role.trust.trusts("vmie.amazonaws.com", "vmimport")
            && OF_ROLE.iter().all(|action| role.may(action, "*"))
            && ["s3:GetBucketLocation", "s3:ListBucket"].iter().all(|action| role.may(action, &bucket_arn))
    });
    let role = role.ok_or_else(|| {
        let text = format!("The service role {name} provided does not exist or does not have sufficient permissions");
        refusal("InvalidParameter", text)
    })?;
    Ok(role.may("s3:GetObject", &format!("{bucket_arn}/{key}")))
}

fn refused(reason: &str) -> String {
    format!("ClientError: Disk validation failed [{reason}]")
}

/// The disk in an object as a volume, and the disk's size in bytes.
fn convert(world: &World, object: &Path, format: &str) -> Result<(Content, u64), String> {
    // An object has no name that tells its format, so neither has its file here.
    let image = vhd::Image::open(object).map_err(|_| refused("Unsupported specified file format"))?;
    let is_raw = image.format() == vhd::Format::Raw;
    if is_raw != (format == "RAW") {
        return Err(refused("Unsupported specified file format"));
    }
    let size = image.virtual_size();
    if world.discard {
        let empty = Content::create(&world.content_dir, size.next_multiple_of(1 << 30));
        return empty.map(|content| (content, size)).map_err(|error| format!("ServerError: {error}"));
    }
    if let (vhd::Format::DynamicVhd, Ok(content)) = (image.format(), image.content()) {
        world.traffic.note_zero_blocks("ec2:ImportSnapshot", zero_blocks(&image, content));
    }
    let copy = || -> Result<Content, Box<dyn std::error::Error>> {
        let content = Content::create(&world.content_dir, size.next_multiple_of(1 << 30))?;
        for block in image.content()?.blocks() {
            let mut bytes = vec![0; vhd::CONTENT_BLOCK as usize];
            let offset = u64::from(block.index) * vhd::CONTENT_BLOCK;
            image.read_at(&mut bytes, offset)?;
            content.write(&bytes, offset)?;
        }
        Ok(content)
    };
    copy().map(|content| (content, size)).map_err(|error| format!("ServerError: {error}"))
}

/// How many blocks of a dynamic VHD are stored though they hold nothing but zeros.
fn zero_blocks(image: &vhd::Image, content: &vhd::Content) -> u64 {
    let block = u64::from(vhd::bat::BLOCK_SIZE);
    let blocks_of = |extents: &[vhd::Extent]| -> std::collections::BTreeSet<u64> {
        extents.iter().flat_map(|extent| extent.offset / block..extent.end().div_ceil(block)).collect()
    };
    blocks_of(image.extents()).difference(&blocks_of(&content.extents())).count() as u64
}

pub fn describe(world: &World, region: &str, params: &Params) -> Result<Xml, Refusal> {
    let mut regions = world.aws.regions();
    let imports = &regions.entry(region.to_owned()).or_default().imports;
    let wanted = params.list("ImportTaskId");
    if let Some(absent) = wanted.iter().find(|id| !imports.contains_key(**id)) {
        return Err(refusal("InvalidConversionTaskId.Malformed", format!("The import task {absent} does not exist.")));
    }
    let filters = params.filters();
    let shown = imports.values().filter(|import| wanted.is_empty() || wanted.contains(&import.id.as_str()));
    let shown = shown.filter(|import| passes(&filters, &import.tags, |_| None));
    Ok(Xml::new().items("importSnapshotTaskSet", shown.map(|import| describe_one(world, import))))
}

fn describe_one(world: &World, import: &Import) -> Xml {
    let over = world.clock.now() >= import.ready_at;
    let passed = world.clock.now().saturating_sub(import.started).as_secs_f64();
    let length = (import.ready_at - import.started).as_secs_f64();
    let (status, message, progress) = match (&import.result, over) {
        _ if import.cancelled => ("deleted", Some("Cancelled".to_owned()), None),
        (Ok(_), true) => ("completed", None, None),
        (Err(message), true) => ("deleted", Some(message.clone()), None),
        (_, false) => ("active", Some("pending".to_owned()), Some((100.0 * passed / length) as u64)),
    };
    let snapshot = import.result.as_ref().ok().filter(|_| status == "completed");
    let bucket = Xml::new().text("s3Bucket", &import.bucket).text("s3Key", &import.key);
    let detail = Xml::new()
        .text("diskImageSize", format!("{}.0", import.size))
        .text("description", &import.description)
        .text("format", &import.format)
        .text("status", status)
        .maybe("statusMessage", message)
        .maybe("progress", progress)
        .maybe("snapshotId", snapshot)
        .child("userBucket", bucket);
    Xml::new()
        .text("importTaskId", &import.id)
        .text("description", &import.description)
        .child("snapshotTaskDetail", detail)
        .append(tag_set(&import.tags))
}

pub fn cancel(world: &World, region: &str, params: &Params) -> Result<Xml, Refusal> {
    let id = params.get("ImportTaskId").ok_or_else(|| missing("ImportTaskId"))?;
    let mut regions = world.aws.regions();
    let state = regions.entry(region.to_owned()).or_default();
    let Some(import) = state.imports.get_mut(id) else {
        return Err(refusal("InvalidConversionTaskId.Malformed", format!("The import task {id} does not exist.")));
    };
    if world.clock.now() >= import.ready_at {
        return Err(refusal("IncorrectState", format!("The import task {id} is not active.")));
    }
    import.cancelled = true;
    import.ready_at = world.clock.now();
    if let Ok(snapshot) = &import.result {
        state.snapshots.remove(snapshot);
    }
    Ok(Xml::new().text("importTaskId", id).text("state", "deleted").text("previousState", "active"))
}
