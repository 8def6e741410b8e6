use std::path::PathBuf;

use clap::ValueEnum;

use super::Format;

/// How an image is opened.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Opening {
    /// Where a compressed image is unpacked, into a file that is gone afterwards; $TMPDIR or /var/tmp, if it is left out
    #[arg(long, value_name = "DIR", env = "PUBLISH_SPOOL_DIR", help_heading = "Image")]
    pub spool_dir: Option<PathBuf>,

    /// What Nix is given beside a flake reference, as --nix-flag=--impure; commas separate several
    #[arg(
        long = "nix-flag",
        value_name = "FLAG",
        value_delimiter = ',',
        allow_hyphen_values = true,
        env = "PUBLISH_NIX_FLAGS",
        hide_env_values = true,
        help_heading = "Image"
    )]
    pub nix_flags: Vec<String>,

    /// Read a VHD that bytes were appended to as the disk it was meant to be
    #[arg(long, help_heading = "Image")]
    pub repair: bool,
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
