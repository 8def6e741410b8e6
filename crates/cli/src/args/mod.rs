//! The command line.

mod history;
mod image;
mod manual;
mod publish;
mod sandbox;

use clap::{Parser, Subcommand, ValueEnum};

pub use self::{
    history::{Cleanup, Journals, Resume, Runs},
    image::{Convert, Inspect, Layout, Opening},
    manual::{Completions, Man},
    publish::{Clouds, Configuration, Destination, Doctor, Publish, Route, Selection, Source, Status, Verify},
    sandbox::{Demo, Sandbox},
};

const EXIT_CODES: &str = "\
Exit codes:
  0    done, or nothing was to be done
  1    failed
  2    the command line or the configuration is wrong; nothing was attempted
  3    some regions or clouds failed
  130  interrupted";

/// One disk image in, the same image on every cloud out.
#[derive(Debug, Parser)]
#[command(name = "publish", version, after_help = EXIT_CODES)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Publish an image to Azure: a Compute Gallery version in every region, or a managed image
    Azure(Publish),
    /// Publish an image to AWS: an AMI in every region
    Aws(Publish),
    /// Publish an image to both clouds at the same time
    All(Publish),
    /// Say how far an image is that was published before
    Status(Status),
    /// List the runs that journals on this machine tell of
    Runs(Runs),
    /// Go on with a run that was killed, as it was typed
    Resume(Resume),
    /// Take back what killed or failed runs have left, as their journals on this machine say
    Cleanup(Cleanup),
    /// Look at what publishing as configured needs, and change nothing: identity, permissions, regions, quotas
    Doctor(Doctor),
    /// Publish a disk that it makes to both clouds, on the embedded sandbox
    Demo(Demo),
    /// Say what an image is, and what each cloud will make of it
    Inspect(Inspect),
    /// Write an image in another format
    Convert(Convert),
    /// Run both clouds on loopback, for rehearsals
    Sandbox(Sandbox),
    /// Print what completes this command line in a shell
    Completions(Completions),
    /// Write the manual pages
    Man(Man),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table
    Human,
    /// One JSON document
    Json,
}
