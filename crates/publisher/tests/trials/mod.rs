//! What every backend has to stand, on its sandbox: to be killed, interrupted and failed at any of its requests. Each trial runs
//! in one process, and on tokio's paused clock: whatever is waited for is over at once, and what would never be over shows.

pub mod chaos;
pub mod faults;
pub mod interrupts;
pub mod kill;
pub mod secrets;

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use publisher::{Cleanup, Mode, RunKey, Runtime, Target, TargetReport};
use sandbox::Sandbox;
use serde_json::Value;
use vhd::Image;

/// A sandbox with a backend and an image.
pub trait Subject {
    fn sandbox(&self) -> &Sandbox;

    fn image(&self) -> &Arc<Image>;

    fn runtime(&self) -> Runtime;

    /// The backend in its pipeline: another process each time.
    async fn target(&self) -> Box<dyn Target>;

    /// Where journals are kept.
    fn state_dir(&self) -> PathBuf {
        self.runtime().state_dir.unwrap()
    }

    /// Publishes; how it ended.
    async fn publish_by(&self, runtime: &Runtime) -> TargetReport {
        self.target().await.publish(runtime, self.image(), Mode::Publish).await
    }

    /// Takes back what a journal says of a run.
    async fn clean_up(&self, run: &RunKey) -> Cleanup {
        self.target().await.clean_up(&self.runtime(), run).await.unwrap()
    }

    /// What is published and what is left, without what is otherwise in every run.
    fn outcome(&self) -> Value;

    /// The same without what is shared by all images, and never taken back.
    fn left(&self) -> Value {
        self.outcome()
    }

    /// How many bytes of the image may be sent twice when a run is killed, with its journal or without.
    fn window(&self, has_journal: bool) -> u64;

    async fn publish(&self) -> TargetReport {
        self.publish_by(&self.runtime()).await
    }

    /// How often the cloud was asked for anything.
    fn requests(&self) -> u64 {
        self.sandbox().state()["requests"].as_u64().unwrap()
    }

    /// Bytes of image that have come to the cloud.
    fn image_bytes(&self) -> u64 {
        let bytes = |operation: &str| self.sandbox().state()["traffic"][operation]["bytes"].as_u64().unwrap_or(0);
        CARRIERS.into_iter().map(bytes).sum()
    }

    /// How many acts journals still have to take back.
    fn due(&self) -> usize {
        publisher::runs(&self.state_dir()).unwrap().iter().map(|run| run.due).sum()
    }
}

/// The operations that carry bytes of the image.
pub const CARRIERS: [&str; 3] = ["PutPage", "s3:UploadPart", "ebs:PutSnapshotBlock"];

/// What is not over by then, on the paused clock, hangs.
pub const DEADLINE: Duration = Duration::from_secs(24 * 60 * 60);

/// A killed process holds no journal any more. Here a write that was under way when the run was dropped has to end first.
pub async fn let_go(state_dir: &Path, keeps_journal: bool) {
    for journal in std::fs::read_dir(state_dir.join("runs")).into_iter().flatten() {
        let journal = File::open(journal.unwrap().path()).unwrap();
        // What was on its way ends as soon as the runtime comes to it.
        while journal.try_lock().is_err() {
            tokio::task::yield_now().await;
        }
    }
    if !keeps_journal && state_dir.exists() {
        std::fs::remove_dir_all(state_dir).unwrap();
    }
}

/// What two outcomes do not have in common.
pub fn difference(found: &Value, wanted: &Value) -> String {
    let (found, wanted) = (format!("{found:#}"), format!("{wanted:#}"));
    let more: Vec<_> = found.lines().filter(|line| !wanted.contains(*line)).map(str::trim).collect();
    let less: Vec<_> = wanted.lines().filter(|line| !found.contains(*line)).map(str::trim).collect();
    format!("has {more:?}, lacks {less:?}")
}
