use std::path::PathBuf;

use super::Format;

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

/// Which journals are meant.
#[derive(Debug, clap::Args)]
pub struct Journals {
    /// The profile of publish.toml by which the runs published
    #[arg(long, value_name = "TEAM", env = "PUBLISH_PROFILE")]
    pub profile: Option<String>,

    /// The configuration file; publish.toml here or in a folder above, if it is left out
    #[arg(long, value_name = "FILE", env = "PUBLISH_CONFIG")]
    pub config: Option<PathBuf>,

    /// Where the journals of runs are kept
    #[arg(long, value_name = "DIR", env = "PUBLISH_STATE_DIR")]
    pub state_dir: Option<PathBuf>,

    /// The form of the answer on standard output
    #[arg(long, default_value = "human")]
    pub format: Format,
}
