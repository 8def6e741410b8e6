use std::{sync::Mutex, time::Duration};

use tokio::time::{Instant, sleep_until};

use super::{Limits, Pace};

/// How many chunks may be on their way: soon all that may be, half when the service throttles, then soon again most of what it was,
/// and one more for each window that goes well. And when the next may begin, where only so many may in a second.
#[derive(Debug)]
pub struct Window {
    state: Mutex<State>,
    most: f64,
    pace: Pace,
}

#[derive(Debug)]
struct State {
    size: f64,
    /// Up to this, each chunk that goes well makes room for another: all that there may be, until the service has shown what it does not
    /// take.
    soon: f64,
    /// Everything in flight at a throttle fails together; that is one reason to halve and not many.
    halved: Option<Instant>,
    /// When the next chunk may begin.
    next: Instant,
    /// What became of the chunks of the second that is under way.
    second: Second,
    /// Whether the service has refused too many for chance.
    is_refusing: bool,
}

#[derive(Debug)]
struct Second {
    began: Instant,
    chunks: u32,
    refused: u32,
}

impl Second {
    fn new() -> Self {
        Self { began: Instant::now(), chunks: 0, refused: 0 }
    }

    /// Counts a chunk that was taken or refused.
    fn count(&mut self, is_refused: bool) {
        if self.began.elapsed() >= ONE_REASON {
            *self = Self::new();
        }
        self.chunks += 1;
        self.refused += u32::from(is_refused);
    }
}

/// For how long all refusals are one, and how long refusals are counted.
const ONE_REASON: Duration = Duration::from_secs(1);
/// One chunk in so many that is refused may be chance: a partition of the service that is moved, a burst of somebody else's.
const CHANCE: u32 = 20;
/// And so few are, however few there are in all.
const FEW: u32 = 3;
/// The share of a window that was too large which is taken up again soon.
const SOON: f64 = 0.8;

impl Window {
    pub fn new(limits: Limits) -> Self {
        let size = limits.start.max(1) as f64;
        let (next, second) = (Instant::now(), Second::new());
        let most = limits.most.max(limits.start) as f64;
        let state = State { size, soon: most, halved: None, next, second, is_refusing: false };
        Self { state: Mutex::new(state), most, pace: limits.pace }
    }

    pub fn size(&self) -> usize {
        self.with(|state| state.size as usize)
    }

    /// Waits until another chunk may begin. Time in which none began is not made up for.
    pub async fn turn(&self) {
        let now = Instant::now();
        let at = self.with(|state| {
            let per_second = match self.pace {
                Pace::PerSecond(many) => many,
                Pace::PerSecondOnceThrottled(many) if state.is_refusing => many,
                _ => return None,
            };
            let at = state.next.max(now);
            state.next = at + Duration::from_secs(1) / per_second.max(1);
            Some(at)
        });
        if let Some(at) = at {
            sleep_until(at).await;
        }
    }

    /// Notes that a chunk which began then went well.
    pub fn succeeded(&self, began: Instant) {
        self.with(|state| {
            state.second.count(false);
            // What began before says nothing of the window that there is now.
            if state.halved.is_some_and(|at| began < at) {
                return;
            }
            let more = if state.size < state.soon { 1.0 } else { 1.0 / state.size };
            state.size = (state.size + more).min(self.most);
        });
    }

    pub fn throttled(&self) {
        let now = Instant::now();
        self.with(|state| {
            state.second.count(true);
            let Second { chunks, refused, .. } = state.second;
            state.is_refusing |= refused > FEW && refused > chunks / CHANCE;
            if state.halved.is_none_or(|at| now - at >= ONE_REASON) {
                state.soon = state.size * SOON;
                state.size = (state.size / 2.0).max(1.0);
                state.halved = Some(now);
            }
        });
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(start: usize, most: usize, pace: Pace) -> Window {
        Window::new(Limits { start, most, pace })
    }

    #[tokio::test(start_paused = true)]
    async fn it_grows_while_all_goes_well_and_halves_once_a_burst() {
        let window = window(8, 10, Pace::Free);
        window.succeeded(Instant::now());
        assert_eq!(window.size(), 9);
        for _ in 0..100 {
            window.succeeded(Instant::now());
        }
        assert_eq!(window.size(), 10);
        for _ in 0..10 {
            window.throttled();
        }
        assert_eq!(window.size(), 5);
        tokio::time::advance(ONE_REASON).await;
        for _ in 0..9 {
            window.throttled();
            tokio::time::advance(ONE_REASON).await;
        }
        assert_eq!(window.size(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn most_of_what_it_was_comes_back_soon_and_the_rest_with_care() {
        let window = window(20, 20, Pace::Free);
        let before = Instant::now();
        tokio::time::advance(ONE_REASON).await;
        window.throttled();
        window.succeeded(before);
        assert_eq!(window.size(), 10, "what was on its way with what was throttled is no sign of health");
        for _ in 0..6 {
            window.succeeded(Instant::now());
        }
        assert_eq!(window.size(), 16);
        for _ in 0..15 {
            window.succeeded(Instant::now());
        }
        assert_eq!(window.size(), 16, "nearly seventeen");
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_begin_in_a_second_than_may() {
        let window = window(8, 8, Pace::PerSecond(100));
        let began = Instant::now();
        for _ in 0..=50 {
            window.turn().await;
        }
        // The clock has whole milliseconds.
        let took = began.elapsed();
        assert!(took >= Duration::from_millis(500) && took <= Duration::from_millis(510), "{took:?}");
        // A pause is no reason for a burst.
        tokio::time::advance(Duration::from_secs(10)).await;
        let after = Instant::now();
        for _ in 0..=10 {
            window.turn().await;
        }
        assert!(after.elapsed() >= Duration::from_millis(100), "{:?}", after.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_that_the_service_may_not_have_counts_once_it_throttles() {
        let window = window(8, 8, Pace::PerSecondOnceThrottled(100));
        let began = Instant::now();
        for _ in 0..1000 {
            window.turn().await;
        }
        for _ in 0..1000 {
            window.succeeded(Instant::now());
        }
        for _ in 0..1000 / CHANCE {
            window.throttled();
        }
        window.turn().await;
        assert!(began.elapsed().is_zero(), "that was chance");
        for _ in 0..4 {
            window.throttled();
        }
        for _ in 0..=50 {
            window.turn().await;
        }
        assert!(began.elapsed() >= Duration::from_millis(500), "{:?}", began.elapsed());
    }
}
