use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use azure_core::http::Transport;
use publisher::{
    Cx, Kind, Result,
    transfer::{Chunk, Cut, Limits, Pace, Sink},
};
use tokio::time::Instant;
use vhd::{Extent, extent};

use super::{access::Access, door::Door};
use crate::{Azure, Undo};

/// Largest Put Page (Blob service, "Put Page", remarks).
pub const LONGEST: u64 = 4 << 20;
/// A multiple of the 512 bytes that Put Page wants, and the page of the file systems inside.
const PAGE: u64 = 4096;

/// The pages of a disk. A signature that has expired, or is about to, is replaced by another.
pub struct Pages {
    pub(super) cx: Cx<Undo>,
    access: Access,
    transport: Transport,
    door: tokio::sync::Mutex<Arc<Door>>,
    /// Under what the journal has which pages are there: the attempt that owns the disk.
    pub(super) owner: String,
    /// What a run that was killed has brought, sorted and joined.
    pub(super) there: Vec<Extent>,
    /// What the disk has to hold in the end, in the order in which it got there.
    held: Mutex<Vec<Extent>>,
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pages")
    }
}

impl Pages {
    /// # Errors
    /// What opening the disk raises.
    pub async fn open(azure: &Azure, cx: &Cx<Undo>, access: Access) -> Result<Self> {
        let door = Door::open(&access, &azure.transport).await?;
        Ok(Self {
            cx: cx.clone(),
            access,
            transport: azure.transport.clone(),
            door: tokio::sync::Mutex::new(Arc::new(door)),
            owner: azure.attempt.as_str().to_owned(),
            there: Vec::new(),
            held: Mutex::default(),
        })
    }

    /// The way in; a new one if the last is `stale` or about to close. Whoever comes first opens it for all.
    pub(super) async fn door(&self, stale: Option<&Arc<Door>>) -> Result<Arc<Door>> {
        let mut door = self.door.lock().await;
        if stale.is_some_and(|stale| Arc::ptr_eq(stale, &door)) || Instant::now() >= door.renew_at {
            *door = Arc::new(Door::open(&self.access, &self.transport).await?);
        }
        Ok(door.clone())
    }

    /// What the disk has to hold, sorted and joined.
    pub(super) fn held(&self) -> Vec<Extent> {
        extent::joined(self.held.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    fn note(&self, range: Extent) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).push(range);
    }
}

fn range_of(chunk: &Chunk) -> Extent {
    Extent { offset: chunk.offset, length: chunk.bytes.len() as u64 }
}

#[async_trait]
impl Sink for Pages {
    /// CRC-64/NVME of the chunk as little-endian bytes, which is Azure Storage's CRC64.
    type Seal = Vec<u8>;

    fn cut(&self) -> Cut {
        Cut::Spans { longest: LONGEST, page: PAGE }
    }

    fn limits(&self) -> Limits {
        Limits { start: 16, most: 64, pace: Pace::Free }
    }

    fn seal(&self, chunk: &Chunk) -> Result<Self::Seal> {
        Ok(vhd::crc::crc64(&chunk.bytes).to_le_bytes().to_vec())
    }

    fn take_over(&self, chunk: &Chunk, _: &Self::Seal) -> bool {
        let is_there = extent::covers(&self.there, &range_of(chunk));
        if is_there {
            self.note(range_of(chunk));
        }
        is_there
    }

    async fn put(&self, chunk: &Chunk, seal: &Self::Seal) -> Result<()> {
        let door = self.door(None).await?;
        let sent = match door.put(chunk, seal).await {
            Err(error) if error.kind() == Kind::Denied && door.has_worked() => {
                self.door(Some(&door)).await?.put(chunk, seal).await
            }
            sent => sent,
        };
        sent?;
        self.note(range_of(chunk));
        self.cx.note_sent(&self.owner, range_of(chunk)).await
    }
}
