//! What publishing an image is, whatever the cloud: the [`Backend`] trait, the [`Pipeline`] that drives one, the
//! transfer engine under its uploads, and what a run remembers, reports and undoes.
//!
//! ```text
//!            Target (object-safe: what a program holds a list of)
//!              │
//!         Pipeline<B> ── preflight ─► upload ─► import ─► register ─► replicate ─► Report
//!              │             │          │         │          │            │
//!              │             └──────────┴── B: Backend ──────┴────────────┘
//!              │                        │
//!              ├── Journal: every undo is on disk before the act it undoes
//!              ├── Cx: retries within one budget, polling, cancellation, events
//!              └── transfer: an image's layout, in chunks, into a Sink
//! ```
//!
//! The crate knows no cloud and draws nothing: backends are crates of their own, and only a program renders the
//! [`Event`]s.

mod attempt;
mod backend;
mod check;
mod context;
mod error;
mod event;
mod journal;
mod loopback;
mod pipeline;
mod poll;
mod report;
mod retry;
mod run;
mod runtime;
mod secret;
mod spec;
mod target;
mod timeline;
pub mod transfer;
mod variables;

pub use attempt::Attempt;
pub use backend::{
    Artifact, Backend, CloudName, Durable, Plan, Region, RegionOutcome, RegionState, Replication, Stage,
};
pub use check::{Check, CheckStatus};
pub use context::Cx;
pub use error::{Error, Kind, Result};
pub use event::{Event, Reporter, Silent};
pub use journal::{CommandLine, PastRun, PastState, UndoId, runs};
pub use loopback::is_loopback;
pub use pipeline::Pipeline;
pub use poll::{Poll, Schedule};
pub use report::{
    ErrorReport, ImageReport, RegionReport, Report, StageReport, Status, TargetReport, TransferReport, WaitReport,
};
pub use retry::RetryBudget;
pub use run::RunKey;
pub use runtime::{Begun, Runtime};
pub use secret::SecretUrl;
pub use spec::{ImageSpec, Names, TAG_ATTEMPT, TAG_DIGEST, TAG_INTERMEDIATE, TAG_NAME, TAG_RUN};
pub use target::{Cleanup, Mode, Target};
pub use variables::Variables;
