//! Taking back what must not stay.

use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};

use super::Pipeline;
use crate::{
    Backend, Cleanup, Cx, Error, Event, Kind, Result, Status,
    journal::{Pending, When},
    retry,
};

/// How long taking back may take, all together.
const DEADLINE: Duration = Duration::from_secs(300);
/// How long one act of it may take: one that takes for ever leaves the others their time.
const ONE: Duration = Duration::from_secs(120);

impl<B: Backend> Pipeline<B> {
    /// Does the undos that are due and closes the journal. A run that never got past its checks has nothing to remember, and
    /// what a killed one has left waits for the next.
    pub(super) async fn finish(&self, cx: &Cx<B::Undo>, result: &Result<Status>) {
        if !cx.journal().await.is_under_way() {
            self.name_what_waits(cx).await;
            return;
        }
        let failed = result.is_err();
        let takes_back = failed && !cx.runtime().keep;
        self.unwind(cx, |act| takes_back || act.when == When::Always).await;
        if failed && cx.runtime().keep {
            for kept in cx.journal().await.pending().iter().filter(|pending| pending.when == When::OnFailure) {
                let message =
                    format!("kept: {}, if it was made; the next run of the same image takes it back", kept.undo);
                cx.emit(Event::Warning { message });
            }
        }
        let outcome = match result {
            Ok(_) => "done",
            Err(error) if error.kind() == Kind::Cancelled => "interrupted",
            Err(_) => "failed",
        };
        if let Err(error) = cx.journal().await.run_done(outcome).await {
            cx.emit(Event::Warning { message: error.in_full() });
        }
        cx.runtime().begun.ends(cx.run());
    }

    async fn name_what_waits(&self, cx: &Cx<B::Undo>) {
        let due = cx.journal().await.pending().len();
        if due > 0 {
            let run = cx.run();
            let message =
                format!("an earlier run was cut off and has left {due} acts to take back: publish cleanup {run}");
            cx.emit(Event::Warning { message });
        }
    }

    /// Takes back all that is pending, but no image that is there: another machine may have found it and published it.
    pub(super) async fn take_back(&self, cx: &Cx<B::Undo>) -> Result<Cleanup> {
        let mut is_registered = cx.journal().await.is_registered();
        // Not in the head of the loop, which would hold the journal for as long as it goes on.
        let pending = cx.journal().await.pending().to_vec();
        for act in pending {
            if act.when == When::OnFailure && self.backend.is_registered(cx, &act.undo).await? {
                cx.journal().await.succeeded().await?;
                is_registered = true;
                break;
            }
        }
        let due = cx.journal().await.pending().len();
        self.unwind(cx, |_| true).await;
        let left = cx.journal().await.pending().len();
        // Where the image is there, only what was needed on the way has gone, and the run is what it was.
        if left == 0 && due > 0 && !is_registered {
            cx.journal().await.run_done("cleaned_up").await?;
        }
        Ok(Cleanup { undone: due - left, left })
    }

    /// Does the pending undos, the newest first, each until it succeeds or its time is up. What fails stays in the journal and
    /// is named.
    pub(super) async fn unwind(&self, cx: &Cx<B::Undo>, is_due: impl Fn(&Pending<B::Undo>) -> bool) {
        let due: Vec<_> = cx.journal().await.pending().iter().filter(|act| is_due(act)).cloned().collect();
        if due.is_empty() {
            return;
        }
        let (steps, give_up) = (due.len(), Instant::now() + DEADLINE);
        cx.emit(Event::Unwinding { steps });
        let cx = &cx.for_unwinding();
        for (before, act) in due.into_iter().rev().enumerate() {
            cx.emit(Event::Undoing { step: before + 1, steps, what: act.undo.to_string() });
            let undone = timeout_at(give_up, timeout(ONE, self.undo_until_done(cx, &act.undo))).await;
            match undone.unwrap_or_else(|_| Ok(Err(late()))).unwrap_or_else(|_| Err(late())) {
                Ok(()) => {
                    // It is gone, whether that can be noted or not; the next run finds that out for itself.
                    if let Err(error) = cx.journal().await.undone(act.id).await {
                        cx.emit(Event::Warning { message: error.in_full() });
                    }
                }
                Err(error) => {
                    let (undo, reason) = (&act.undo, error.in_full());
                    let message = format!("left behind: {undo}: {reason}; publishing again from here takes it back");
                    cx.emit(Event::Warning { message });
                }
            }
        }
    }

    /// Retries by itself: the run may be cancelled and its budget spent, and the undo is due all the same.
    async fn undo_until_done(&self, cx: &Cx<B::Undo>, undo: &B::Undo) -> Result<()> {
        let mut attempt = 1;
        loop {
            match self.backend.undo(cx, undo).await {
                Err(error) if error.kind().is_retryable() || error.kind() == Kind::Conflict => {
                    attempt += 1;
                    if attempt > retry::ATTEMPTS {
                        return Err(error);
                    }
                    tokio::time::sleep(retry::wait_before(attempt, &error)).await;
                }
                done => return done,
            }
        }
    }
}

fn late() -> Error {
    Error::new(Kind::TimedOut, "it took too long")
}
