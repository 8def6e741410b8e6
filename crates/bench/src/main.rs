//! `just bench`: publish beside the programs that people use today, and beside the least that any program could do, on one
//! machine, one after the other, against a sandbox that throws image data away.
//!
//! ```text
//! main ─► cases (what is measured) ─► contestants (who does it) ─► measure (one process: wall, CPU, memory)
//!              │                            ├─► floor: a bare HTTP client, this program again
//!              ▼                            ├─► azcopy, coldsnap, aws: other people's
//!         sandbox, images                   └─► publish: ours
//!              └────────────► table (medians, spreads, ratios)
//! ```

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program, whose tables are all that it is for")]

mod cases;
mod coldsnap;
mod contestants;
mod disk;
mod environment;
mod floor;
mod images;
mod measure;
mod sandbox;
mod table;

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;

/// Whatever goes wrong ends a benchmark.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Measures publish beside azcopy, coldsnap, aws and a bare HTTP client
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,

    /// How often each contestant runs; a fifth as often, but at least once, on the disks of 30 GiB and more
    #[arg(long, default_value_t = 3)]
    runs: usize,

    /// Only cases whose name contains this
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,

    /// Leave the other people's programs out
    #[arg(long)]
    ours_alone: bool,

    /// The build of publish that is measured
    #[arg(long, value_name = "PROFILE", default_value = "release")]
    build: String,

    /// The folder of builds and clients, where the images go too
    #[arg(long, value_name = "DIR", default_value = "target")]
    target: PathBuf,
}

/// What the benchmark starts itself as, so that each contestant is a process of its own.
#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Send an image the barest way
    #[command(subcommand)]
    Floor(floor::Job),
    /// Send a raw disk as coldsnap does
    Coldsnap(coldsnap::Job),
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match &args.command {
        Some(Command::Floor(job)) => runtime.block_on(floor::run(job)),
        Some(Command::Coldsnap(job)) => runtime.block_on(coldsnap::run(job)),
        None => cases::run(args, &runtime),
    }
}
