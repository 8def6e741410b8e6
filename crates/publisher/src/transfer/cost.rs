use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// What a request costs and what a byte costs, learnt from the requests that went well: a line through their lengths and times,
/// by least squares, in which what is long ago counts for little.
///
/// From it follows which gap of zeros is cheaper sent than left out: one whose bytes take less time than the request that
/// leaving it out would cost. The time is that of one connection in both cases, so how many there are makes no difference.
#[derive(Debug)]
pub struct Cost {
    sums: Mutex<Sums>,
    /// What follows, for the threads that cut.
    bridge: AtomicU64,
}

/// Weighted sums over requests: of ones, lengths, times, and their products.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    count: f64,
    bytes: f64,
    seconds: f64,
    bytes_squared: f64,
    bytes_seconds: f64,
}

/// How much less a request counts than the one after it.
const FORGET: f64 = 0.98;
/// Requests before anything is concluded.
const ENOUGH: f64 = 12.0;
/// A gap that is no longer is always sent: beside the fixed costs of a request it is nothing.
const LEAST: u64 = 16 << 10;
/// A gap that is longer is never sent, whatever it saves: somebody pays for the line.
pub const MOST: u64 = 256 << 10;
/// Before anything is known.
const AT_FIRST: u64 = 128 << 10;

impl Default for Cost {
    fn default() -> Self {
        Self { sums: Mutex::default(), bridge: AtomicU64::new(AT_FIRST) }
    }
}

impl Cost {
    /// The longest gap of zeros that is to be sent, in bytes.
    pub fn bridge(&self) -> u64 {
        self.bridge.load(Ordering::Relaxed)
    }

    /// Learns from a request that went well at the first attempt.
    pub fn learn(&self, bytes: usize, took: Duration) {
        let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        sums.add(bytes as f64, took.as_secs_f64());
        if let Some((request, byte)) = sums.fit() {
            // Half of what would cost the same: bytes may be dear on the rest of the way, and the fit is no law.
            let even = if byte > 0.0 { request / byte / 2.0 } else { MOST as f64 };
            self.bridge.store((even as u64).clamp(LEAST, MOST), Ordering::Relaxed);
        }
    }

    /// How long a request of so many bytes ought to take; none while too little is known.
    pub fn expected(&self, bytes: usize) -> Option<Duration> {
        let sums = *self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        let (request, byte) = sums.fit()?;
        Duration::try_from_secs_f64(request + byte * bytes as f64).ok()
    }
}

impl Sums {
    fn add(&mut self, bytes: f64, seconds: f64) {
        for sum in
            [&mut self.count, &mut self.bytes, &mut self.seconds, &mut self.bytes_squared, &mut self.bytes_seconds]
        {
            *sum *= FORGET;
        }
        self.count += 1.0;
        self.bytes += bytes;
        self.seconds += seconds;
        self.bytes_squared += bytes * bytes;
        self.bytes_seconds += bytes * seconds;
    }

    /// Seconds that a request takes, and that each of its bytes adds.
    fn fit(&self) -> Option<(f64, f64)> {
        if self.count < ENOUGH {
            return None;
        }
        let mean = self.seconds / self.count;
        let spread = self.count * self.bytes_squared - self.bytes * self.bytes;
        // All of one length: nothing tells what a byte costs.
        if spread <= self.bytes_squared * 1e-6 {
            return Some((mean, 0.0));
        }
        let byte = (self.count * self.bytes_seconds - self.bytes * self.seconds) / spread;
        let byte = byte.clamp(0.0, mean * self.count / self.bytes);
        Some((mean - byte * self.bytes / self.count, byte))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cost that has learnt from many requests on a line with this latency, and these bytes in a second on each connection.
    fn learnt(latency: f64, rate: f64) -> Cost {
        let cost = Cost::default();
        for nth in 0..200 {
            let bytes = 4096 * (1 + nth % 97);
            cost.learn(bytes, Duration::from_secs_f64(latency + bytes as f64 / rate));
        }
        cost
    }

    #[test]
    fn a_gap_is_bridged_where_its_bytes_cost_less_than_a_request() {
        assert_eq!(Cost::default().bridge(), AT_FIRST);
        // Half of 10 ms at 10 MB/s are 50 kB.
        let bridge = learnt(0.010, 10e6).bridge();
        assert!((49_000..51_000).contains(&bridge), "{bridge}");
        assert_eq!(learnt(0.0, 10e6).bridge(), LEAST, "requests cost nothing");
        assert_eq!(learnt(0.100, 1e9).bridge(), MOST, "bytes cost nothing");
    }

    #[test]
    fn what_a_request_ought_to_take_follows() {
        assert_eq!(Cost::default().expected(1), None);
        let expected = learnt(0.010, 10e6).expected(1_000_000).unwrap().as_secs_f64();
        assert!((0.109..0.111).contains(&expected), "{expected}");
    }

    #[test]
    fn requests_of_one_length_tell_what_they_take_and_no_more() {
        let cost = Cost::default();
        for _ in 0..50 {
            cost.learn(512 << 10, Duration::from_millis(30));
        }
        assert_eq!(cost.expected(512 << 10).unwrap().as_millis(), 30);
        assert_eq!(cost.bridge(), MOST);
    }

    #[test]
    fn a_line_that_changes_is_learnt_anew() {
        let cost = learnt(0.001, 100e6);
        for nth in 0..300 {
            let bytes = 4096 * (1 + nth % 97);
            cost.learn(bytes, Duration::from_secs_f64(0.200 + bytes as f64 / 100e6));
        }
        assert_eq!(cost.bridge(), MOST);
    }
}
