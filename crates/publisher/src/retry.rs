use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use crate::Error;

/// One budget for all retries of a run, so that a dying service is not asked for ever by every layer.
///
/// A retry costs ten units, and each request that succeeds gives one back: a long upload may retry one request in ten on
/// average. Full, it lets every chunk of the largest window use up all its attempts, so that an outage of a minute or two
/// is ridden out.
#[derive(Debug)]
pub struct RetryBudget(AtomicU32);

const FULL: u32 = COST * ATTEMPTS * LARGEST_WINDOW;
const COST: u32 = 10;
const LARGEST_WINDOW: u32 = 96;

/// How often one request is tried at the most. Together the waits are two minutes at least: so long a service may not know
/// what it has just made, as EBS says of its snapshots.
pub(crate) const ATTEMPTS: u32 = 19;
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(20);
/// A service that asks for more patience than this is waited for no longer than this.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(120);

impl Default for RetryBudget {
    fn default() -> Self {
        Self(AtomicU32::new(FULL))
    }
}

impl RetryBudget {
    /// Takes one retry out; false when nothing is left.
    pub fn take(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(COST)).is_ok()
    }

    /// Whether there is enough in it for what is not necessary.
    pub fn is_ample(&self) -> bool {
        self.0.load(Ordering::Relaxed) > FULL / 2
    }

    /// Notes a request that succeeded.
    pub fn succeeded(&self) {
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| (left < FULL).then_some(left + 1));
    }
}

/// How long to wait before attempt `next` (the second is 2): what the service asked for, or a random part of a time that
/// doubles, so that many workers do not come back at once.
pub(crate) fn wait_before(next: u32, error: &Error) -> Duration {
    let ceiling = FIRST_WAIT.saturating_mul(1 << next.saturating_sub(2).min(16)).min(LONGEST_WAIT);
    let jittered = ceiling.mul_f64(0.5 + fastrand::f64() / 2.0);
    error.retry_after().map_or(jittered, |asked| asked.min(LONGEST_RETRY_AFTER).max(jittered.min(FIRST_WAIT)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    #[test]
    fn the_budget_ends_and_success_refills_it() {
        let budget = RetryBudget::default();
        assert_eq!((0..2000).filter(|_| budget.take()).count(), 1824);
        for _ in 0..10 {
            assert!(!budget.take());
            budget.succeeded();
        }
        assert!(budget.take());
    }

    #[test]
    fn waits_double_up_to_a_ceiling_and_the_service_is_obeyed() {
        let error = Error::new(Kind::Transient, "x");
        for (attempt, at_most) in [(2, 200), (3, 400), (5, 1600), (30, 20_000)] {
            let wait = wait_before(attempt, &error);
            assert!(wait <= Duration::from_millis(at_most) && wait >= Duration::from_millis(at_most / 2), "{wait:?}");
        }
        let shortest: Duration =
            (2..=ATTEMPTS).map(|attempt| FIRST_WAIT.saturating_mul(1 << (attempt - 2)).min(LONGEST_WAIT) / 2).sum();
        assert!(shortest >= Duration::from_secs(120), "{shortest:?}");
        let asked = Error::new(Kind::Throttled, "x").with_retry_after(Some(Duration::from_secs(7)));
        assert_eq!(wait_before(2, &asked), Duration::from_secs(7));
    }
}
