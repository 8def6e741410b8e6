use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;

use crate::Result;

/// How a layout is cut into chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Ranges with data, of any place and size in whole pages. Zeros between them are left out where sending them would cost more
    /// than another request.
    Spans {
        /// Longest chunk in bytes.
        longest: u64,
        /// Bytes in a page: chunks start and end at a multiple.
        page: u64,
    },
    /// Blocks of a fixed size at multiples of it, the last filled up with zeros.
    Blocks {
        /// Bytes in a block.
        size: u64,
        /// Whether blocks of zeros are left out. Right only where what is not written reads as zeros.
        skip_zeros: bool,
    },
    /// Everything, in parts of one size, the last shorter.
    Parts {
        /// Bytes in a part.
        size: u64,
    },
}

/// How many chunks may be on their way.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// At first.
    pub start: usize,
    /// While the service is healthy.
    pub most: usize,
    /// How many may begin in a second.
    pub pace: Pace,
}

/// How fast chunks may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// As fast as the window has room for them.
    Free,
    /// So many in a second.
    PerSecond(u32),
    /// As fast as there is room, and so many in a second once the service has refused more than a few.
    PerSecondOnceThrottled(u32),
}

/// A piece of a layout.
#[derive(Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Where it lies in the layout, in bytes.
    pub offset: u64,
    /// What it holds.
    pub bytes: Bytes,
}

impl fmt::Debug for Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chunk({}+{})", self.offset, self.bytes.len())
    }
}

/// Where chunks go.
#[async_trait]
pub trait Sink: fmt::Debug + Send + Sync + 'static {
    /// What protects a chunk on its way: a checksum.
    type Seal: fmt::Debug + Send + Sync + 'static;

    /// How the layout is to be cut.
    fn cut(&self) -> Cut;

    /// How many chunks it takes at a time.
    fn limits(&self) -> Limits;

    /// Computes the chunk's checksum. Called on a blocking thread, once a chunk.
    ///
    /// # Errors
    /// [`Kind::Image`](crate::Kind::Image) if the chunk can be seen not to be what it was when the image was first read.
    fn seal(&self, chunk: &Chunk) -> Result<Self::Seal>;

    /// Takes over what a run that was killed has brought of a chunk; whether nothing of it has to be sent.
    fn take_over(&self, _chunk: &Chunk, _seal: &Self::Seal) -> bool {
        false
    }

    /// Whether a chunk may be sent again while the first request with it may still arrive, or arrives late. Not so where each
    /// arrival gives the chunk another identity.
    fn may_send_twice(&self) -> bool {
        true
    }

    /// Sends a chunk, once. Has to be idempotent: the engine calls it again after any failure that may pass.
    ///
    /// # Errors
    /// What the service answers, classified.
    async fn put(&self, chunk: &Chunk, seal: &Self::Seal) -> Result<()>;
}
