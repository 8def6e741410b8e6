//! S3: a dynamic VHD in parts, laid out while it is sent.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use aws_sdk_s3::{
    primitives::ByteStream,
    types::{ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use crc_fast::{CrcAlgorithm, checksum, checksum_combine};
use publisher::{
    Cx, Error, Kind, Result,
    transfer::{self, Chunk, Cut, Limits, Sink},
};
use vhd::{DynamicVhd, Image, Layout, MIB};

use super::Uploaded;
use crate::{Aws, Undo, error::classify};

/// S3's limit (S3, "Multipart upload limits").
const MOST_PARTS: u64 = 10_000;
/// The smallest that S3 takes: each connection keeps a copy of its part, and so few of them bound memory well.
const PART: u64 = 5 * MIB;
const CRC: CrcAlgorithm = CrcAlgorithm::Crc64Nvme;

pub async fn upload(aws: &Aws, cx: &Cx<Undo>, image: &Arc<Image>, bucket: &str) -> Result<Uploaded> {
    let (decided, region) = (aws.decided()?, aws.home()?);
    let layout = DynamicVhd::new(image.clone(), decided.shape.disk_size)?;
    let length = layout.length();
    let key = key(aws, cx)?;
    let undo = cx.always(delete(region, bucket, &key)).await?;

    let s3 = aws.clients.s3(region);
    let create = || async {
        s3.create_multipart_upload()
            .bucket(bucket)
            .key(&key)
            .content_type("application/octet-stream")
            .checksum_algorithm(ChecksumAlgorithm::Crc64Nvme)
            .checksum_type(ChecksumType::FullObject)
            .send()
            .await
            .map_err(classify)
    };
    let created = cx.retry("beginning the upload", create).await?;
    let upload = created.upload_id.ok_or_else(|| Error::new(Kind::Invalid, "S3 began an upload without an id"))?;
    let size = PART.max(length.div_ceil(MOST_PARTS).next_multiple_of(MIB));
    let parts =
        Parts { s3: s3.clone(), bucket: bucket.to_owned(), key: key.clone(), upload, size, done: Mutex::default() };
    let parts = Arc::new(parts);
    transfer::run(cx, Arc::new(layout), parts.clone()).await?;
    cx.retry("completing the upload", || parts.complete(length)).await?;
    Ok(Uploaded::Object { bucket: bucket.to_owned(), key, undo })
}

/// The object's key, which is the run's own.
fn key(aws: &Aws, cx: &Cx<Undo>) -> Result<String> {
    let prefix = aws.config.prefix.as_deref().unwrap_or_default();
    Ok(format!("{prefix}{}-{}.vhd", aws.decided()?.name, cx.run().short()))
}

fn delete(region: &str, bucket: &str, key: &str) -> Undo {
    Undo::DeleteObject { region: region.to_owned(), bucket: bucket.to_owned(), key: key.to_owned() }
}

/// The object, if it is there.
pub async fn leftovers(aws: &Aws, cx: &Cx<Undo>, bucket: &str) -> Result<Vec<Undo>> {
    let (key, region) = (key(aws, cx)?, aws.home()?);
    let s3 = aws.clients.s3(region);
    let look = || async { s3.head_object().bucket(bucket).key(&key).send().await.map_err(classify) };
    match cx.retry("looking for an earlier object", look).await {
        Ok(_) => Ok(vec![delete(region, bucket, &key)]),
        // Without the right to list, S3 says of what is not there that it is forbidden.
        Err(error) if matches!(error.kind(), Kind::NotFound | Kind::Denied) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// The parts of an upload.
struct Parts {
    s3: aws_sdk_s3::Client,
    bucket: String,
    key: String,
    upload: String,
    size: u64,
    /// What S3 took, by part number.
    done: Mutex<BTreeMap<i32, Part>>,
}

#[derive(Clone)]
struct Part {
    etag: String,
    crc: u64,
    length: u64,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").field("bucket", &self.bucket).field("key", &self.key).finish_non_exhaustive()
    }
}

/// S3 writes a CRC-64/NVME as big-endian bytes in base64.
fn text(crc: u64) -> String {
    BASE64_STANDARD.encode(crc.to_be_bytes())
}

impl Parts {
    /// Has S3 join the parts, and compare the whole with what we sent.
    async fn complete(&self, length: u64) -> Result<()> {
        let done = self.done.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let whole = done.values().fold(None, |crc, part| {
            Some(crc.map_or(part.crc, |crc| checksum_combine(CRC, crc, part.crc, part.length)))
        });
        let listed = done.iter().map(|(number, part)| {
            CompletedPart::builder().part_number(*number).e_tag(&part.etag).checksum_crc64_nvme(text(part.crc)).build()
        });
        let sent = self
            .s3
            .complete_multipart_upload()
            .bucket(&self.bucket)
            .key(&self.key)
            .upload_id(&self.upload)
            .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(listed.collect())).build())
            .checksum_type(ChecksumType::FullObject)
            .checksum_crc64_nvme(text(whole.unwrap_or_default()))
            .mpu_object_size(length as i64)
            .send()
            .await;
        match sent.map_err(classify) {
            Ok(_) => Ok(()),
            // The answer to an earlier attempt may have been lost: then the upload is gone because the object is there.
            Err(error) if error.kind() == Kind::NotFound => {
                self.is_there(length, whole.unwrap_or_default(), error).await
            }
            Err(error) => Err(error),
        }
    }

    async fn is_there(&self, length: u64, crc: u64, error: Error) -> Result<()> {
        let mode = aws_sdk_s3::types::ChecksumMode::Enabled;
        let head = self.s3.head_object().bucket(&self.bucket).key(&self.key).checksum_mode(mode).send().await;
        let head = head.map_err(classify)?;
        let same = head.content_length() == Some(length as i64) && head.checksum_crc64_nvme() == Some(&text(crc));
        if same { Ok(()) } else { Err(error) }
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
        Limits { start: 4, most: 4, per_second: None }
    }

    fn seal(&self, chunk: &Chunk) -> Result<u64> {
        Ok(checksum(CRC, &chunk.bytes))
    }

    async fn put(&self, chunk: &Chunk, seal: &u64) -> Result<()> {
        let number = (chunk.offset / self.size) as i32 + 1;
        let sent = self
            .s3
            .upload_part()
            .bucket(&self.bucket)
            .key(&self.key)
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
        self.done.lock().unwrap_or_else(PoisonError::into_inner).insert(number, part);
        Ok(())
    }
}
