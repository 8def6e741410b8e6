use std::{fs::File, path::Path};

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use vhd::{CONTENT_BLOCK, Extent, Image};

use super::{Piecework, aws::Signer, connection::Connection, send_all};
use crate::Result;

const CONNECTIONS: usize = 64;

struct Blocks {
    signer: Signer,
    snapshot: String,
}

impl Piecework for Blocks {
    fn request(&self, piece: &Extent, bytes: Bytes) -> Result<Request<Full<Bytes>>> {
        let path = format!("/snapshots/{}/blocks/{}", self.snapshot, piece.offset / CONTENT_BLOCK);
        let checksum = BASE64_STANDARD.encode(Sha256::digest(&bytes));
        let headers = [
            ("x-amz-data-length", CONTENT_BLOCK.to_string()),
            ("x-amz-checksum", checksum),
            ("x-amz-checksum-algorithm", "SHA256".to_owned()),
        ];
        self.signer.request("PUT", &path, &headers, bytes)
    }
}

pub async fn send(image: &Path) -> Result<()> {
    let opened = Image::open(image)?;
    let signer = Signer::new("ebs")?;
    let url = signer.url.clone();
    let gib = opened.virtual_size().div_ceil(1 << 30);
    let begin = json!({"VolumeSize": gib}).to_string();
    let mut connection = Connection::open(&url).await?;
    let (_, begun) = connection.ask(signer.request("POST", "/snapshots", &[], begin.into())?).await?;
    let begun: Value = serde_json::from_slice(&begun)?;
    let snapshot = begun["SnapshotId"].as_str().ok_or("a snapshot without an id")?.to_owned();
    let mut indexes: Vec<u64> = Vec::new();
    for extent in opened.extents() {
        let first = (extent.offset / CONTENT_BLOCK).max(indexes.last().map_or(0, |last| last + 1));
        indexes.extend(first..extent.end().div_ceil(CONTENT_BLOCK));
    }
    let pieces: Vec<_> =
        indexes.iter().map(|index| Extent { offset: index * CONTENT_BLOCK, length: CONTENT_BLOCK }).collect();
    let (path, count) = (format!("/snapshots/completion/{snapshot}"), pieces.len().to_string());
    send_all(Blocks { signer, snapshot }, File::open(image)?, pieces, &url, CONNECTIONS).await?;
    let complete = Signer::new("ebs")?.request("POST", &path, &[("x-amz-changedblockscount", count)], Bytes::new())?;
    Connection::open(&url).await?.send(complete).await?;
    Ok(())
}
