use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use crate::{CommandLine, Reporter, RunKey, transfer::Buffers};

/// Memory that all transfers of a process together may have in use as buffers, in KiB: the share of one is sixteen of Azure's largest
/// pages. A quarter of it may lie idle beside, and the HTTP clients copy some of a body once more to encrypt it.
const BUFFER_KIB: u32 = 88 << 10;

/// What all runs of a process share.
#[derive(Clone, Debug)]
pub struct Runtime {
    /// Where events go.
    pub reporter: Arc<dyn Reporter>,
    /// Cancelled when the user ends the run.
    pub cancel: CancellationToken,
    /// Where journals are kept; none keeps them in memory alone.
    pub state_dir: Option<PathBuf>,
    /// Whether what a run has made stays when it fails, to be looked at. Accesses are closed, and what only an upload needed
    /// goes, all the same; the next run of the same image takes back the rest.
    pub keep: bool,
    /// How long a run may take, from when its image has been read; what it has begun is taken back after that.
    pub deadline: Option<Duration>,
    /// What was typed to begin the runs.
    pub command: Option<CommandLine>,
    /// The run that is to be gone on with, and no other.
    pub resumes: Option<RunKey>,
    /// Where what is read and on its way is kept.
    pub(crate) buffers: Buffers,
    /// The runs that are under way.
    pub begun: Begun,
}

/// The runs of a process that have begun, and have something to be taken back if they are left now.
#[derive(Clone, Debug, Default)]
pub struct Begun(Arc<Mutex<Vec<RunKey>>>);

impl Begun {
    /// Their keys.
    #[must_use]
    pub fn runs(&self) -> Vec<RunKey> {
        self.lock().clone()
    }

    pub(crate) fn begins(&self, run: &RunKey) {
        self.lock().push(run.clone());
    }

    pub(crate) fn ends(&self, run: &RunKey) {
        self.lock().retain(|begun| begun != run);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<RunKey>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Runtime {
    /// A runtime that keeps its journals under `state_dir`.
    #[must_use]
    pub fn new(reporter: Arc<dyn Reporter>, state_dir: Option<PathBuf>) -> Self {
        Self {
            reporter,
            cancel: CancellationToken::new(),
            state_dir,
            keep: false,
            deadline: None,
            command: None,
            resumes: None,
            buffers: Buffers::new(BUFFER_KIB),
            begun: Begun::default(),
        }
    }
}
