use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError},
    time::Duration,
};

use tokio::{sync::Mutex, time::Instant};
use tokio_util::sync::CancellationToken;
use vhd::Extent;

use crate::{
    CloudName, Durable, Error, Event, Kind, Mode, Poll, Result, RetryBudget, RunKey, Runtime, Schedule,
    journal::{Journal, UndoId, When},
    retry,
    timeline::Timeline,
    transfer::Totals,
};

/// What a stage works with: its run's key, journal, retry budget and events. A clone is the same context.
#[derive(Clone, Debug)]
pub struct Cx<U> {
    cloud: CloudName,
    run: RunKey,
    runtime: Runtime,
    cancel: CancellationToken,
    mode: Mode,
    budget: Arc<RetryBudget>,
    journal: Arc<Mutex<Journal<U>>>,
    notes: Arc<Notes>,
    pub(crate) timeline: Arc<Timeline>,
    pub(crate) totals: Arc<Totals>,
}

/// What is to be noted of ranges that were sent, by the name of where.
#[derive(Debug, Default)]
struct Notes(std::sync::Mutex<BTreeMap<String, Vec<Extent>>>);

impl Notes {
    fn add(&self, to: &str, range: Extent) {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match notes.get_mut(to) {
            Some(ranges) => ranges.push(range),
            None => drop(notes.insert(to.to_owned(), vec![range])),
        }
    }

    fn take(&self) -> BTreeMap<String, Vec<Extent>> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<U: Durable> Cx<U> {
    pub(crate) fn new(cloud: CloudName, run: RunKey, runtime: Runtime, mode: Mode, journal: Journal<U>) -> Self {
        Self {
            cloud,
            run,
            cancel: runtime.cancel.child_token(),
            runtime,
            mode,
            budget: Arc::default(),
            journal: Arc::new(Mutex::new(journal)),
            notes: Arc::default(),
            timeline: Arc::default(),
            totals: Arc::default(),
        }
    }

    /// A context for taking things back: it shares the journal, and neither the cancellation nor a spent budget of the run
    /// that it cleans up after.
    pub(crate) fn for_unwinding(&self) -> Self {
        Self {
            cloud: self.cloud,
            run: self.run.clone(),
            runtime: self.runtime.clone(),
            cancel: CancellationToken::new(),
            mode: self.mode,
            budget: Arc::default(),
            journal: self.journal.clone(),
            notes: self.notes.clone(),
            timeline: self.timeline.clone(),
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

    /// Told when the run is to end: the user wants it to, or its time is up.
    pub(crate) fn cancel(&self) -> &CancellationToken {
        &self.cancel
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

    /// Notes that `to`, which is named as it will be found again, holds a range of what is sent. For what no cloud tells of
    /// itself.
    ///
    /// # Errors
    /// [`Kind::Local`] if the journal cannot be written.
    pub async fn note_sent(&self, to: &str, range: Extent) -> Result<()> {
        self.notes.add(to, range);
        let journal = self.journal().await;
        // Whoever comes first writes for all that have come meanwhile, who then find nothing to write. Should that fail, the run
        // does, and what was not noted is only sent again.
        match self.notes.take() {
            notes if notes.is_empty() => Ok(()),
            notes => journal.note_sent(notes).await,
        }
    }

    /// What runs of this key that were killed have noted to be in `to`, in the order in which it got there.
    pub async fn sent(&self, to: &str) -> Vec<Extent> {
        self.journal().await.sent(to)
    }

    /// Calls `request` until it succeeds, fails for good, or the budget is spent. `what` names it in events, as
    /// "creating the disk".
    ///
    /// # Errors
    /// The last failure; its kind stays what the backend said. [`Kind::Cancelled`] if the run is to end: a request that was
    /// sent is waited for, and none follows it.
    pub async fn retry<T, F, R>(&self, what: &str, mut request: F) -> Result<T>
    where
        F: FnMut() -> R + Send,
        R: Future<Output = Result<T>> + Send,
    {
        let mut attempt = 1;
        loop {
            self.check_cancelled()?;
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
        let began = Instant::now();
        let give_up = began + schedule.deadline;
        let mut told = None;
        loop {
            let (percent, asked) = match self.retry(what, &mut look).await? {
                Poll::Ready(value) => {
                    self.timeline.waited(what, began.elapsed());
                    return Ok(value);
                }
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
            self.sleep(schedule.wait(began.elapsed(), asked)).await?;
        }
    }

    /// That the run is not to end.
    ///
    /// # Errors
    /// [`Kind::Cancelled`].
    pub(crate) fn check_cancelled(&self) -> Result<()> {
        if self.cancel.is_cancelled() { Err(Error::cancelled()) } else { Ok(()) }
    }

    /// Sleeps, or ends at once when the run is cancelled.
    ///
    /// # Errors
    /// [`Kind::Cancelled`].
    pub async fn sleep(&self, time: Duration) -> Result<()> {
        tokio::select! {
            () = tokio::time::sleep(time) => Ok(()),
            () = self.cancel.cancelled() => Err(Error::cancelled()),
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
