use std::sync::Arc;

use bytes::Bytes;
use vhd::{Extent, Layout, zero};

use super::{Buffers, Chunk, Cut, Sink, cost::Cost};
use crate::{Error, Kind, Result};

/// What a read brought: chunks in order, each with its seal. Some are there already, and need not be sent.
pub struct Prepared<S> {
    /// Bytes of the layout that are dealt with when all of these are.
    pub covered: u64,
    pub chunks: Vec<(Chunk, S)>,
}

/// Reads a piece of a layout, compares it with what the image held, leaves zeros out and seals what is left, on a thread that
/// drives no connection.
pub async fn read<S: Sink>(
    layout: Arc<dyn Layout>,
    sink: Arc<S>,
    buffers: Buffers,
    cost: Arc<Cost>,
    piece: Extent,
) -> Result<Prepared<S::Seal>> {
    let mut buffer = buffers.take(piece.length as usize).await;
    let work = move || {
        let bytes = buffer.bytes_mut();
        layout.read_at(bytes, piece.offset)?;
        layout.check(bytes, piece.offset)?;
        let spans = match sink.cut() {
            Cut::Spans { page, .. } => zero::data_spans(bytes, page as usize, cost.bridge()),
            Cut::Blocks { skip_zeros: true, .. } if zero::is_zero(bytes) => Vec::new(),
            Cut::Blocks { .. } | Cut::Parts { .. } => vec![Extent { offset: 0, length: piece.length }],
        };
        // The buffer goes back when the last of its chunks is gone.
        let bytes = Bytes::from_owner(buffer);
        let mut chunks = Vec::new();
        for span in spans {
            let range = span.offset as usize..span.end() as usize;
            let chunk = Chunk { offset: piece.offset + span.offset, bytes: bytes.slice(range) };
            let seal = sink.seal(&chunk)?;
            if !sink.take_over(&chunk, &seal) {
                chunks.push((chunk, seal));
            }
        }
        Ok(Prepared { covered: piece.length, chunks })
    };
    let joined = tokio::task::spawn_blocking(work).await;
    joined.map_err(|error| Error::new(Kind::Local, "reading the image failed").caused_by(error))?
}
