use std::{fmt::Debug, time::Duration};

use tokio::sync::watch;

use crate::{CloudName, Region, Stage, transfer::Progress};

/// Something that happened. Libraries emit events; a program decides what anyone sees of them.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A stage began.
    StageStarted { stage: Stage },
    /// A stage ended well.
    StageFinished { stage: Stage, elapsed: Duration },
    /// Bytes are on their way; the channel closes when they are all there.
    TransferStarted { progress: watch::Receiver<Progress> },
    /// An upload that was cut off goes on: so many bytes are there already, and so many that were there were of no use.
    Resumed { bytes: u64, discarded: u64 },
    /// A long operation of the service moved on.
    Waiting { what: String, percent: Option<u8> },
    /// A resource now exists.
    Created { kind: &'static str, id: String },
    /// A resource is gone again.
    Removed { kind: &'static str, id: String },
    /// A region moved on; `percent` is 100 when the image can be used there.
    Region { region: Region, percent: u8 },
    /// A region failed for good.
    RegionFailed { region: Region, error: String },
    /// A request failed and will be sent again.
    Retrying { what: String, attempt: u32, wait: Duration, error: String },
    /// Something the user should know and that stops nothing.
    Warning { message: String },
    /// What was begun is being undone, in so many steps.
    Unwinding { steps: usize },
    /// One of these steps is next.
    Undoing { step: usize, steps: usize, what: String },
}

/// Takes events. Called from many tasks; must not block.
pub trait Reporter: Debug + Send + Sync {
    /// Takes one event of one cloud.
    fn report(&self, cloud: CloudName, event: Event);
}

/// Takes events and says nothing.
#[derive(Clone, Copy, Debug)]
pub struct Silent;

impl Reporter for Silent {
    fn report(&self, _: CloudName, _: Event) {}
}
