//! EBS direct: a snapshot, block by block.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use aws_sdk_ebs::{
    primitives::ByteStream,
    types::{ChecksumAlgorithm, Tag},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use publisher::{
    Cx, Error, Event, Kind, Result,
    transfer::{self, Chunk, Cut, Limits, Pace, Sink},
};
use sha2::{Digest, Sha256};
use vhd::{CONTENT_BLOCK, Extent, GIB, Image, Layout, Raw};

use super::{
    Uploaded,
    earlier::{self, Pending},
};
use crate::{Aws, Undo, error::classify};

/// What an account may put in a second, unless it has asked for more (EBS, "Service quotas", PutSnapshotBlock). AWS says when it is
/// too much; until then nobody knows what else the account puts, or what it has asked for.
const PUTS_PER_SECOND: u32 = 1000;
/// Minutes after which AWS gives up a snapshot to which nothing is written.
const TIMEOUT_MINUTES: i32 = 60;

/// Puts all blocks, or those that are missing in `earlier`, to which a run that was killed has put the others.
pub async fn upload(aws: &Aws, cx: &Cx<Undo>, image: &Arc<Image>, earlier: Option<Pending>) -> Result<Uploaded> {
    let (decided, region) = (aws.decided()?, aws.home()?);
    let undo = Undo::DeleteSnapshots { region: region.to_owned(), attempt: aws.attempt.clone() };
    let undo = cx.on_failure(undo).await?;
    let ebs = aws.clients.ebs(region);
    let (snapshot, is_encrypted) = match &earlier {
        Some(earlier) => (Some(earlier.id.clone()), earlier.is_encrypted),
        None => start(aws, cx, &ebs).await?,
    };
    let snapshot = snapshot.ok_or_else(|| Error::new(Kind::Invalid, "AWS started a snapshot without an id"))?;
    let there: BTreeSet<_> =
        cx.sent(&snapshot).await.iter().map(|block| (block.offset / CONTENT_BLOCK) as u32).collect();
    if earlier.is_some() {
        cx.emit(Event::Resumed { bytes: there.len() as u64 * CONTENT_BLOCK, discarded: 0 });
    } else {
        cx.emit(Event::Created { kind: "snapshot", id: snapshot.clone() });
    }

    // A block that was never written reads as zeros, but in an encrypted snapshot as random bytes (coldsnap#395), and a
    // snapshot is encrypted also where only the account says so: then all of the volume is written.
    let skip_zeros = !is_encrypted;
    let disk_size = decided.shape.disk_size;
    let layout = Raw::new(image.clone(), if skip_zeros { disk_size } else { disk_size.next_multiple_of(GIB) })?;
    let total = layout.length().div_ceil(CONTENT_BLOCK) as u32;
    let sink = Blocks {
        cx: cx.clone(),
        ebs,
        snapshot: snapshot.clone(),
        image: image.clone(),
        skip_zeros,
        pace: aws.config.blocks_per_second.map_or(Pace::PerSecondOnceThrottled(PUTS_PER_SECOND), Pace::PerSecond),
        zero: hash(&vec![0; CONTENT_BLOCK as usize]),
        is_known: AtomicBool::new(earlier.is_some()),
        there,
    };
    let (blocks, checksum) = summary(&sink, total)?;
    match transfer::run(cx, Arc::new(layout), Arc::new(sink)).await {
        Ok(_) => Ok(Uploaded::Snapshot { snapshot, blocks, checksum, undo }),
        Err(error) if matches!(error.kind(), Kind::NotFound | Kind::Transient) => {
            Err(earlier::explain_absence(aws, cx, &snapshot, error).await)
        }
        Err(error) => Err(error),
    }
}

/// Starts a snapshot; its id, and whether it is encrypted.
async fn start(aws: &Aws, cx: &Cx<Undo>, ebs: &aws_sdk_ebs::Client) -> Result<(Option<String>, bool)> {
    let decided = aws.decided()?;
    let tags: Vec<_> = decided.tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect();
    let token = format!("publish-{}-{}", cx.run(), aws.attempt.nonce());
    let start = || {
        let request = ebs
            .start_snapshot()
            .volume_size(decided.shape.disk_size.div_ceil(GIB) as i64)
            .description(aws.spec.description.clone().unwrap_or_else(|| decided.name.clone()))
            .set_tags(Some(tags.clone()))
            .set_encrypted(decided.shape.encrypted.then_some(true))
            .set_kms_key_arn(decided.shape.kms_key.clone())
            .client_token(&token)
            .timeout(TIMEOUT_MINUTES);
        async { request.send().await.map_err(classify) }
    };
    let started = cx.retry("starting the snapshot", start).await?;
    Ok((started.snapshot_id, started.kms_key_arn.is_some()))
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// How many blocks there are to put, and the LINEAR aggregate of their checksums (EBS direct, "CompleteSnapshot").
fn summary(sink: &Blocks, total: u32) -> Result<(i32, String)> {
    let content = sink.image.content()?;
    let mut aggregate = Sha256::new();
    let mut count = 0;
    if sink.skip_zeros {
        for block in content.blocks() {
            aggregate.update(block.sha256);
            count += 1;
        }
    } else {
        for index in 0..total {
            aggregate.update(content.block(index).map_or(sink.zero, |block| block.sha256));
            count += 1;
        }
    }
    Ok((count, BASE64_STANDARD.encode(aggregate.finalize())))
}

/// The blocks of a snapshot.
struct Blocks {
    cx: Cx<Undo>,
    ebs: aws_sdk_ebs::Client,
    snapshot: String,
    image: Arc<Image>,
    skip_zeros: bool,
    pace: Pace,
    /// SHA-256 of a block of zeros.
    zero: [u8; 32],
    /// Whether a block has got through: then the snapshot is one that AWS knows.
    is_known: AtomicBool,
    /// The blocks that a run which was killed has put.
    there: BTreeSet<u32>,
}

fn index(chunk: &Chunk) -> u32 {
    (chunk.offset / CONTENT_BLOCK) as u32
}

impl fmt::Debug for Blocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blocks").field("snapshot", &self.snapshot).finish_non_exhaustive()
    }
}

#[async_trait]
impl Sink for Blocks {
    /// SHA-256 of the block, as base64.
    type Seal = String;

    fn cut(&self) -> Cut {
        Cut::Blocks { size: CONTENT_BLOCK, skip_zeros: self.skip_zeros }
    }

    fn limits(&self) -> Limits {
        Limits { start: 32, most: 96, pace: self.pace }
    }

    /// The hash is the one from the first reading of the image: AWS compares it with what arrives, so a block that has
    /// changed since is refused, and nothing is hashed twice.
    fn seal(&self, chunk: &Chunk) -> Result<String> {
        let known = self.image.content()?.block(index(chunk));
        match known {
            Some(block) => Ok(BASE64_STANDARD.encode(block.sha256)),
            None if vhd::zero::is_zero(&chunk.bytes) => Ok(BASE64_STANDARD.encode(self.zero)),
            None => Err(Error::new(
                Kind::Image,
                format!("{} has changed while it was published", self.image.path().display()),
            )),
        }
    }

    fn take_over(&self, chunk: &Chunk, _: &String) -> bool {
        self.there.contains(&index(chunk))
    }

    async fn put(&self, chunk: &Chunk, seal: &String) -> Result<()> {
        // Of those that are on their way beside the first, one may be refused and be heard of after another was taken.
        let was_known = self.is_known.load(Ordering::Relaxed);
        let sent = self
            .ebs
            .put_snapshot_block()
            .snapshot_id(&self.snapshot)
            .block_index(index(chunk) as i32)
            .data_length(CONTENT_BLOCK as i32)
            .checksum(seal)
            .checksum_algorithm(ChecksumAlgorithm::ChecksumAlgorithmSha256)
            .block_data(ByteStream::from(chunk.bytes.clone()))
            .send()
            .await;
        sent.map_err(|error| self.explain(classify(error), chunk, seal, was_known))?;
        self.is_known.store(true, Ordering::Relaxed);
        // What is in a snapshot that is not completed, no API tells.
        self.cx.note_sent(&self.snapshot, Extent { offset: chunk.offset, length: CONTENT_BLOCK }).await
    }
}

impl Blocks {
    fn explain(&self, error: Error, chunk: &Chunk, seal: &str, was_known: bool) -> Error {
        match error.kind() {
            // A snapshot is not known everywhere the moment it is started (coldsnap#43).
            Kind::NotFound if !was_known => {
                Error::new(Kind::Transient, "the snapshot is not known yet").caused_by(error)
            }
            // A checksum that AWS refuses: either the bytes were damaged on their way, or they are not what they were.
            Kind::Invalid if error.to_string().contains("checksum") => {
                if BASE64_STANDARD.encode(hash(&chunk.bytes)) == seal {
                    Error::new(Kind::Transient, "a block was damaged on its way").caused_by(error)
                } else {
                    Error::new(
                        Kind::Image,
                        format!("{} has changed while it was published", self.image.path().display()),
                    )
                }
            }
            _ => error,
        }
    }
}
