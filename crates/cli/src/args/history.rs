use std::path::PathBuf;

use super::{Configuration, Format};

#[derive(Debug, clap::Args)]
pub struct Runs {
    #[command(flatten)]
    pub journals: Journals,
}

#[derive(Debug, clap::Args)]
pub struct Cleanup {
    /// The run, or its first digits; every run that has something to take back, if it is left out
    pub run: Option<String>,

    #[command(flatten)]
    pub journals: Journals,
}

#[derive(Debug, clap::Args)]
pub struct Resume {
    /// The run, or its first digits
    pub run: String,

    #[command(flatten)]
    pub journals: Journals,
}

/// Which journals are meant.
#[derive(Debug, clap::Args)]
pub struct Journals {
    /// By which the runs published.
    #[command(flatten)]
    pub configuration: Configuration,

    /// Where the journals of runs are kept
    #[arg(long, value_name = "DIR", env = "PUBLISH_STATE_DIR")]
    pub state_dir: Option<PathBuf>,

    /// The form of the answer on standard output
    #[arg(long, default_value = "human")]
    pub format: Format,
}
