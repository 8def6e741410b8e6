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
    /// Wait before the second look; each further wait is half as long again.
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
}
