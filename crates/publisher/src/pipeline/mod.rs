//! The one caller of backends.

mod outcome;
mod unwind;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::time::Instant;
use vhd::Image;

use self::outcome::{region_report, status};
use crate::{
    Artifact, Backend, Check, Cleanup, CloudName, Cx, Durable, Error, ErrorReport, Event, Kind, Mode, RegionOutcome,
    RegionReport, RegionState, Replication, Result, RunKey, Runtime, Stage, Status, Target, TargetReport,
    journal::{self, Journal, When},
};

/// How long the requests that are on their way when a run is to end are waited for: what became of them is better known than
/// guessed.
const GRACE: Duration = Duration::from_secs(5);

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
        let began = Instant::now();
        let looking = self.looking(runtime);
        looking.emit(Event::StageStarted { stage: Stage::Preflight });
        let cx = match in_time(&looking, began, self.context(&looking, image, mode)).await {
            Ok(cx) => cx,
            Err(error) => return self.report(None, progress, Err(error)),
        };
        cx.timeline.begins(began);
        let result = in_time(&cx, began, self.stages(&cx, began, image, mode, &mut progress)).await;
        cx.timeline.is_over();
        self.finish(&cx, &result).await;
        cx.timeline.ends("cleanup");
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
        let place = journal.place().map(str::to_owned);
        let cx = Cx::new(name, run.clone(), runtime.clone(), Mode::Publish, journal);
        let work = async {
            let here = self.backend.place(&cx).await?;
            if let Some(place) = place.filter(|place| !place.is_empty() && *place != here) {
                let text = format!("run {run} was in {place}, and the settings lead to {here}");
                return Err(
                    Error::new(Kind::Config, text).with_hint("name the profile by which it published, with --profile")
                );
            }
            self.take_back(&cx).await
        };
        tokio::select! {
            biased;
            () = runtime.cancel.cancelled() => Err(Error::cancelled()),
            cleaned = work => cleaned,
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

    /// Computes the run's key and opens its journal.
    async fn context(&self, looking: &Cx<B::Undo>, image: &Arc<Image>, mode: Mode) -> Result<Cx<B::Undo>> {
        let runtime = looking.runtime();
        let key = self.backend.run_key(looking, image).await;
        let run = key.map_err(|error| error.in_stage(Stage::Preflight))?;
        if let Some(wanted) = runtime.resumes.as_ref().filter(|wanted| **wanted != run) {
            let text =
                format!("{} is not what run {wanted} published, or the settings are others", image.path().display());
            return Err(Error::new(Kind::Image, text)
                .with_hint("publish it as it is now; what that run has left, publish cleanup takes back"));
        }
        let journal = match &runtime.state_dir {
            Some(dir) if mode.changes() => Journal::open(dir, self.backend.name().0, &run)?,
            _ => Journal::in_memory(),
        };
        Ok(Cx::new(self.backend.name(), run, runtime.clone(), mode, journal))
    }

    async fn stages(
        &self,
        cx: &Cx<B::Undo>,
        began: Instant,
        image: &Arc<Image>,
        mode: Mode,
        progress: &mut Progress,
    ) -> Result<Status> {
        let plan = self.backend.preflight(cx, image).await;
        cx.timeline.ends(Stage::Preflight.name());
        let plan = plan.map_err(|error| error.in_stage(Stage::Preflight))?;
        cx.emit(Event::StageFinished { stage: Stage::Preflight, elapsed: began.elapsed() });
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
            // Before anything that may fail: what is there is not taken back.
            cx.journal().await.succeeded().await?;
            self.note_leftovers(cx, registered).await?;
        }
        let registered = match plan.found {
            Some(found) => found,
            None => self.make(cx, image).await?,
        };
        // It is the user's from here on, whichever attempt made the last part of it.
        cx.journal().await.succeeded().await?;
        progress.resources.extend(registered.resources());
        cx.journal().await.stage_started(Stage::Replicate).await?;
        let replicate = async { self.backend.replicate(cx, &registered, &plan.regions).await };
        // What only making the image needed goes while it is copied: nobody waits for that. Of an image that was found, which may not be
        // whole yet, it is not known whether it still needs something.
        let needless = self.unwind(cx, |act| !found && act.when == When::Always);
        let (replication, ()) = tokio::join!(self.stage(cx, Stage::Replicate, replicate), needless);
        let replication = replication?;
        progress.look_at(&replication);
        // A region that was not waited for to its end has not failed.
        let is_cut_short = |outcome: &RegionOutcome<B::Replica>| matches!(&outcome.state, RegionState::Failed { error, .. } if error.kind() == Kind::Cancelled);
        if replication.regions.iter().any(is_cut_short) {
            return Err(Error::cancelled().in_stage(Stage::Replicate));
        }
        Ok(status(found, &replication))
    }

    async fn begin(&self, cx: &Cx<B::Undo>, image: &Arc<Image>) -> Result<()> {
        let digest = image.content()?.digest().to_string();
        let place = self.backend.place(cx).await?;
        cx.journal().await.run_started(digest, place, cx.runtime().command.clone()).await?;
        cx.runtime().begun.begins(cx.run());
        Ok(())
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
        self.take_up(cx).await;
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

    /// A run that was killed is gone on with: what it made is found by the stages that made it. One that failed is not, and
    /// what was kept of it, or could not be taken back, goes first: nothing is made twice beside it.
    async fn take_up(&self, cx: &Cx<B::Undo>) {
        let was_cut_off = cx.journal().await.was_cut_off();
        self.unwind(cx, |act| !was_cut_off || !self.backend.resumes(cx, &act.undo)).await;
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
        cx.timeline.starts(stage.name());
        cx.emit(Event::StageStarted { stage });
        let done = work.await;
        cx.timeline.ends(stage.name());
        let value = done.map_err(|error| error.in_stage(stage))?;
        cx.emit(Event::StageFinished { stage, elapsed: started.elapsed() });
        Ok(value)
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
            stages: cx.map(|cx| cx.timeline.report()).unwrap_or_default(),
            plan: progress.plan,
            denied: progress.denied,
            error,
        }
    }
}

/// Does the work of a run until it is over, the user ends it, or its time is up. What is on its way then is waited for, a
/// little.
async fn in_time<U: Durable, T>(cx: &Cx<U>, began: Instant, work: impl Future<Output = Result<T>>) -> Result<T> {
    let deadline = cx.runtime().deadline;
    let is_up = async {
        match deadline {
            Some(deadline) => tokio::time::sleep_until(began + deadline).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(work);
    let ended = tokio::select! {
        biased;
        result = &mut work => return result,
        () = cx.cancel().cancelled() => Error::cancelled(),
        () = is_up => {
            cx.cancel().cancel();
            let seconds = deadline.unwrap_or_default().as_secs();
            Error::new(Kind::TimedOut, format!("the run was not over after {seconds} seconds")).with_hint("--deadline gives it more time")
        }
    };
    match tokio::time::timeout(GRACE, work).await {
        // It was over in that moment, one way or the other.
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) if error.kind() != Kind::Cancelled => Err(error),
        _ => Err(ended),
    }
}
