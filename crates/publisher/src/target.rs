use std::{fmt, sync::Arc};

use async_trait::async_trait;
use vhd::Image;

use crate::{Check, CloudName, Result, RunKey, Runtime, TargetReport};

/// How far a run goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Until the image is everywhere.
    Publish,
    /// Until the cloud has accepted what is left to do, and goes on with it by itself.
    Submit,
    /// Only reading: what would be done.
    Plan,
}

impl Mode {
    /// Whether anything may be changed.
    pub(crate) fn changes(self) -> bool {
        self != Self::Plan
    }
}

/// What taking back came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Cleanup {
    /// How many acts were taken back.
    pub undone: usize,
    /// How many could not be.
    pub left: usize,
}

/// A cloud to publish to, whatever its types: the one place where a backend's stages are erased, so that a program can
/// hold a list of clouds.
#[async_trait]
pub trait Target: fmt::Debug + Send + Sync {
    /// The name of the cloud.
    fn cloud(&self) -> CloudName;

    /// Publishes an image. Failure is a status of the report.
    async fn publish(&self, runtime: &Runtime, image: &Arc<Image>, mode: Mode) -> TargetReport;

    /// Looks at an image that was published before, and changes nothing. Failure is a status of the report.
    async fn status(&self, runtime: &Runtime) -> TargetReport;

    /// Takes back what the journal of a run, which was killed or failed, says is still to be taken back. What cannot be is told
    /// as a warning, and stays in the journal.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if there is no such journal, [`Kind::Conflict`](crate::Kind::Conflict) if the
    /// run is still under way.
    async fn clean_up(&self, runtime: &Runtime, run: &RunKey) -> Result<Cleanup>;

    /// Looks at all that publishing as configured needs, and changes nothing.
    async fn doctor(&self, runtime: &Runtime) -> Vec<Check>;
}
