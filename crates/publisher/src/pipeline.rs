use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::time::Instant;
use vhd::Image;

use crate::{
    Artifact, Backend, Check, Cleanup, CloudName, Cx, Durable, Error, ErrorReport, Event, Kind, Mode, Plan,
    RegionOutcome, RegionReport, RegionState, Replication, Result, RunKey, Runtime, Stage, Status, Target,
    TargetReport,
    journal::{self, Journal, When},
};

/// How long taking one act back may take.
const UNWIND_DEADLINE: Duration = Duration::from_secs(300);

/// Drives a backend through its stages: journals what each leaves, and undoes what must not stay.
#[derive(Debug)]
pub struct Pipeline<B> {
    backend: B,
}

impl<B> Pipeline<B> {
    /// A pipeline over a backend.
    pub fn new(backend: B) -> Self {
        Self { backend }
    }
}

/// What a run has found out so far; becomes its report.
#[derive(Default)]
struct Progress {
    plan: Vec<String>,
    denied: Vec<String>,
    resources: BTreeMap<&'static str, String>,
    regions: Vec<RegionReport>,
}

impl Progress {
    fn look_at<R: Artifact>(&mut self, replication: &Replication<R>) {
        self.resources = replication.resources.iter().cloned().collect();
        self.regions = replication.regions.iter().map(region_report).collect();
    }
}

#[async_trait]
impl<B: Backend> Target for Pipeline<B> {
    fn cloud(&self) -> CloudName {
        self.backend.name()
    }

    async fn publish(&self, runtime: &Runtime, image: &Arc<Image>, mode: Mode) -> TargetReport {
        let mut progress = Progress::default();
        let cx = match self.context(runtime, image, mode).await {
            Ok(cx) => cx,
            Err(error) => return self.report(None, progress, Err(error)),
        };
        let result = tokio::select! {
            biased;
            () = cx.runtime().cancel.cancelled() => Err(Error::cancelled()),
            result = self.stages(&cx, image, mode, &mut progress) => result,
        };
        if mode.changes() {
            self.finish(&cx, result.is_err(), &result).await;
        }
        self.report(Some(&cx), progress, result)
    }

    async fn status(&self, runtime: &Runtime) -> TargetReport {
        let mut progress = Progress::default();
        let cx = self.looking(runtime);
        let result = tokio::select! {
            biased;
            () = runtime.cancel.cancelled() => Err(Error::cancelled()),
            found = self.backend.status(&cx) => found.map(|(_, replication)| {
                progress.look_at(&replication);
                status(true, &replication)
            }),
        };
        self.report(None, progress, result)
    }

    async fn clean_up(&self, runtime: &Runtime, run: &RunKey) -> Result<Cleanup> {
        let name = self.backend.name();
        let none = || Error::new(Kind::NotFound, format!("there is no journal of run {run} for {name}"));
        let dir =
            runtime.state_dir.as_deref().filter(|dir| journal::path(dir, name.0, run).exists()).ok_or_else(none)?;
        let journal = Journal::open(dir, name.0, run)?;
        if let Some(place) = journal.place().filter(|place| *place != self.backend.place()) {
            let text = format!("run {run} was in {place}, and the settings lead to {}", self.backend.place());
            return Err(
                Error::new(Kind::Config, text).with_hint("name the profile by which it published, with --profile")
            );
        }
        let cx = Cx::new(name, run.clone(), runtime.clone(), Mode::Publish, journal);
        tokio::select! {
            biased;
            () = runtime.cancel.cancelled() => Err(Error::cancelled()),
            cleaned = self.take_back(&cx) => cleaned,
        }
    }

    async fn doctor(&self, runtime: &Runtime) -> Vec<Check> {
        let cx = self.looking(runtime);
        tokio::select! {
            biased;
            () = runtime.cancel.cancelled() => vec![Check::unknown("everything else", &Error::cancelled())],
            checks = self.backend.doctor(&cx) => checks,
        }
    }
}

impl<B: Backend> Pipeline<B> {
    /// A context of no run: nothing of it is remembered.
    fn looking(&self, runtime: &Runtime) -> Cx<B::Undo> {
        Cx::new(self.backend.name(), RunKey::new([]), runtime.clone(), Mode::Plan, Journal::in_memory())
    }

    /// Takes back all that is pending, but no image that is there: another machine may have found it and published it.
    async fn take_back(&self, cx: &Cx<B::Undo>) -> Result<Cleanup> {
        let mut is_registered = cx.journal().await.is_registered();
        for act in cx.journal().await.pending().to_vec() {
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

    /// Computes the run's key and opens its journal.
    async fn context(&self, runtime: &Runtime, image: &Arc<Image>, mode: Mode) -> Result<Cx<B::Undo>> {
        let run = self.backend.run_key(image)?;
        let journal = match &runtime.state_dir {
            Some(dir) if mode.changes() => Journal::open(dir, self.backend.name().0, &run)?,
            _ => Journal::in_memory(),
        };
        Ok(Cx::new(self.backend.name(), run, runtime.clone(), mode, journal))
    }

    async fn stages(
        &self,
        cx: &Cx<B::Undo>,
        image: &Arc<Image>,
        mode: Mode,
        progress: &mut Progress,
    ) -> Result<Status> {
        let plan = self.preflight(cx, image).await?;
        progress.plan.clone_from(&plan.steps);
        progress.denied.clone_from(&plan.denied);
        if let Some(found) = &plan.found {
            progress.resources.extend(found.resources());
        }
        if mode == Mode::Plan {
            return Ok(Status::Planned);
        }
        progress.plan.clear();
        self.begin(cx, image).await?;
        let found = plan.found.is_some();
        if let Some(registered) = &plan.found {
            cx.journal().await.succeeded().await?;
            self.note_leftovers(cx, registered).await?;
        }
        let registered = match plan.found {
            Some(found) => found,
            None => self.make(cx, image).await?,
        };
        progress.resources.extend(registered.resources());
        cx.journal().await.stage_started(Stage::Replicate).await?;
        let replication = self
            .stage(cx, Stage::Replicate, async { self.backend.replicate(cx, &registered, &plan.regions).await })
            .await?;
        progress.look_at(&replication);
        Ok(status(found, &replication))
    }

    async fn preflight(&self, cx: &Cx<B::Undo>, image: &Arc<Image>) -> Result<Plan<B::Registered>> {
        let started = Instant::now();
        cx.emit(Event::StageStarted { stage: Stage::Preflight });
        let plan = self.backend.preflight(cx, image).await.map_err(|error| error.in_stage(Stage::Preflight))?;
        cx.emit(Event::StageFinished { stage: Stage::Preflight, elapsed: started.elapsed() });
        Ok(plan)
    }

    async fn begin(&self, cx: &Cx<B::Undo>, image: &Arc<Image>) -> Result<()> {
        let digest = image.content()?.digest().to_string();
        cx.journal().await.run_started(digest, self.backend.place()).await
    }

    /// The machine of a killed run, and its journal with it, may be gone: the cloud is asked what that run has left.
    async fn note_leftovers(&self, cx: &Cx<B::Undo>, registered: &B::Registered) -> Result<()> {
        match self.backend.leftovers(cx, registered).await {
            Ok(leftovers) => {
                for undo in leftovers {
                    cx.always(undo).await?;
                }
            }
            // The image is there, which is what matters to whoever may not look for more.
            Err(error) => cx.emit(Event::Warning { message: format!("cannot look for leftovers: {error}") }),
        }
        Ok(())
    }

    /// The stages that end in a registered image.
    async fn make(&self, cx: &Cx<B::Undo>, image: &Arc<Image>) -> Result<B::Registered> {
        // What a killed run of the same key left behind is taken back first: nothing is made twice beside it.
        self.unwind(cx, |_| true).await;
        let upload = async {
            let uploaded = self.backend.upload(cx, image).await?;
            // What was sent has to be what was hashed, or its tags would lie.
            image.check_unchanged()?;
            Ok(uploaded)
        };
        let uploaded = self.durable_stage(cx, Stage::Upload, upload).await?;
        let imported =
            self.durable_stage(cx, Stage::Import, async { self.backend.import(cx, &uploaded).await }).await?;
        self.durable_stage(cx, Stage::Register, async { self.backend.register(cx, &imported).await }).await
    }

    async fn durable_stage<A: Durable>(
        &self,
        cx: &Cx<B::Undo>,
        stage: Stage,
        work: impl Future<Output = Result<A>> + Send,
    ) -> Result<A> {
        cx.journal().await.stage_started(stage).await?;
        let artifact = self.stage(cx, stage, work).await?;
        cx.journal().await.stage_done(stage, &artifact).await?;
        Ok(artifact)
    }

    async fn stage<T>(
        &self,
        cx: &Cx<B::Undo>,
        stage: Stage,
        work: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let started = Instant::now();
        cx.emit(Event::StageStarted { stage });
        let value = work.await.map_err(|error| error.in_stage(stage))?;
        cx.emit(Event::StageFinished { stage, elapsed: started.elapsed() });
        Ok(value)
    }

    /// Does the undos that are due and closes the journal.
    async fn finish(&self, cx: &Cx<B::Undo>, failed: bool, result: &Result<Status>) {
        let takes_back = failed && !cx.runtime().keep;
        self.unwind(cx, |when| takes_back || when == When::Always).await;
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
        // A run that never got past its checks has nothing to remember.
        let mut journal = cx.journal().await;
        let began = journal.is_under_way() || !journal.pending().is_empty();
        if began && let Err(error) = journal.run_done(outcome).await {
            cx.emit(Event::Warning { message: error.to_string() });
        }
    }

    /// Does the pending undos, the newest first, each until it succeeds or the deadline passes. What fails stays in the
    /// journal and is named.
    async fn unwind(&self, cx: &Cx<B::Undo>, due: impl Fn(When) -> bool) {
        let due: Vec<_> = cx.journal().await.pending().iter().filter(|p| due(p.when)).cloned().collect();
        if due.is_empty() {
            return;
        }
        cx.emit(Event::Unwinding { steps: due.len() });
        let cx = &cx.for_unwinding();
        for pending in due.into_iter().rev() {
            // One that takes for ever leaves the others their time.
            let undone = tokio::time::timeout(UNWIND_DEADLINE, self.undo_until_done(cx, &pending.undo)).await;
            let failure = match undone {
                Ok(Ok(())) => match cx.journal().await.undone(pending.id).await {
                    Ok(()) => continue,
                    Err(error) => error,
                },
                Ok(Err(error)) => error,
                Err(_) => Error::new(Kind::TimedOut, "it took too long"),
            };
            let reason = failure.in_full();
            let message = format!("left behind: {}: {reason}; publishing again from here takes it back", pending.undo);
            cx.emit(Event::Warning { message });
        }
    }

    /// Retries by itself: the run may be cancelled and its budget spent, and the undo is due all the same.
    async fn undo_until_done(&self, cx: &Cx<B::Undo>, undo: &B::Undo) -> Result<()> {
        let mut attempt = 1;
        loop {
            match self.backend.undo(cx, undo).await {
                Err(error) if error.kind().is_retryable() || error.kind() == Kind::Conflict => {
                    attempt += 1;
                    if attempt > crate::retry::ATTEMPTS {
                        return Err(error);
                    }
                    tokio::time::sleep(crate::retry::wait_before(attempt, &error)).await;
                }
                done => return done,
            }
        }
    }

    fn report(&self, cx: Option<&Cx<B::Undo>>, progress: Progress, result: Result<Status>) -> TargetReport {
        let (status, error) = match result {
            Ok(status) => (status, None),
            Err(error) if error.kind() == Kind::Cancelled => (Status::Interrupted, Some(ErrorReport::from(&error))),
            Err(error) => (Status::Failed, Some(ErrorReport::from(&error))),
        };
        TargetReport {
            cloud: self.backend.name(),
            run: cx.map(|cx| cx.run().to_string()).unwrap_or_default(),
            status,
            resources: progress.resources,
            regions: progress.regions,
            transfer: cx.map(|cx| cx.totals.report()).unwrap_or_default(),
            plan: progress.plan,
            denied: progress.denied,
            error,
        }
    }
}

fn status<R>(found: bool, replication: &Replication<R>) -> Status {
    let failed = replication.regions.iter().any(RegionOutcome::is_failure);
    let pending = replication.regions.iter().any(|r| matches!(r.state, RegionState::Pending { .. }));
    let available = replication.regions.iter().any(|r| matches!(r.state, RegionState::Available(_)));
    match (failed, pending) {
        (true, _) if !available && !pending => Status::Failed,
        (true, _) => Status::Partial,
        (false, true) => Status::Pending,
        (false, false) if found && !replication.changed => Status::Unchanged,
        (false, false) => Status::Published,
    }
}

fn region_report<R: Artifact>(outcome: &RegionOutcome<R>) -> RegionReport {
    let id = |replica: &R| replica.resources().into_iter().next().map(|(_, id)| id);
    let (status, id, percent, error) = match &outcome.state {
        RegionState::Available(replica) => ("available", id(replica), None, None),
        RegionState::Pending { replica, percent } => ("pending", replica.as_ref().and_then(id), *percent, None),
        RegionState::Failed { replica, error } => {
            ("failed", replica.as_ref().and_then(id), None, Some(ErrorReport::from(error)))
        }
    };
    RegionReport { region: outcome.region.0.clone(), id, status, percent, required: outcome.required, error }
}
