//! S3: a dynamic VHD in parts, laid out while it is sent.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use aws_sdk_s3::{
    primitives::ByteStream,
    types::{ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use publisher::{
    Cx, Error, Event, Kind, Result,
    transfer::{self, Chunk, Cut, Limits, Pace, Sink},
};
use vhd::{
    DynamicVhd, Image, Layout, MIB,
    crc::{Append, crc64},
};

use super::Uploaded;
use crate::{Aws, Undo, error::classify, import::task};

/// S3's limit (S3, "Multipart upload limits").
const MOST_PARTS: u64 = 10_000;
/// The smallest that S3 takes: each connection keeps a copy of its part, and so few of them bound memory well.
const PART: u64 = 5 * MIB;

pub async fn upload(aws: &Aws, cx: &Cx<Undo>, image: &Arc<Image>, bucket: &str) -> Result<Uploaded> {
    let (decided, region) = (aws.decided()?, aws.home()?);
    let layout = DynamicVhd::new(image.clone(), decided.shape.disk_size)?;
    let (length, crc) = (layout.length(), layout.crc64()?);
    let key = key(aws, cx)?;
    let undo = cx.always(delete(aws, region, bucket, &key)).await?;
    let place = Place { s3: aws.clients.s3(region), bucket: bucket.to_owned(), key: key.clone() };
    let uploaded = Uploaded::Object { bucket: bucket.to_owned(), key, undo };
    // What a run that was killed has left: an import, an object, an upload.
    let is_uploaded = async || Ok::<_, Error>(task::may_go_on(aws, cx).await? || place.holds(cx, length, crc).await?);
    if is_uploaded().await? {
        return Ok(uploaded);
    }
    let (upload, listed) = match place.earlier_upload(cx).await? {
        Some(earlier) => earlier,
        None => (place.begin(cx).await?, BTreeMap::new()),
    };
    if !listed.is_empty() {
        cx.emit(Event::Resumed { bytes: listed.values().map(|part| part.length).sum(), discarded: 0 });
    }
    let size = PART.max(length.div_ceil(MOST_PARTS).next_multiple_of(MIB));
    let parts = Arc::new(Parts { place: place.clone(), upload, size, listed, done: Mutex::default() });
    let sent = match transfer::run(cx, Arc::new(layout), parts.clone()).await {
        Ok(_) => {
            parts.check(image, crc)?;
            cx.retry("completing the upload", || parts.complete(length, crc)).await
        }
        Err(error) => Err(error),
    };
    match sent {
        Err(error) if error.kind() != Kind::NotFound => Err(error),
        // Another machine goes on from the same upload: it was quicker, or has ended it.
        Err(error) if !is_uploaded().await? => {
            Err(Error::overtaken("another run of the same image has ended the upload").caused_by(error))
        }
        _ => Ok(uploaded),
    }
}

/// The object's key, which is the run's own.
fn key(aws: &Aws, cx: &Cx<Undo>) -> Result<String> {
    let prefix = aws.config.prefix.as_deref().unwrap_or_default();
    Ok(format!("{prefix}{}-{}.vhd", aws.decided()?.name, cx.run().short()))
}

fn delete(aws: &Aws, region: &str, bucket: &str, key: &str) -> Undo {
    let (region, bucket, key) = (region.to_owned(), bucket.to_owned(), key.to_owned());
    Undo::DeleteObject { region, bucket, key, attempt: aws.attempt.clone() }
}

/// The object, if it is there.
pub async fn leftovers(aws: &Aws, cx: &Cx<Undo>, bucket: &str) -> Result<Vec<Undo>> {
    let (key, region) = (key(aws, cx)?, aws.home()?);
    let s3 = aws.clients.s3(region);
    let look = || async { s3.head_object().bucket(bucket).key(&key).send().await.map_err(classify) };
    match cx.retry("looking for an earlier object", look).await {
        Ok(_) => Ok(vec![delete(aws, region, bucket, &key)]),
        // Without the right to list, S3 says of what is not there that it is forbidden.
        Err(error) if matches!(error.kind(), Kind::NotFound | Kind::Denied) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Where the object is to be.
#[derive(Clone)]
struct Place {
    s3: aws_sdk_s3::Client,
    bucket: String,
    key: String,
}

/// What S3 took of an upload, by part number.
type Taken = BTreeMap<i32, Part>;

/// The parts of an upload.
struct Parts {
    place: Place,
    upload: String,
    size: u64,
    /// What a run that was killed has sent.
    listed: Taken,
    done: Mutex<Taken>,
}

#[derive(Clone)]
struct Part {
    etag: String,
    crc: u64,
    length: u64,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = &self.place;
        f.debug_struct("Parts").field("bucket", &place.bucket).field("key", &place.key).finish_non_exhaustive()
    }
}

/// S3 writes a CRC-64/NVME as big-endian bytes in base64.
fn text(crc: u64) -> String {
    BASE64_STANDARD.encode(crc.to_be_bytes())
}

fn parse(text: &str) -> Option<u64> {
    Some(u64::from_be_bytes(BASE64_STANDARD.decode(text).ok()?.try_into().ok()?))
}

impl Place {
    async fn begin(&self, cx: &Cx<Undo>) -> Result<String> {
        let create = || async {
            self.s3
                .create_multipart_upload()
                .bucket(&self.bucket)
                .key(&self.key)
                .content_type("application/octet-stream")
                .checksum_algorithm(ChecksumAlgorithm::Crc64Nvme)
                .checksum_type(ChecksumType::FullObject)
                .send()
                .await
                .map_err(classify)
        };
        let created = cx.retry("beginning the upload", create).await?;
        created.upload_id.ok_or_else(|| Error::new(Kind::Invalid, "S3 began an upload without an id"))
    }

    /// Whether the object is there, and is what is to be sent.
    async fn holds(&self, cx: &Cx<Undo>, length: u64, crc: u64) -> Result<bool> {
        match cx.retry("looking for an earlier object", || self.is_there(length, crc)).await {
            // Without the right to list, S3 says of what is not there that it is forbidden.
            Err(error) if matches!(error.kind(), Kind::NotFound | Kind::Denied) => Ok(false),
            looked => looked,
        }
    }

    async fn is_there(&self, length: u64, crc: u64) -> Result<bool> {
        let mode = aws_sdk_s3::types::ChecksumMode::Enabled;
        let head = self.s3.head_object().bucket(&self.bucket).key(&self.key).checksum_mode(mode).send().await;
        let head = head.map_err(classify)?;
        Ok(head.content_length() == Some(length as i64) && head.checksum_crc64_nvme() == Some(&text(crc)))
    }

    /// The newest upload of a run that was killed, and what S3 has of it. Those beside it go when the object does.
    async fn earlier_upload(&self, cx: &Cx<Undo>) -> Result<Option<(String, Taken)>> {
        let list = || async {
            self.s3.list_multipart_uploads().bucket(&self.bucket).prefix(&self.key).send().await.map_err(classify)
        };
        let listed = match cx.retry("looking for an earlier upload", list).await {
            // Whoever may not look begins anew.
            Err(error) if error.kind() == Kind::Denied => return Ok(None),
            listed => listed?,
        };
        let ours = listed.uploads().iter().filter(|upload| upload.key() == Some(&self.key));
        let Some(id) = ours.max_by_key(|upload| upload.initiated().copied()).and_then(|upload| upload.upload_id())
        else {
            return Ok(None);
        };
        match self.taken(cx, id).await {
            Ok(taken) => Ok(Some((id.to_owned(), taken))),
            // It was completed or aborted a moment ago, or may not be looked at.
            Err(error) if matches!(error.kind(), Kind::NotFound | Kind::Denied) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn taken(&self, cx: &Cx<Undo>, upload: &str) -> Result<Taken> {
        let (mut taken, mut after) = (BTreeMap::new(), None);
        loop {
            let list = || {
                let request = self.s3.list_parts().bucket(&self.bucket).key(&self.key).upload_id(upload);
                let request = request.set_part_number_marker(after.clone());
                async { request.send().await.map_err(classify) }
            };
            let page = cx.retry("reading what S3 has of the upload", list).await?;
            for part in page.parts() {
                let known = || {
                    let (etag, length) = (part.e_tag()?.to_owned(), u64::try_from(part.size()?).ok()?);
                    Some((part.part_number()?, Part { etag, crc: parse(part.checksum_crc64_nvme()?)?, length }))
                };
                taken.extend(known());
            }
            after = page.next_part_number_marker.filter(|_| page.is_truncated == Some(true));
            if after.is_none() {
                return Ok(taken);
            }
        }
    }
}

impl Parts {
    fn done(&self) -> MutexGuard<'_, Taken> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn number(&self, chunk: &Chunk) -> i32 {
        (chunk.offset / self.size) as i32 + 1
    }

    /// That the parts together are what the image was when its digest was found: `crc` is that of the whole by its content.
    fn check(&self, image: &Image, crc: u64) -> Result<()> {
        let whole_part = Append::of(self.size);
        let sent = self.done().values().fold(None, |crc, part| {
            let append = |crc| match part.length == self.size {
                true => whole_part.append(crc, part.crc),
                false => Append::of(part.length).append(crc, part.crc),
            };
            Some(crc.map_or(part.crc, append))
        });
        if sent == Some(crc) { Ok(()) } else { Err(vhd::Error::Changed { path: image.path() }.into()) }
    }

    /// Has S3 join the parts, and compare the whole with what we sent.
    async fn complete(&self, length: u64, crc: u64) -> Result<()> {
        let done = self.done().clone();
        let listed = done.iter().map(|(number, part)| {
            CompletedPart::builder().part_number(*number).e_tag(&part.etag).checksum_crc64_nvme(text(part.crc)).build()
        });
        let place = &self.place;
        let sent = place
            .s3
            .complete_multipart_upload()
            .bucket(&place.bucket)
            .key(&place.key)
            .upload_id(&self.upload)
            .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(listed.collect())).build())
            .checksum_type(ChecksumType::FullObject)
            .checksum_crc64_nvme(text(crc))
            .mpu_object_size(length as i64)
            .send()
            .await;
        match sent.map_err(classify) {
            Ok(_) => Ok(()),
            // The answer to an earlier attempt may have been lost: then the upload is gone because the object is there.
            Err(error) if error.kind() == Kind::NotFound => match place.is_there(length, crc).await? {
                true => Ok(()),
                false => Err(error),
            },
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl Sink for Parts {
    /// CRC-64/NVME of the part.
    type Seal = u64;

    fn cut(&self) -> Cut {
        Cut::Parts { size: self.size }
    }

    fn limits(&self) -> Limits {
        // Each connection keeps room for a part of its own beside our buffers, so there are few of them.
        Limits { start: 4, most: 12, pace: Pace::Free }
    }

    fn seal(&self, chunk: &Chunk) -> Result<u64> {
        Ok(crc64(&chunk.bytes))
    }

    fn take_over(&self, chunk: &Chunk, seal: &u64) -> bool {
        let number = self.number(chunk);
        let is_same = |part: &&Part| part.crc == *seal && part.length == chunk.bytes.len() as u64;
        let there = self.listed.get(&number).filter(is_same).cloned();
        let is_there = there.is_some();
        self.done().extend(there.map(|part| (number, part)));
        is_there
    }

    /// A part that arrives again may have another ETag, where the bucket encrypts with a key, and then the one that was noted first
    /// is no longer one.
    fn may_send_twice(&self) -> bool {
        false
    }

    async fn put(&self, chunk: &Chunk, seal: &u64) -> Result<()> {
        let number = self.number(chunk);
        let sent = self
            .place
            .s3
            .upload_part()
            .bucket(&self.place.bucket)
            .key(&self.place.key)
            .upload_id(&self.upload)
            .part_number(number)
            .checksum_crc64_nvme(text(*seal))
            .body(ByteStream::from(chunk.bytes.clone()))
            .customize()
            // The CRC protects the part, TLS the connection; a SHA-256 of the same bytes would only cost.
            .disable_payload_signing()
            .send()
            .await
            .map_err(classify)?;
        let etag = sent.e_tag.ok_or_else(|| Error::new(Kind::Transient, "S3 took a part and gave no ETag"))?;
        let part = Part { etag, crc: *seal, length: chunk.bytes.len() as u64 };
        self.done().insert(number, part);
        Ok(())
    }
}
