use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, stream::FuturesUnordered};
use tokio::{sync::watch, time::Instant};
use vhd::{Extent, Layout, zero};

use super::{Chunk, Cut, Progress, Sink, plan, window::Window};
use crate::{BUFFER_KIB, Cx, Durable, Error, Event, Kind, Result, TransferReport};

/// How long one attempt at one chunk may take before it counts as lost.
const ATTEMPT: Duration = Duration::from_secs(90);

/// Sends a layout into a sink, and returns what that took.
///
/// # Errors
/// The first failure that does not pass. Chunks that were on their way are abandoned.
pub async fn run<U: Durable, S: Sink>(cx: &Cx<U>, layout: Arc<dyn Layout>, sink: Arc<S>) -> Result<TransferReport> {
    let reads = plan::reads(&*layout, sink.cut());
    let total = reads.iter().map(|read| read.length).sum();
    let (progress, watcher) = watch::channel(Progress { total, ..Progress::default() });
    cx.emit(Event::TransferStarted { progress: watcher });

    let started = Instant::now();
    let window = Window::new(sink.limits());
    let mut report = TransferReport::default();
    let mut waiting = reads.into_iter();
    let mut in_flight = FuturesUnordered::new();
    loop {
        while in_flight.len() < window.size() {
            let Some(read) = waiting.next() else { break };
            in_flight.push(send(cx, &layout, &sink, &window, read));
        }
        let Some(sent) = in_flight.next().await else { break };
        let sent = sent?;
        report.bytes_sent += sent.bytes;
        report.requests += sent.requests;
        report.retries += sent.retries;
        progress.send_modify(|progress| {
            progress.done += sent.covered;
            progress.sent += sent.bytes;
            progress.requests += sent.requests;
        });
    }
    report.bytes_skipped = layout.length().saturating_sub(report.bytes_sent);
    report.seconds = started.elapsed().as_secs_f64();
    cx.totals.add(&report);
    Ok(report)
}

/// What became of one read.
#[derive(Default)]
struct Sent {
    covered: u64,
    bytes: u64,
    requests: u64,
    retries: u64,
}

async fn send<U: Durable, S: Sink>(
    cx: &Cx<U>,
    layout: &Arc<dyn Layout>,
    sink: &Arc<S>,
    window: &Window,
    read: Extent,
) -> Result<Sent> {
    // A part of a huge object may be larger than all buffers together; then it is alone.
    let kib = read.length.div_ceil(1 << 10).min(BUFFER_KIB as u64) as u32;
    let _buffer = cx.runtime().buffers.acquire_many(kib).await.map_err(|_| Error::cancelled())?;
    let mut sent = Sent { covered: read.length, ..Sent::default() };
    for (chunk, seal) in prepare(layout.clone(), sink.clone(), read).await? {
        sent.retries += put(cx, &**sink, window, &chunk, &seal).await?;
        sent.bytes += chunk.bytes.len() as u64;
        sent.requests += 1;
    }
    Ok(sent)
}

/// Reads, leaves zeros out and seals, off the threads that drive the connections.
async fn prepare<S: Sink>(layout: Arc<dyn Layout>, sink: Arc<S>, read: Extent) -> Result<Vec<(Chunk, S::Seal)>>
where
    S::Seal: 'static,
{
    let work = move || {
        let mut buffer = vec![0; read.length as usize];
        layout.read_at(&mut buffer, read.offset)?;
        let spans = match sink.cut() {
            Cut::Spans { page, bridge, .. } => zero::data_spans(&buffer, page as usize, bridge),
            Cut::Blocks { skip_zeros: true, .. } if zero::is_zero(&buffer) => Vec::new(),
            Cut::Blocks { .. } | Cut::Parts { .. } => vec![Extent { offset: 0, length: read.length }],
        };
        let bytes = Bytes::from(buffer);
        let chunks = spans.into_iter().map(|span| {
            let range = span.offset as usize..span.end() as usize;
            let chunk = Chunk { offset: read.offset + span.offset, bytes: bytes.slice(range) };
            let seal = sink.seal(&chunk)?;
            Ok((chunk, seal))
        });
        chunks.collect()
    };
    let joined = tokio::task::spawn_blocking(work).await;
    joined.map_err(|error| Error::new(Kind::Local, "reading the image failed").caused_by(error))?
}

/// Sends one chunk until the sink has it; returns how many attempts were in vain.
async fn put<U: Durable, S: Sink>(cx: &Cx<U>, sink: &S, window: &Window, chunk: &Chunk, seal: &S::Seal) -> Result<u64> {
    let mut attempt = 1;
    loop {
        let result = tokio::time::timeout(ATTEMPT, sink.put(chunk, seal)).await.unwrap_or_else(|_| {
            let seconds = ATTEMPT.as_secs();
            Err(Error::new(Kind::Transient, format!("no answer within {seconds} seconds")))
        });
        let error = match result {
            Ok(()) => {
                cx.budget().succeeded();
                window.succeeded();
                return Ok(u64::from(attempt - 1));
            }
            Err(error) => error,
        };
        if error.kind() == Kind::Throttled {
            window.throttled();
        }
        attempt += 1;
        let what = format!("sending bytes {} to {}", chunk.offset, chunk.offset + chunk.bytes.len() as u64);
        cx.wait_to_retry(&what, attempt, error).await?;
    }
}
