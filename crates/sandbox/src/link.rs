//! The line to the sandbox: how far away it seems, how much goes over it, and whether it is encrypted.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

/// What the line is like.
#[derive(Clone, Copy, Debug, Default)]
pub struct Link {
    /// How long each answer takes beyond what it would.
    pub latency: Duration,
    /// How many bytes of bodies all connections together bring in a second; none is as many as there are.
    pub bytes_per_second: Option<u64>,
    /// Whether disks are opened at addresses without TLS. Whoever speaks no TLS is served in any case.
    pub plain_disks: bool,
}

/// Lets bytes pass at the line's rate.
#[derive(Debug)]
pub struct Gate {
    /// Time that a byte takes, in seconds.
    per_byte: Option<f64>,
    /// When the line is free again.
    free_at: Mutex<Option<Instant>>,
}

impl Gate {
    pub fn new(link: &Link) -> Self {
        Self { per_byte: link.bytes_per_second.map(|rate| 1.0 / rate.max(1) as f64), free_at: Mutex::default() }
    }

    /// Waits until `bytes` have come over the line.
    pub async fn pass(&self, bytes: usize) {
        let Some(per_byte) = self.per_byte else { return };
        let now = Instant::now();
        let over = {
            let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
            let start = free_at.map_or(now, |at| at.max(now));
            *free_at.insert(start + Duration::from_secs_f64(per_byte * bytes as f64))
        };
        sleep_until(over).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn as_much_passes_in_a_second_as_may() {
        let gate = Gate::new(&Link { bytes_per_second: Some(1000), ..Link::default() });
        let began = Instant::now();
        futures::future::join_all((0..10).map(|_| gate.pass(500))).await;
        assert_eq!(began.elapsed().as_secs(), 5);
        // A pause is no reason for a burst.
        tokio::time::advance(Duration::from_secs(60)).await;
        let after = Instant::now();
        gate.pass(2000).await;
        assert_eq!(after.elapsed().as_secs(), 2);
    }
}
