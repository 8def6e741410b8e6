use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

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
    Error, Kind, Result,
    transfer::{Chunk, Cut, Limits, Sink},
};

use tokio::{sync::Mutex, time::Instant};

use super::disk::Access;
use crate::error;

/// Largest Put Page (Blob service, "Put Page", remarks).
const LONGEST: u64 = 4 << 20;
/// A multiple of the 512 bytes that Put Page wants, and the page of the file systems inside.
const PAGE: u64 = 4096;
/// At some milliseconds a request, this many zeros are cheaper than another request.
const BRIDGE: u64 = 64 << 10;
/// The version that the uploaders of managed disks are known to send.
const SERVICE_VERSION: &str = "2025-07-05";

/// The pages of a disk. A signature that has expired, or is about to, is replaced by another.
pub struct Pages {
    access: Access,
    transport: Transport,
    door: Mutex<Arc<Door>>,
}

/// The way to the pages that one signature opens.
pub(super) struct Door {
    pub(super) client: PageBlobClient,
    renew_at: Instant,
    /// Whether a page has got through: then a refusal means that the signature has expired, and not that it never was
    /// one.
    has_worked: AtomicBool,
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pages")
    }
}

impl Pages {
    /// # Errors
    /// What opening the disk raises.
    pub async fn open(access: Access, transport: Transport) -> Result<Self> {
        let door = Door::open(&access, &transport).await?;
        Ok(Self { access, transport, door: Mutex::new(Arc::new(door)) })
    }

    /// The way in; a new one if the last is `stale` or about to close. Whoever comes first opens it for all.
    pub(super) async fn door(&self, stale: Option<&Arc<Door>>) -> Result<Arc<Door>> {
        let mut door = self.door.lock().await;
        if stale.is_some_and(|stale| Arc::ptr_eq(stale, &door)) || Instant::now() >= door.renew_at {
            *door = Arc::new(Door::open(&self.access, &self.transport).await?);
        }
        Ok(door.clone())
    }
}

impl Door {
    async fn open(access: &Access, transport: &Transport) -> Result<Self> {
        let grant = access.open().await?;
        let client_options = ClientOptions {
            transport: Some(transport.clone()),
            retry: RetryOptions::none(),
            ..ClientOptions::default()
        };
        let options = PageBlobClientOptions { client_options, version: SERVICE_VERSION.to_owned() };
        let client = PageBlobClient::new(grant.sas.expose().clone(), None, Some(options))
            .map_err(|_| Error::new(Kind::Invalid, "Azure gave an address that is not a page blob's"))?;
        Ok(Self { client, renew_at: grant.renew_at, has_worked: AtomicBool::new(false) })
    }

    async fn put(&self, chunk: &Chunk, seal: &[u8]) -> Result<()> {
        let length = chunk.bytes.len() as u64;
        let body: RequestContent<Bytes, NoFormat> = chunk.bytes.clone().into();
        let options = PageBlobClientUploadPagesOptions {
            transactional_content_crc64: Some(seal.to_vec()),
            ..PageBlobClientUploadPagesOptions::default()
        };
        let sent = self.client.upload_pages(body, length, HttpRange::new(chunk.offset, length), Some(options)).await;
        sent.map_err(error::from_sdk)?;
        self.has_worked.store(true, Ordering::Relaxed);
        Ok(())
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
        Limits { start: 16, most: 32, per_second: None }
    }

    fn seal(&self, chunk: &Chunk) -> Result<Self::Seal> {
        Ok(crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, &chunk.bytes).to_le_bytes().to_vec())
    }

    async fn put(&self, chunk: &Chunk, seal: &Self::Seal) -> Result<()> {
        let door = self.door(None).await?;
        match door.put(chunk, seal).await {
            Err(error) if error.kind() == Kind::Denied && door.has_worked.load(Ordering::Relaxed) => {
                self.door(Some(&door)).await?.put(chunk, seal).await
            }
            sent => sent,
        }
    }
}
