use std::{fmt, sync::Arc};

use async_trait::async_trait;
use vhd::Image;

use crate::{Check, CloudName, Runtime, TargetReport};

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

    /// Looks at all that publishing as configured needs, and changes nothing.
    async fn doctor(&self, runtime: &Runtime) -> Vec<Check>;
}
