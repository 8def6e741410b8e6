use std::path::PathBuf;

use clap::ValueEnum;

use super::{Format, Opening};

#[derive(Clone, Debug, clap::Args)]
pub struct Publish {
    /// The disk image: a VHD or a raw disk, also inside zstd, gzip or xz; a pattern that matches one file, what `nix build` put
    /// out, or a flake reference as .#ecs-node, which is built
    pub image: Option<String>,

    #[command(flatten)]
    pub opening: Opening,

    #[command(flatten)]
    pub selection: Selection,

    /// What Azure's version is made from
    #[arg(long, help_heading = "Azure")]
    pub source: Option<Source>,

    /// Keep the managed image that Azure's version was made from
    #[arg(long, help_heading = "Azure")]
    pub keep_image: bool,

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
    #[arg(long, conflicts_with = "no_wait")]
    pub plan: bool,

    /// End when the cloud has accepted what is left to do; `publish status azure --name NAME` says how far it is
    #[arg(long)]
    pub no_wait: bool,

    /// Leave what was made if the run fails, to look at it; the next run of the same image takes it back
    #[arg(long)]
    pub keep: bool,

    /// How long the run may take, as 90m or 2h; what it has begun is taken back after that
    #[arg(long, value_name = "TIME")]
    pub deadline: Option<String>,

    /// How what the cloud holds is compared with the image before anything is made of it
    #[arg(long)]
    pub verify: Option<Verify>,

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

/// Which image is meant, and where it is.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Selection {
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

    #[command(flatten)]
    pub configuration: Configuration,

    /// Azure's resource group
    #[arg(long, value_name = "NAME", help_heading = "Azure")]
    pub resource_group: Option<String>,

    /// Azure's Compute Gallery
    #[arg(long, value_name = "NAME", help_heading = "Azure")]
    pub gallery: Option<String>,

    /// What the image becomes on Azure
    #[arg(long, help_heading = "Azure")]
    pub destination: Option<Destination>,
}

/// Where settings come from.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Configuration {
    /// The profile of publish.toml; given more than once, or with commas, each lies over those before it
    #[arg(long, value_name = "TEAM", env = "PUBLISH_PROFILE", value_delimiter = ',')]
    pub profile: Vec<String>,

    /// The configuration file; publish.toml here or in a folder above, if it is left out
    #[arg(long, value_name = "FILE", env = "PUBLISH_CONFIG")]
    pub config: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub struct Status {
    /// Where to look
    pub clouds: Clouds,

    #[command(flatten)]
    pub selection: Selection,

    /// The form of the report on standard output
    #[arg(long, default_value = "human")]
    pub format: Format,
}

#[derive(Debug, clap::Args)]
pub struct Doctor {
    /// Which cloud's needs to look at
    pub clouds: Clouds,

    #[command(flatten)]
    pub selection: Selection,

    /// The bucket for AWS's S3 route
    #[arg(long, value_name = "NAME", help_heading = "AWS")]
    pub bucket: Option<String>,

    /// How the bytes get to AWS: a bucket means s3, none means ebs
    #[arg(long, help_heading = "AWS")]
    pub route: Option<Route>,

    /// Print the policies and commands that AWS needs, as a script, in place of looking
    #[arg(long, help_heading = "AWS", conflicts_with = "format")]
    pub setup: bool,

    /// The form of the report on standard output
    #[arg(long, default_value = "human")]
    pub format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Verify {
    /// By the checksums of what is sent, and by what the cloud says that it has
    Checksums,
    /// All of it is read back, too
    Full,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Clouds {
    /// Azure alone
    Azure,
    /// AWS alone
    Aws,
    /// Both
    All,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Destination {
    /// A version in a Compute Gallery, in every region
    Gallery,
    /// A managed image, in one region
    ManagedImage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Source {
    /// A managed image of the disk
    ManagedImage,
    /// The disk itself: for Arm64 and the SecurityType Standard
    Disk,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Route {
    /// Through a bucket and ImportSnapshot
    S3,
    /// Through the EBS direct APIs
    Ebs,
}
