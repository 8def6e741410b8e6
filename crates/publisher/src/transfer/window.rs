use std::{sync::Mutex, time::Duration};

use tokio::time::Instant;

use super::Limits;

/// How many chunks may be on their way: one more for each window that went well, half when the service throttles.
#[derive(Debug)]
pub struct Window {
    state: Mutex<State>,
    most: f64,
}

#[derive(Debug)]
struct State {
    size: f64,
    /// Everything in flight at a throttle fails together; that is one reason to halve and not many.
    halved: Option<Instant>,
}

const ONE_REASON: Duration = Duration::from_secs(1);

impl Window {
    pub fn new(limits: Limits) -> Self {
        let start = limits.start.max(1) as f64;
        Self { state: Mutex::new(State { size: start, halved: None }), most: limits.most.max(limits.start) as f64 }
    }

    pub fn size(&self) -> usize {
        self.with(|state| state.size as usize)
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
        let window = Window::new(Limits { start: 8, most: 10 });
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
}
