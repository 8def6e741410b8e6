//! The lines of a journal.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Stage;

/// The version of the lines.
pub const SCHEMA: u32 = 2;

/// Names an undo within its run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UndoId(pub(super) u64);

/// When an undo is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    Always,
    OnFailure,
}

/// What was typed to begin a run, and where: enough to go on with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandLine {
    /// The program's name and its arguments.
    pub args: Vec<String>,
    /// The working directory.
    pub dir: PathBuf,
}

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
pub enum Entry {
    RunStarted {
        schema: u32,
        at: jiff::Timestamp,
        digest: String,
        #[serde(default)]
        place: String,
        /// Who began it, in words.
        #[serde(default)]
        by: String,
        command: Option<CommandLine>,
    },
    StageStarted {
        stage: Stage,
    },
    Deferred {
        id: UndoId,
        when: When,
        undo: Value,
    },
    Settled {
        ids: Vec<UndoId>,
    },
    /// Ranges of a layout, offset and length in bytes, that something holds.
    Progress {
        to: String,
        ranges: Vec<(u64, u64)>,
    },
    StageDone {
        stage: Stage,
        artifact: Value,
    },
    Undone {
        id: UndoId,
    },
    RunDone {
        at: jiff::Timestamp,
        outcome: String,
    },
}
