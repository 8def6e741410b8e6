//! One chunk on its way: an attempt, a second beside it if it straggles, and what follows from how it ends.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::future::{Either, select};
use tokio::time::{Instant, sleep, timeout};

use super::{Chunk, Sink, cost::Cost, window::Window};
use crate::{Cx, Durable, Error, Kind, Result};

/// How long one attempt at one chunk may take before it counts as lost.
pub const ATTEMPT: Duration = Duration::from_secs(90);
/// An attempt that fails after so long has failed because the line is too slow for what is on its way at once.
const SLOW: Duration = Duration::from_secs(20);
/// A chunk that takes so many times as long as it ought to straggles: it is sent once more, beside itself.
const STRAGGLES: u32 = 8;
/// None straggles before, and none is looked at more often.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// Of the chunks that may be on their way, one in so many may be there twice, and two in any case.
const TWICE: usize = 16;

/// What all chunks of a transfer share.
pub struct Line<U, S> {
    pub cx: Cx<U>,
    pub sink: Arc<S>,
    pub window: Window,
    pub cost: Arc<Cost>,
    /// How many chunks are on their way twice.
    twice: AtomicUsize,
}

/// A chunk that is to be sent.
pub struct Load<S> {
    pub chunk: Chunk,
    pub seal: S,
    /// Which attempt is next; the first is 1.
    pub attempt: u32,
    /// Requests that were in vain.
    pub vain: u64,
}

/// What became of an attempt.
pub enum Sent<S> {
    /// The sink has the chunk.
    Arrived { bytes: u64, vain: u64 },
    /// It has not, and may have it yet.
    Again(Load<S>),
}

impl<U: Durable, S: Sink> Line<U, S> {
    pub fn new(cx: &Cx<U>, sink: Arc<S>) -> Self {
        let window = Window::new(sink.limits());
        Self { cx: cx.clone(), sink, window, cost: Arc::default(), twice: AtomicUsize::new(0) }
    }

    /// Sends a chunk, and waits after a failure that may pass.
    pub async fn send(&self, mut load: Load<S::Seal>) -> Result<Sent<S::Seal>> {
        let bytes = load.chunk.bytes.len();
        self.window.turn().await;
        self.cx.check_cancelled()?;
        let began = Instant::now();
        let error = match self.attempt(&load.chunk, &load.seal, &mut load.vain).await {
            Ok(()) => {
                if load.attempt == 1 {
                    self.cost.learn(bytes, began.elapsed(), self.window.size());
                }
                self.cx.budget().succeeded();
                self.window.succeeded(began);
                return Ok(Sent::Arrived { bytes: bytes as u64, vain: load.vain });
            }
            Err(error) => error,
        };
        if error.kind().is_retryable() && began.elapsed() >= SLOW {
            self.window.throttled();
        }
        (load.attempt, load.vain) = (load.attempt + 1, load.vain + 1);
        let what = format!("sending bytes {} to {}", load.chunk.offset, load.chunk.offset + bytes as u64);
        self.cx.wait_to_retry(&what, load.attempt, error).await?;
        Ok(Sent::Again(load))
    }

    /// Sends a chunk once; twice, if the first request straggles and the sink does not mind.
    async fn attempt(&self, chunk: &Chunk, seal: &S::Seal, vain: &mut u64) -> Result<()> {
        let first = self.put(chunk, seal);
        tokio::pin!(first);
        tokio::select! {
            biased;
            sent = &mut first => return sent,
            () = self.straggles(chunk), if self.sink.may_send_twice() => {}
        }
        let Some(_hedge) = self.hedge() else { return first.await };
        *vain += 1;
        let second = async {
            self.window.turn().await;
            self.put(chunk, seal).await
        };
        tokio::pin!(second);
        // A failure that may pass leaves the other its chance; any other is one of both.
        match select(first, second).await {
            Either::Left((Err(error), second)) if error.kind().is_retryable() => second.await,
            Either::Right((Err(error), first)) if error.kind().is_retryable() => first.await,
            Either::Left((sent, _)) | Either::Right((sent, _)) => sent,
        }
    }

    /// Leave to send a chunk beside itself; none where all are slow, and more requests would only make them slower.
    fn hedge(&self) -> Option<Hedge<'_>> {
        let hedge = Hedge::of(&self.twice);
        let is_one_of_few = self.twice.load(Ordering::Relaxed) <= (self.window.size() / TWICE).max(2);
        let budget = self.cx.budget();
        (is_one_of_few && !self.cx.cancel().is_cancelled() && budget.is_ample() && budget.take()).then_some(hedge)
    }

    /// Returns when a chunk that is sent now has taken far longer than others do.
    async fn straggles(&self, chunk: &Chunk) {
        let began = Instant::now();
        loop {
            sleep(PATIENCE).await;
            // What ought to be is asked anew: the first chunks are sent when nothing is known.
            let ought = self.cost.expected(chunk.bytes.len());
            if ought.is_some_and(|ought| began.elapsed() >= ought * STRAGGLES) {
                return;
            }
        }
    }

    async fn put(&self, chunk: &Chunk, seal: &S::Seal) -> Result<()> {
        timeout(ATTEMPT, self.sink.put(chunk, seal))
            .await
            .unwrap_or_else(|_| {
                let seconds = ATTEMPT.as_secs();
                Err(Error::new(Kind::Transient, format!("no answer within {seconds} seconds")))
            })
            .inspect_err(|error| {
                if error.kind() == Kind::Throttled {
                    self.window.throttled();
                }
            })
    }
}

/// A chunk that is on its way twice, counted while it is.
struct Hedge<'a>(&'a AtomicUsize);

impl<'a> Hedge<'a> {
    fn of(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Hedge<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
