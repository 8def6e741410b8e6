use std::fmt;

use async_trait::async_trait;
use azure_core::{
    Bytes,
    http::{ClientOptions, NoFormat, RequestContent, RetryOptions, Transport},
};
use azure_storage_blob::{
    PageBlobClient, PageBlobClientOptions,
    models::{HttpRange, PageBlobClientUploadPagesOptions},
};
use publisher::{
    Error, Kind, Result, SecretUrl,
    transfer::{Chunk, Cut, Limits, Sink},
};

use crate::error;

/// Largest Put Page (Blob service, "Put Page", remarks).
const LONGEST: u64 = 4 << 20;
/// A multiple of the 512 bytes that Put Page wants, and the page of the file systems inside.
const PAGE: u64 = 4096;
/// At some milliseconds a request, this many zeros are cheaper than another request.
const BRIDGE: u64 = 64 << 10;
/// The version that the uploaders of managed disks are known to send.
const SERVICE_VERSION: &str = "2025-07-05";

/// The pages of a disk, behind its signature.
pub struct Pages(PageBlobClient);

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pages")
    }
}

impl Pages {
    /// # Errors
    /// [`Kind::Invalid`] if the SDK does not take the address; which it is, is not shown.
    pub fn new(sas: &SecretUrl, transport: Transport) -> Result<Self> {
        let client_options =
            ClientOptions { transport: Some(transport), retry: RetryOptions::none(), ..ClientOptions::default() };
        let options = PageBlobClientOptions { client_options, version: SERVICE_VERSION.to_owned() };
        let client = PageBlobClient::new(sas.expose().clone(), None, Some(options));
        client.map(Self).map_err(|_| Error::new(Kind::Invalid, "Azure gave an address that is not a page blob's"))
    }
}

#[async_trait]
impl Sink for Pages {
    /// CRC-64/NVME of the chunk as little-endian bytes, which is Azure Storage's CRC64.
    type Seal = Vec<u8>;

    fn cut(&self) -> Cut {
        Cut::Spans { longest: LONGEST, page: PAGE, bridge: BRIDGE }
    }

    fn limits(&self) -> Limits {
        Limits { start: 16, most: 32 }
    }

    fn seal(&self, chunk: &Chunk) -> Result<Self::Seal> {
        Ok(crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, &chunk.bytes).to_le_bytes().to_vec())
    }

    async fn put(&self, chunk: &Chunk, seal: &Self::Seal) -> Result<()> {
        let length = chunk.bytes.len() as u64;
        let body: RequestContent<Bytes, NoFormat> = chunk.bytes.clone().into();
        let options = PageBlobClientUploadPagesOptions {
            transactional_content_crc64: Some(seal.clone()),
            ..PageBlobClientUploadPagesOptions::default()
        };
        let sent = self.0.upload_pages(body, length, HttpRange::new(chunk.offset, length), Some(options)).await;
        sent.map(drop).map_err(error::from_sdk)
    }
}
