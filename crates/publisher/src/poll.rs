use std::time::Duration;

/// What one look at a long operation showed.
#[derive(Debug)]
pub enum Poll<T> {
    /// It is over.
    Ready(T),
    /// It is still going on.
    Pending {
        /// How far it is, where the service tells.
        percent: Option<u8>,
        /// When the service wants to be asked again, where it tells.
        retry_after: Option<Duration>,
    },
}

/// How often to look, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// Wait before the second look; each further wait is a tenth of the time that has passed, so that the end is seen at most so much
    /// late.
    pub first: Duration,
    /// Longest wait between two looks.
    pub longest: Duration,
    /// When to give up.
    pub deadline: Duration,
}

impl Schedule {
    /// Quick at first, then every `longest`, for at most `deadline`.
    #[must_use]
    pub fn new(longest: Duration, deadline: Duration) -> Self {
        Self { first: Duration::from_millis(250), longest, deadline }
    }

    /// How long to wait after a look that showed no end, when so much time has passed, and the service may have said when it wants to
    /// be asked again. Many operations are over before the first such time: at first it is not what counts.
    pub(crate) fn wait(&self, passed: Duration, asked: Option<Duration>) -> Duration {
        let own = (passed / PART).clamp(self.first.min(self.longest), self.longest);
        match asked {
            Some(asked) if passed < QUICK => asked.min(own).max(self.first),
            Some(asked) => asked.max(self.first),
            None => own,
        }
    }
}

/// The part of the time that has passed which is waited for more.
const PART: u32 = 10;
/// So long at first the service is asked as often as seems good.
const QUICK: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_quick_at_first_and_then_as_the_service_says() {
        let schedule = Schedule::new(Duration::from_secs(30), Duration::from_secs(3600));
        let wait = |passed: f64, asked: Option<u64>| {
            schedule.wait(Duration::from_secs_f64(passed), asked.map(Duration::from_secs)).as_secs_f64()
        };
        assert_eq!([wait(0.0, None), wait(2.0, None), wait(60.0, None), wait(900.0, None)], [0.25, 0.25, 6.0, 30.0]);
        assert_eq!([wait(0.0, Some(15)), wait(4.9, Some(15)), wait(5.0, Some(15))], [0.25, 0.49, 15.0]);
        assert_eq!(wait(60.0, Some(1)), 1.0);
        assert_eq!([wait(0.0, Some(0)), wait(60.0, Some(0))], [0.25, 0.25], "never without a pause");
    }
}
