use std::{net::SocketAddr, path::PathBuf};

use super::Format;

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

    /// The form of these variables: lines for a shell, or one JSON document
    #[arg(long, default_value = "human")]
    pub format: Format,

    /// Finish long operations at once
    #[arg(long)]
    pub instant: bool,

    /// Take image data on trust and throw it away, so that a client can be measured: no checksum is compared, and no content
    /// can be read back
    #[arg(long)]
    pub discard: bool,

    /// How many milliseconds each answer takes beyond what it would
    #[arg(long, value_name = "MS", default_value = "0")]
    pub latency: u64,

    /// How many megabytes all connections together bring in a second
    #[arg(long, value_name = "MB")]
    pub rate: Option<u64>,

    /// Open disks at addresses without TLS
    #[arg(long)]
    pub plain_disks: bool,
}
