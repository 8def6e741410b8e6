use std::{io, path::PathBuf};

use crate::{Compression, detect::Foreign};

/// What this crate's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an image cannot be used. `Display` says what is wrong and where; [`Error::hint`] says what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused an operation on the file.
    #[error("cannot {action} {}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    /// The operating system refused an operation on a file that is being written.
    #[error("cannot {action} {}", path.display())]
    Output { action: &'static str, path: PathBuf, source: io::Error },
    /// The path is a directory, a device or another thing that is not a regular file.
    #[error("{} is {what}, not a disk image file", path.display())]
    NotAFile { path: PathBuf, what: &'static str },
    /// The file has no bytes.
    #[error("{} is empty", path.display())]
    Empty { path: PathBuf },
    /// The file is of a format that this crate recognises and does not read.
    #[error("{} is {found}{}, which cannot be published as it is", path.display(), inside.map(|with| format!(" inside {with}")).unwrap_or_default())]
    Foreign { path: PathBuf, found: Foreign, inside: Option<Compression> },
    /// A VHD that stores only the difference to a parent disk.
    #[error("{} is a differencing VHD: it holds only what differs from its parent disk", path.display())]
    Differencing { path: PathBuf },
    /// The VHD footer is cut off, so the file was not written or copied to its end.
    #[error("{}: the VHD footer is truncated: {found} of its 512 bytes are there, the file ends at byte {length}", path.display())]
    TruncatedFooter { path: PathBuf, found: u64, length: u64 },
    /// A valid footer exists, and more bytes follow it.
    #[error("{}: {trailing} bytes follow the VHD footer, which stands at byte {footer} and has to be the end of the file", path.display())]
    TrailingBytes { path: PathBuf, footer: u64, trailing: u64 },
    /// A VHD that blocks cannot be appended to, with data after its footer.
    #[error("{}: {trailing} bytes that are not all zeros follow the footer of a dynamic VHD, which stands at byte {footer}; they are in no block of the disk", path.display())]
    TrailingData { path: PathBuf, footer: u64, trailing: u64 },
    /// A dynamic VHD ends before its blocks do.
    #[error("{} is cut short: block {block} of the VHD ends at byte {needed}, the file at byte {length}", path.display())]
    CutShort { path: PathBuf, block: u64, needed: u64, length: u64 },
    /// What is compressed cannot be unpacked.
    #[error("{} cannot be unpacked: its {compression} data is damaged, cut short or beyond the memory allowed", path.display())]
    Compressed { path: PathBuf, compression: Compression, source: io::Error },
    /// What is compressed is compressed again.
    #[error("{} is compressed twice: inside {outer} there is {inner}", path.display())]
    CompressedTwice { path: PathBuf, outer: Compression, inner: Compression },
    /// There is no room to unpack an image.
    #[error("{} has {available} bytes free, and at least {needed} more are needed to unpack {}", dir.display(), image.display())]
    NoSpace { dir: PathBuf, image: PathBuf, available: u64, needed: u64 },
    /// What is to be written is there already.
    #[error("{} exists", path.display())]
    Exists { path: PathBuf },
    /// `image-info.json` is not what its name says.
    #[error("{} cannot be read as an image-info.json", path.display())]
    ImageInfo { path: PathBuf, source: serde_json::Error },
    /// The operation was asked to end.
    #[error("interrupted")]
    Interrupted,
    /// A field of the format holds a value it must not hold.
    #[error("{}: {structure}: {field} is {value}, expected {expected}", path.display())]
    Field { path: PathBuf, structure: &'static str, field: &'static str, value: String, expected: String },
    /// The file was written to after it was opened.
    #[error("{} has changed while it was read", path.display())]
    Changed { path: PathBuf },
    /// The disk is larger than the format can express.
    #[error("a disk of {size} bytes does not fit a VHD, which ends at {limit} bytes (2040 GiB)")]
    TooLarge { size: u64, limit: u64 },
    /// A layout smaller than the data it has to hold was asked for.
    #[error("a disk of {asked} bytes cannot hold this image, whose data ends at byte {end}")]
    TooSmall { asked: u64, end: u64 },
}

impl Error {
    /// The same of what was found inside a compressed file.
    pub(crate) fn inside(self, compression: Option<Compression>) -> Self {
        match self {
            Self::Foreign { path, found, .. } => Self::Foreign { path, found, inside: compression },
            other => other,
        }
    }

    /// The next thing to do, as one sentence or a command; none where there is nothing better to say than the error.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotAFile { what: "a directory", .. } => {
                Some("name the image inside it, for example result/nixos.vhd".into())
            }
            Self::Empty { .. } => Some("the build or copy that made it did not finish; make it again".into()),
            Self::Foreign { path, found, inside: None } => Some(found.cure(path)),
            Self::Foreign { path, found, inside: Some(with) } => {
                let unpacked = path.with_extension("");
                Some(format!("unpack it: {} -d '{}'; then {}", with.program(), path.display(), found.cure(&unpacked)))
            }
            Self::Differencing { path } => Some(format!(
                "flatten it together with its parent: qemu-img convert -O vpc -o subformat=dynamic,force_size=on '{}' flat.vhd",
                path.display()
            )),
            Self::TrailingData { .. } => Some("build or copy it again; what was appended belongs to another disk".into()),
            Self::TruncatedFooter { .. } | Self::CutShort { .. } => Some("the file was cut short; copy or build it again".into()),
            Self::TrailingBytes { .. } => Some(
                "NixOS azure images with an automatic disk size are grown after their footer was written (nixpkgs #516860): \
                 set virtualisation.diskSize to a number of MiB and build again, or read it as it was meant with --repair"
                    .into(),
            ),
            Self::Compressed { compression, path, .. } => {
                let program = compression.program();
                Some(format!("`{program} -t '{}'` tells which; copy it again, or unpack it first: {program} -d", path.display()))
            }
            Self::Exists { .. } => Some("remove it, or replace it with --force".into()),
            Self::ImageInfo { .. } => Some("build the image again, or take the file away".into()),
            Self::CompressedTwice { outer, path, .. } => Some(format!("unpack it once: {} -d '{}'", outer.program(), path.display())),
            Self::NoSpace { .. } => Some("free some, or name another directory with --spool-dir".into()),
            Self::Changed { .. } => Some("publish it again when nothing writes to it any more".into()),
            Self::TooLarge { .. } => Some("publish it as a raw disk, where the cloud takes one".into()),
            _ => None,
        }
    }
}
