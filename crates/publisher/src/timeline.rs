use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{StageReport, WaitReport};

/// Where the time of a run goes: its stages follow one another, so together they are its critical path; and what each waited for
/// the cloud to do.
#[derive(Debug)]
pub(crate) struct Timeline(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    /// When the stage that is under way began.
    since: Instant,
    /// What it is called, once that has been said.
    stage: Option<&'static str>,
    stages: Vec<StageReport>,
    waits: Vec<WaitReport>,
}

/// Shorter waits are none: the cloud was there at the first look.
const SHORTEST: Duration = Duration::from_millis(10);

impl Default for Timeline {
    fn default() -> Self {
        Self(Mutex::new(Inner { since: Instant::now(), stage: None, stages: Vec::new(), waits: Vec::new() }))
    }
}

impl Timeline {
    /// Notes when the first stage began.
    pub fn begins(&self, at: Instant) {
        self.lock().since = at;
    }

    /// Names the stage that is under way.
    pub fn starts(&self, stage: &'static str) {
        self.lock().stage = Some(stage);
    }

    /// Notes that the work is over: a stage that was left in its middle ends here.
    pub fn is_over(&self) {
        let stage = self.lock().stage;
        if let Some(stage) = stage {
            self.ends(stage);
        }
    }

    /// Notes a wait in the stage that is under way. The same for many regions at once is as long as the longest.
    pub fn waited(&self, what: &str, time: Duration) {
        if time < SHORTEST {
            return;
        }
        let mut inner = self.lock();
        let seconds = time.as_secs_f64();
        match inner.waits.iter_mut().find(|wait| wait.what == what) {
            Some(wait) => wait.seconds = wait.seconds.max(seconds),
            None => inner.waits.push(WaitReport { what: what.to_owned(), seconds }),
        }
    }

    /// Notes that the stage which began where the last one ended is over, or has come to its end otherwise.
    pub fn ends(&self, stage: &'static str) {
        let mut inner = self.lock();
        let now = Instant::now();
        let seconds = (now - inner.since).as_secs_f64();
        (inner.since, inner.stage) = (now, None);
        let mut waits = std::mem::take(&mut inner.waits);
        waits.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
        inner.stages.push(StageReport { stage, seconds, waits });
    }

    pub fn report(&self) -> Vec<StageReport> {
        self.lock().stages.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn stages_follow_one_another_and_waits_belong_to_them() {
        let timeline = Timeline::default();
        tokio::time::advance(Duration::from_secs(2)).await;
        timeline.ends("preflight");
        timeline.waited("copying", Duration::from_secs(1));
        timeline.waited("completing", Duration::from_secs(4));
        timeline.waited("copying", Duration::from_secs(3));
        timeline.waited("looking", Duration::from_millis(1));
        tokio::time::advance(Duration::from_secs(5)).await;
        timeline.ends("import");
        timeline.starts("register");
        tokio::time::advance(Duration::from_secs(1)).await;
        timeline.is_over();
        timeline.is_over();
        let report = timeline.report();
        let times: Vec<_> = report.iter().map(|stage| (stage.stage, stage.seconds)).collect();
        assert_eq!(times, [("preflight", 2.0), ("import", 5.0), ("register", 1.0)]);
        let waits: Vec<_> = report[1].waits.iter().map(|wait| (wait.what.as_str(), wait.seconds)).collect();
        assert_eq!(waits, [("completing", 4.0), ("copying", 3.0)]);
    }
}
