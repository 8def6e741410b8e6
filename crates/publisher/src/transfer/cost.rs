use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

/// What a request costs and what a byte costs, learnt from the requests that went well. From it follows which gap of zeros is
/// cheaper sent than left out, and how long a request ought to take.
///
/// Bytes go one after the other at the line's rate, whatever the number of requests. Requests wait beside each other, so each
/// costs its share of the latency, and the work that it makes at both ends. Leaving a gap out costs one request more:
///
/// ```text
/// gap ÷ rate  <  latency ÷ requests on their way + work      then it is sent
/// ```
///
/// The latency is the least that was seen: in any other, requests have waited for each other's bytes.
#[derive(Debug)]
pub struct Cost {
    learnt: Mutex<Learnt>,
    /// What follows, for the threads that cut.
    bridge: AtomicU64,
}

#[derive(Debug)]
struct Learnt {
    /// Seconds, the least that a request took.
    latency: Option<f64>,
    /// Bytes in a second, of all requests together.
    rate: Option<f64>,
    /// Bytes and seconds of the usual request.
    usual: Option<(f64, f64)>,
    /// Since when, and how many bytes came through: the next measurement of the rate.
    since: Instant,
    bytes: u64,
    requests: u32,
}

/// Seconds for which a request keeps both ends busy, beside its bytes: its head is made, signed, sent, read and checked.
const WORK: f64 = 150e-6;
/// How long the rate is measured at a time, and over how many requests.
const PERIOD: Duration = Duration::from_millis(50);
const ENOUGH: u32 = 12;
/// How much the newest measurement counts.
const NEWEST: f64 = 0.3;
/// A gap that is no longer is always sent: beside the head of a request it is nothing.
const LEAST: u64 = 16 << 10;
/// A gap that is longer is never sent, whatever it saves: somebody pays for the line.
const MOST: u64 = 256 << 10;
/// Before anything is known.
const AT_FIRST: u64 = 128 << 10;

impl Default for Cost {
    fn default() -> Self {
        let learnt = Learnt { latency: None, rate: None, usual: None, since: Instant::now(), bytes: 0, requests: 0 };
        Self { learnt: Mutex::new(learnt), bridge: AtomicU64::new(AT_FIRST) }
    }
}

impl Cost {
    /// The longest gap of zeros that is to be sent, in bytes.
    pub fn bridge(&self) -> u64 {
        self.bridge.load(Ordering::Relaxed)
    }

    /// Learns from a request that went well at the first attempt, with so many others on their way beside it.
    pub fn learn(&self, bytes: usize, took: Duration, window: usize) {
        let mut learnt = self.lock();
        learnt.add(bytes as u64, took.as_secs_f64());
        if let (Some(latency), Some(rate)) = (learnt.latency, learnt.rate) {
            let request = latency / window.max(1) as f64 + WORK;
            // Half of what would cost the same: bytes may be dear on the rest of the way.
            let bridge = (request * rate / 2.0) as u64;
            self.bridge.store(bridge.clamp(LEAST, MOST), Ordering::Relaxed);
        }
    }

    /// How long a request of so many bytes ought to take; none while too little is known.
    pub fn expected(&self, bytes: usize) -> Option<Duration> {
        let learnt = self.lock();
        let (usual, seconds) = learnt.usual.filter(|_| learnt.rate.is_some())?;
        Duration::try_from_secs_f64(seconds * (bytes as f64 / usual).max(1.0)).ok()
    }

    fn lock(&self) -> MutexGuard<'_, Learnt> {
        self.learnt.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Learnt {
    fn add(&mut self, bytes: u64, seconds: f64) {
        let blend = |known: f64, new: f64| known + (new - known) * NEWEST;
        self.latency = Some(self.latency.map_or(seconds, |latency| latency.min(seconds)));
        let usual = self.usual.unwrap_or((bytes as f64, seconds));
        self.usual = Some((blend(usual.0, bytes as f64), blend(usual.1, seconds)));
        self.bytes += bytes;
        self.requests += 1;
        let passed = self.since.elapsed();
        if passed >= PERIOD && self.requests >= ENOUGH {
            let rate = self.bytes as f64 / passed.as_secs_f64();
            self.rate = Some(self.rate.map_or(rate, |known| blend(known, rate)));
            (self.since, self.bytes, self.requests) = (Instant::now(), 0, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cost that has learnt from many requests on a line with this latency, which bring so many bytes in a second.
    async fn learnt(latency: f64, rate: f64, window: usize) -> Cost {
        let cost = Cost::default();
        more(&cost, latency, rate, window).await;
        cost
    }

    async fn more(cost: &Cost, latency: f64, rate: f64, window: usize) {
        for nth in 0..400 {
            let bytes = 100_000 * (1 + nth % 9);
            let on_the_line = bytes as f64 / rate;
            tokio::time::advance(Duration::from_secs_f64(on_the_line)).await;
            // It has waited for others.
            let waited = (nth % 3) as f64 * on_the_line;
            cost.learn(bytes, Duration::from_secs_f64(latency + waited), window);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_gap_is_bridged_where_its_bytes_cost_less_than_a_request() {
        assert_eq!(Cost::default().bridge(), AT_FIRST);
        // 20 ms, shared by 50, are 0.4 ms, and 0.15 ms of work: half of that at 200 MB/s is 55 kB.
        let bridge = learnt(0.020, 200e6, 50).await.bridge();
        assert!((50_000..60_000).contains(&bridge), "{bridge}");
        assert_eq!(learnt(0.001, 10e6, 50).await.bridge(), LEAST, "bytes are dear");
        assert_eq!(learnt(0.020, 2e9, 50).await.bridge(), MOST, "bytes cost nothing");
    }

    #[tokio::test(start_paused = true)]
    async fn a_line_that_changes_is_learnt_anew() {
        let cost = learnt(0.020, 2e9, 50).await;
        more(&cost, 0.020, 50e6, 50).await;
        assert_eq!(cost.bridge(), LEAST);
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_request_ought_to_take_follows() {
        assert_eq!(Cost::default().expected(1), None);
        let cost = Cost::default();
        for _ in 0..50 {
            tokio::time::advance(Duration::from_millis(5)).await;
            cost.learn(512 << 10, Duration::from_millis(30), 8);
        }
        assert_eq!(cost.expected(512 << 10).unwrap().as_millis(), 30);
        assert_eq!(cost.expected(4 << 20).unwrap().as_millis(), 240, "more bytes take longer");
        assert_eq!(cost.expected(1).unwrap().as_millis(), 30, "few take as long as all");
    }
}
