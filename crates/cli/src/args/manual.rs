use std::path::PathBuf;

use clap_complete::Shell;

#[derive(Debug, clap::Args)]
pub struct Completions {
    /// The shell
    pub shell: Shell,
}

#[derive(Debug, clap::Args)]
pub struct Man {
    /// The folder to write them to: a page for the program, and one for each command
    pub dir: PathBuf,
}
