use std::{path::PathBuf, sync::Arc, time::Duration};

use tokio::{
    sync::{Mutex, Semaphore},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{
    CloudName, Durable, Error, Event, Kind, Mode, Poll, Reporter, Result, RetryBudget, RunKey, Schedule,
    journal::{Journal, UndoId, When},
    retry,
    transfer::Totals,
};

/// Memory that all transfers of a process together may hold in buffers, in KiB: sixteen of Azure's largest pages. The HTTP clients copy a body once more to
/// encrypt it and the allocator keeps some of what is freed, so a process peaks at some times this.
pub(crate) const BUFFER_KIB: usize = 64 << 10;

/// What all runs of a process share.
#[derive(Clone, Debug)]
pub struct Runtime {
    /// Where events go.
    pub reporter: Arc<dyn Reporter>,
    /// Cancelled when the user ends the run.
    pub cancel: CancellationToken,
    /// Where journals are kept; none keeps them in memory alone.
    pub state_dir: Option<PathBuf>,
    /// Whether what a run has made stays when it fails, to be looked at. Accesses are closed, and what only an upload needed
    /// goes, all the same; the next run of the same image takes back the rest.
    pub keep: bool,
    /// One permit for each KiB of buffer.
    pub(crate) buffers: Arc<Semaphore>,
}

impl Runtime {
    /// A runtime that keeps its journals under `state_dir`.
    #[must_use]
    pub fn new(reporter: Arc<dyn Reporter>, state_dir: Option<PathBuf>) -> Self {
        let buffers = Arc::new(Semaphore::new(BUFFER_KIB));
        Self { reporter, cancel: CancellationToken::new(), state_dir, keep: false, buffers }
    }

    /// The same, with or without keeping what a run that fails has made.
    #[must_use]
    pub fn keeping(self, keep: bool) -> Self {
        Self { keep, ..self }
    }
}

/// What a stage works with: its run's key, journal, retry budget and events. A clone is the same context.
#[derive(Clone, Debug)]
pub struct Cx<U> {
    cloud: CloudName,
    run: RunKey,
    runtime: Runtime,
    mode: Mode,
    budget: Arc<RetryBudget>,
    journal: Arc<Mutex<Journal<U>>>,
    pub(crate) totals: Arc<Totals>,
}

impl<U: Durable> Cx<U> {
    pub(crate) fn new(cloud: CloudName, run: RunKey, runtime: Runtime, mode: Mode, journal: Journal<U>) -> Self {
        Self {
            cloud,
            run,
            runtime,
            mode,
            budget: Arc::default(),
            journal: Arc::new(Mutex::new(journal)),
            totals: Arc::default(),
        }
    }

    /// A context for taking things back: it shares the journal, and neither the cancellation nor a spent budget of the run
    /// that it cleans up after.
    pub(crate) fn for_unwinding(&self) -> Self {
        Self {
            cloud: self.cloud,
            run: self.run.clone(),
            runtime: Runtime { cancel: CancellationToken::new(), ..self.runtime.clone() },
            mode: self.mode,
            budget: Arc::default(),
            journal: self.journal.clone(),
            totals: Arc::default(),
        }
    }

    /// The run's key.
    #[must_use]
    pub fn run(&self) -> &RunKey {
        &self.run
    }

    /// Whether nothing is to be done but to look.
    #[must_use]
    pub fn plans(&self) -> bool {
        self.mode == Mode::Plan
    }

    /// Whether the run waits until the image is everywhere, and not only until the cloud has accepted that.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.mode != Mode::Submit
    }

    /// Reports an event of this cloud.
    pub fn emit(&self, event: Event) {
        self.runtime.reporter.report(self.cloud, event);
    }

    pub(crate) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    pub(crate) fn budget(&self) -> &RetryBudget {
        &self.budget
    }

    pub(crate) async fn journal(&self) -> tokio::sync::MutexGuard<'_, Journal<U>> {
        self.journal.lock().await
    }

    /// Notes an undo that has to happen at the end of the run, however it ends. On disk when this returns.
    ///
    /// # Errors
    /// [`Kind::Local`] if the journal cannot be written; the act must then not be done.
    pub async fn always(&self, undo: U) -> Result<UndoId> {
        self.journal().await.defer(When::Always, undo).await
    }

    /// Notes an undo for the case that the run fails. On disk when this returns.
    ///
    /// # Errors
    /// [`Kind::Local`] if the journal cannot be written; the act must then not be done.
    pub async fn on_failure(&self, undo: U) -> Result<UndoId> {
        self.journal().await.defer(When::OnFailure, undo).await
    }

    /// Notes that undos are no longer needed, because the stage has done them itself or what they would take back now
    /// belongs to the user. All of them at once: no cut-off lies between two.
    ///
    /// # Errors
    /// [`Kind::Local`] if the journal cannot be written.
    pub async fn settle(&self, undos: impl IntoIterator<Item = UndoId> + Send) -> Result<()> {
        let undos = undos.into_iter().collect();
        self.journal().await.settle(undos).await
    }

    /// Calls `request` until it succeeds, fails for good, or the budget is spent. `what` names it in events, as
    /// "creating the disk".
    ///
    /// # Errors
    /// The last failure; its kind stays what the backend said.
    pub async fn retry<T, F, R>(&self, what: &str, mut request: F) -> Result<T>
    where
        F: FnMut() -> R + Send,
        R: Future<Output = Result<T>> + Send,
    {
        let mut attempt = 1;
        loop {
            match request().await {
                Ok(value) => {
                    self.budget.succeeded();
                    return Ok(value);
                }
                Err(error) => {
                    attempt += 1;
                    self.wait_to_retry(what, attempt, error).await?;
                }
            }
        }
    }

    /// Waits before attempt `next`, or gives the error back if there is to be none.
    pub(crate) async fn wait_to_retry(&self, what: &str, next: u32, error: Error) -> Result<()> {
        if !error.kind().is_retryable() {
            return Err(error);
        }
        if next > retry::ATTEMPTS {
            return Err(error.context(format!("gave up {what} after {} attempts", next - 1)));
        }
        if !self.budget.take() {
            return Err(error.context(format!("gave up {what}: too many requests of this run have failed")));
        }
        let wait = retry::wait_before(next, &error);
        self.emit(Event::Retrying { what: what.to_owned(), attempt: next, wait, error: error.in_full() });
        self.sleep(wait).await
    }

    /// Looks at a long operation until it is over. Failures of a look that may pass are retried; every other ends it.
    ///
    /// # Errors
    /// What `look` gives, [`Kind::TimedOut`] past the schedule's deadline, [`Kind::Cancelled`].
    pub async fn poll<T, F, R>(&self, what: &str, schedule: Schedule, mut look: F) -> Result<T>
    where
        F: FnMut() -> R + Send,
        R: Future<Output = Result<Poll<T>>> + Send,
    {
        let give_up = Instant::now() + schedule.deadline;
        let mut wait = schedule.first;
        let mut told = None;
        loop {
            let (percent, asked) = match self.retry(what, &mut look).await? {
                Poll::Ready(value) => return Ok(value),
                Poll::Pending { percent, retry_after } => (percent, retry_after),
            };
            if told != Some(percent) {
                self.emit(Event::Waiting { what: what.to_owned(), percent });
                told = Some(percent);
            }
            if Instant::now() >= give_up {
                let seconds = schedule.deadline.as_secs();
                return Err(Error::new(Kind::TimedOut, format!("gave up {what} after {seconds} seconds")));
            }
            self.sleep(asked.unwrap_or(wait)).await?;
            wait = wait.mul_f32(1.5).min(schedule.longest);
        }
    }

    /// Sleeps, or ends at once when the run is cancelled.
    ///
    /// # Errors
    /// [`Kind::Cancelled`].
    pub async fn sleep(&self, time: Duration) -> Result<()> {
        tokio::select! {
            () = tokio::time::sleep(time) => Ok(()),
            () = self.runtime.cancel.cancelled() => Err(Error::cancelled()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Silent;

    #[tokio::test(start_paused = true)]
    async fn what_is_never_over_is_given_up_at_its_deadline() {
        let runtime = Runtime::new(Arc::new(Silent), None);
        let journal = Journal::<String>::in_memory();
        let cx = Cx::new(CloudName("x"), RunKey::new([]), runtime, Mode::Publish, journal);
        let began = Instant::now();
        let schedule = Schedule::new(Duration::from_secs(10), Duration::from_secs(600));
        let look = || async { Ok(Poll::<()>::Pending { percent: None, retry_after: None }) };
        let error = cx.poll("waiting for nothing", schedule, look).await.unwrap_err();
        assert_eq!(error.kind(), Kind::TimedOut);
        assert_eq!(error.to_string(), "gave up waiting for nothing after 600 seconds");
        let waited = began.elapsed().as_secs();
        assert!((600..=610).contains(&waited), "{waited}");
    }
}
