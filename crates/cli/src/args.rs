use std::{net::SocketAddr, path::PathBuf};

use clap::{Parser, Subcommand, ValueEnum};

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
    /// Publish an image to Azure: a managed image and a Compute Gallery version
    Azure(Publish),
    /// Publish an image to AWS: an AMI in every region
    Aws(Publish),
    /// Publish an image to both clouds at the same time
    All(Publish),
    /// Publish a disk that it makes to both clouds, on the embedded sandbox
    Demo(Demo),
    /// Say what an image is, and what each cloud will make of it
    Inspect(Inspect),
    /// Write an image in another format
    Convert(Convert),
    /// Run both clouds on loopback, for rehearsals
    Sandbox(Sandbox),
}

#[derive(Clone, Debug, clap::Args)]
pub struct Publish {
    /// The disk image: a VHD or a raw disk, also inside zstd, gzip or xz; a pattern that matches one file serves too
    pub image: Option<String>,

    #[command(flatten)]
    pub opening: Opening,

    /// Where the image has to be in the end, the home region first
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub regions: Vec<String>,

    /// What the image is called
    #[arg(long)]
    pub name: Option<String>,

    /// The image's version, as 1.4.0; @FILE for what is in a file, @image for the label in image-info.json. The next one on
    /// Azure, and the content's digest on AWS, if it is left out
    #[arg(long)]
    pub version: Option<String>,

    /// The profile of publish.toml
    #[arg(long, value_name = "TEAM", env = "PUBLISH_PROFILE")]
    pub profile: Option<String>,

    /// The configuration file; publish.toml here or in a folder above, if it is left out
    #[arg(long, value_name = "FILE", env = "PUBLISH_CONFIG")]
    pub config: Option<PathBuf>,

    /// Azure's resource group
    #[arg(long, value_name = "NAME", help_heading = "Azure")]
    pub resource_group: Option<String>,

    /// Azure's Compute Gallery
    #[arg(long, value_name = "NAME", help_heading = "Azure")]
    pub gallery: Option<String>,

    /// Size of Azure's disk, where it is to be larger than the image; the rest is not uploaded
    #[arg(long, value_name = "GIB", help_heading = "Azure")]
    pub disk_size: Option<u32>,

    /// The bucket for AWS's S3 route
    #[arg(long, value_name = "NAME", help_heading = "AWS")]
    pub bucket: Option<String>,

    /// How the bytes get to AWS: a bucket means s3, none means ebs
    #[arg(long, help_heading = "AWS")]
    pub route: Option<Route>,

    /// Say what would be done, and change nothing
    #[arg(long)]
    pub plan: bool,

    /// Rehearse on an embedded sandbox in place of the cloud
    #[arg(long)]
    pub sandbox: bool,

    /// Where the journals of runs are kept
    #[arg(long, value_name = "DIR", env = "PUBLISH_STATE_DIR")]
    pub state_dir: Option<PathBuf>,

    /// The form of the report on standard output
    #[arg(long, default_value = "human")]
    pub format: Format,
}

/// How an image is opened.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Opening {
    /// Where a compressed image is unpacked, into a file that is gone afterwards; $TMPDIR or /var/tmp, if it is left out
    #[arg(long, value_name = "DIR", env = "PUBLISH_SPOOL_DIR", help_heading = "Image")]
    pub spool_dir: Option<PathBuf>,

    /// Read a VHD that bytes were appended to as the disk it was meant to be
    #[arg(long, help_heading = "Image")]
    pub repair: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table
    Human,
    /// One JSON document
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Route {
    /// Through a bucket and ImportSnapshot
    S3,
    /// Through the EBS direct APIs
    Ebs,
}

#[derive(Debug, clap::Args)]
pub struct Demo {
    /// The form of the report on standard output
    #[arg(long, default_value = "human")]
    pub format: Format,

    /// Only write the disk that the demo would publish, as a raw disk
    #[arg(long, value_name = "FILE")]
    pub write_image: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub struct Inspect {
    /// The disk image
    pub image: String,

    #[command(flatten)]
    pub opening: Opening,

    /// The form of the answer on standard output
    #[arg(long, default_value = "human")]
    pub format: Format,
}

#[derive(Debug, clap::Args)]
pub struct Convert {
    /// The disk image
    pub image: String,

    /// The file to write
    pub out: PathBuf,

    /// The format to write
    #[arg(long, value_name = "FORMAT")]
    pub to: Layout,

    /// Replace a file that is there
    #[arg(long)]
    pub force: bool,

    #[command(flatten)]
    pub opening: Opening,

    /// The form of the answer on standard output
    #[arg(long, default_value = "human")]
    pub format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Layout {
    /// For Azure: the disk, grown with zeros to whole MiB, and a footer
    FixedVhd,
    /// For AWS's import: only the blocks of 2 MiB that hold data
    DynamicVhd,
    /// The disk byte for byte
    Raw,
}

#[derive(Debug, clap::Args)]
pub struct Sandbox {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8443")]
    pub listen: SocketAddr,

    /// Where content is kept; a temporary folder, if it is left out
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,

    /// Write the variables that point publish, az and aws at the sandbox to this file, and not to standard output
    #[arg(long, value_name = "FILE")]
    pub env_file: Option<PathBuf>,

    /// Finish long operations at once
    #[arg(long)]
    pub instant: bool,
}
