use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::Instant;

/// The time that long operations run by. It follows the runtime's, which is real time where nothing has paused it, and a test can
/// push it forward.
#[derive(Debug)]
pub struct Clock {
    started: Instant,
    began: jiff::Timestamp,
    ahead: AtomicU64,
}

impl Default for Clock {
    fn default() -> Self {
        Self { started: Instant::now(), began: jiff::Timestamp::now(), ahead: AtomicU64::new(0) }
    }
}

impl Clock {
    /// Time since the sandbox was started.
    pub fn now(&self) -> Duration {
        self.started.elapsed() + Duration::from_millis(self.ahead.load(Ordering::Relaxed))
    }

    /// The date of a time since the sandbox was started.
    pub fn date(&self, since_start: Duration) -> jiff::Timestamp {
        self.began.saturating_add(since_start).unwrap_or(self.began)
    }

    /// Pushes time forward.
    pub fn advance(&self, by: Duration) {
        self.ahead.fetch_add(by.as_millis() as u64, Ordering::Relaxed);
    }
}

/// How long the long operations take.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// An ARM operation, such as creating a disk.
    pub arm: Duration,
    /// Bringing a gallery version to a region; each further region takes half as long again.
    pub replication: Duration,
    /// Importing a snapshot.
    pub import: Duration,
    /// Completing a snapshot or registering an image.
    pub snapshot: Duration,
    /// Copying an image to a region.
    pub copy: Duration,
    /// Looking whether a parameter names an AMI.
    pub parameter: Duration,
    /// What ARM says in `Retry-After`, in seconds. `az` sleeps for half a minute where there is none.
    pub retry_after: Option<u64>,
}

impl Pace {
    /// Everything is over when it is first looked at.
    #[must_use]
    pub fn instant() -> Self {
        let zero = Duration::ZERO;
        Self {
            arm: zero,
            replication: zero,
            import: zero,
            snapshot: zero,
            copy: zero,
            parameter: zero,
            retry_after: None,
        }
    }

    /// A pace that people can watch.
    #[must_use]
    pub fn live() -> Self {
        let ms = Duration::from_millis;
        Self {
            arm: ms(300),
            replication: ms(2000),
            import: ms(1500),
            snapshot: ms(700),
            copy: ms(2000),
            parameter: ms(300),
            retry_after: Some(1),
        }
    }
}
