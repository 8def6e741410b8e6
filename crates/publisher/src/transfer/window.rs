use std::{sync::Mutex, time::Duration};

use tokio::time::{Instant, sleep_until};

use super::Limits;

/// How many chunks may be on their way: one more for each window that went well, half when the service throttles. And when
/// the next may begin, where only so many may in a second.
#[derive(Debug)]
pub struct Window {
    state: Mutex<State>,
    most: f64,
    /// Time from one beginning to the next.
    apart: Option<Duration>,
}

#[derive(Debug)]
struct State {
    size: f64,
    /// Everything in flight at a throttle fails together; that is one reason to halve and not many.
    halved: Option<Instant>,
    /// When the next chunk may begin.
    next: Instant,
}

const ONE_REASON: Duration = Duration::from_secs(1);

impl Window {
    pub fn new(limits: Limits) -> Self {
        let start = limits.start.max(1) as f64;
        let apart = limits.per_second.map(|many| Duration::from_secs(1) / many.max(1));
        let state = State { size: start, halved: None, next: Instant::now() };
        Self { state: Mutex::new(state), most: limits.most.max(limits.start) as f64, apart }
    }

    pub fn size(&self) -> usize {
        self.with(|state| state.size as usize)
    }

    /// Waits until another chunk may begin. Time in which none began is not made up for.
    pub async fn turn(&self) {
        let Some(apart) = self.apart else { return };
        let now = Instant::now();
        let at = self.with(|state| {
            let at = state.next.max(now);
            state.next = at + apart;
            at
        });
        sleep_until(at).await;
    }

    pub fn succeeded(&self) {
        self.with(|state| state.size = (state.size + 1.0 / state.size).min(self.most));
    }

    pub fn throttled(&self) {
        let now = Instant::now();
        self.with(|state| {
            if state.halved.is_none_or(|at| now - at >= ONE_REASON) {
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

    #[tokio::test(start_paused = true)]
    async fn it_grows_by_one_a_window_and_halves_once_a_burst() {
        let window = Window::new(Limits { start: 8, most: 10, per_second: None });
        for _ in 0..8 {
            window.succeeded();
        }
        assert_eq!(window.size(), 8, "nearly nine");
        window.succeeded();
        assert_eq!(window.size(), 9);
        for _ in 0..100 {
            window.succeeded();
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
    async fn no_more_begin_in_a_second_than_may() {
        let window = Window::new(Limits { start: 8, most: 8, per_second: Some(100) });
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
}
