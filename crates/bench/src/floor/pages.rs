use std::{fs::File, path::Path};

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use url::Url;
use vhd::{Extent, Image};

use super::{Piecework, send_all};
use crate::Result;

const LONGEST: u64 = 4 << 20;
/// Gaps up to this are sent: at any latency worth a name a request costs more.
const BRIDGE: u64 = 256 << 10;
const CONNECTIONS: usize = 32;

struct Pages(Url);

impl Piecework for Pages {
    fn request(&self, piece: &Extent, bytes: Bytes) -> Result<Request<Full<Bytes>>> {
        let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, &bytes);
        let query = self.0.query().unwrap_or_default();
        Ok(Request::put(format!("{}?comp=page&{query}", self.0.path()))
            .header("host", self.0.authority())
            .header("x-ms-version", "2025-07-05")
            .header("x-ms-page-write", "update")
            .header("x-ms-range", format!("bytes={}-{}", piece.offset, piece.end() - 1))
            .header("x-ms-content-crc64", BASE64_STANDARD.encode(crc.to_le_bytes()))
            .body(Full::new(bytes))?)
    }
}

pub async fn send(image: &Path, address: &Url) -> Result<()> {
    let opened = Image::open(image)?;
    let footer = Extent { offset: opened.virtual_size(), length: opened.file_size() - opened.virtual_size() };
    let stored = opened.extents().iter().chain([&footer]);
    let pieces: Vec<_> = vhd::extent::split(&bridged(stored), LONGEST).collect();
    send_all(Pages(address.clone()), File::open(image)?, pieces, address, CONNECTIONS).await?;
    Ok(())
}

fn bridged<'a>(extents: impl Iterator<Item = &'a Extent>) -> Vec<Extent> {
    let mut joined: Vec<Extent> = Vec::new();
    for extent in extents {
        match joined.last_mut() {
            Some(last) if extent.offset - last.end() <= BRIDGE => last.length = extent.end() - last.offset,
            _ => joined.push(*extent),
        }
    }
    joined
}
