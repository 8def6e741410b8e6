use std::sync::atomic::{AtomicBool, Ordering};

use azure_core::{
    Bytes,
    http::{ClientOptions, NoFormat, RequestContent, RetryOptions, Transport, Url},
};
use azure_storage_blob::{
    BlobClient, BlobClientOptions, PageBlobClient, PageBlobClientOptions,
    models::{BlobClientDownloadOptions, HttpRange, PageBlobClientUploadPagesOptions},
};
use futures::TryStreamExt;
use publisher::{Error, Kind, Result, transfer::Chunk};
use tokio::time::Instant;
use vhd::Extent;

use super::access::Access;
use crate::error;

/// The version that the uploaders of managed disks are known to send.
const SERVICE_VERSION: &str = "2025-07-05";

/// The way to the pages that one signature opens.
pub struct Door {
    pages: PageBlobClient,
    blob: BlobClient,
    pub renew_at: Instant,
    /// Whether a page has got through: then a refusal means that the signature has expired, and not that it never was
    /// one.
    has_worked: AtomicBool,
}

impl Door {
    pub async fn open(access: &Access, transport: &Transport) -> Result<Self> {
        let grant = access.open().await?;
        let url = || grant.sas.expose().clone();
        let unusable = |_| Error::new(Kind::Invalid, "Azure gave an address that is not a page blob's");
        Ok(Self {
            pages: pages(url(), transport).map_err(unusable)?,
            blob: blob(url(), transport).map_err(unusable)?,
            renew_at: grant.renew_at,
            has_worked: AtomicBool::new(false),
        })
    }

    /// Whether it has let a page through.
    pub fn has_worked(&self) -> bool {
        self.has_worked.load(Ordering::Relaxed)
    }

    /// Writes pages (Blob service, "Put Page"); `seal` is their CRC64.
    pub async fn put(&self, chunk: &Chunk, seal: &[u8]) -> Result<()> {
        let length = chunk.bytes.len() as u64;
        let body: RequestContent<Bytes, NoFormat> = chunk.bytes.clone().into();
        let options = PageBlobClientUploadPagesOptions {
            transactional_content_crc64: Some(seal.to_vec()),
            ..PageBlobClientUploadPagesOptions::default()
        };
        let sent = self.pages.upload_pages(body, length, HttpRange::new(chunk.offset, length), Some(options)).await;
        sent.map_err(error::from_sdk)?;
        self.has_worked.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Makes pages read as zeros again (Blob service, "Put Page", `x-ms-page-write: clear`).
    pub async fn clear(&self, range: &Extent) -> Result<()> {
        let range = HttpRange::new(range.offset, range.length);
        self.pages.clear_pages(range, None).await.map(drop).map_err(error::from_sdk)
    }

    /// The ranges that hold pages, sorted and joined (Blob service, "Get Page Ranges").
    pub async fn written(&self) -> Result<Vec<Extent>> {
        let mut pages = self.pages.list_page_ranges(None).map_err(error::from_sdk)?;
        let mut ranges = Vec::new();
        while let Some(page) = pages.try_next().await.map_err(error::from_sdk)? {
            let page = page.into_model().map_err(error::from_sdk)?;
            let range = |(start, end): (i64, i64)| {
                Extent::between(u64::try_from(start).ok()?, u64::try_from(end).ok()?.checked_add(1)?)
            };
            ranges.extend(page.page_ranges.iter().filter_map(|found| found.start.zip(found.end).and_then(range)));
        }
        Ok(vhd::extent::joined(ranges))
    }

    /// Reads a range (Blob service, "Get Blob").
    pub async fn read(&self, range: &Extent) -> Result<Bytes> {
        let options = BlobClientDownloadOptions {
            range: Some(HttpRange::new(range.offset, range.length)),
            ..BlobClientDownloadOptions::default()
        };
        let answer = self.blob.download(Some(options)).await.map_err(error::from_sdk)?;
        answer.body.collect().await.map_err(error::from_sdk)
    }
}

fn options(transport: &Transport) -> ClientOptions {
    ClientOptions { transport: Some(transport.clone()), retry: RetryOptions::none(), ..ClientOptions::default() }
}

fn pages(url: Url, transport: &Transport) -> azure_core::Result<PageBlobClient> {
    let options = PageBlobClientOptions { client_options: options(transport), version: SERVICE_VERSION.to_owned() };
    PageBlobClient::new(url, None, Some(options))
}

fn blob(url: Url, transport: &Transport) -> azure_core::Result<BlobClient> {
    let options = BlobClientOptions { client_options: options(transport), version: SERVICE_VERSION.to_owned() };
    BlobClient::new(url, None, Some(options))
}
