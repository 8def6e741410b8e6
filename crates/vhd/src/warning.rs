use std::fmt;

use serde::{Serialize, Serializer};

/// Something that is not as it should be, and that the disk could be read in spite of.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// The footer is 511 bytes long.
    LegacyFooter,
    /// The footer at the end of a dynamic VHD is damaged or gone; the copy at its start was used.
    RecoveredFooter {
        /// What is wrong with the one at the end.
        problem: String,
    },
    /// The copy of the footer at the start of a dynamic VHD is damaged; the one at its end was used.
    DamagedCopy {
        /// What is wrong with it.
        problem: String,
    },
    /// The footer's two sizes differ. See [`geometry`](crate::geometry).
    Sizes {
        /// The creator application.
        creator: String,
        /// Bytes by cylinders, heads and sectors.
        geometry: u64,
        /// Bytes by `Current Size`.
        current: u64,
        /// Bytes that the disk is taken to have.
        taken: u64,
    },
    /// Bytes followed the footer, and the disk was read as it was meant.
    Repaired {
        /// Where the footer is, in bytes.
        footer: u64,
        /// How many bytes follow it.
        trailing: u64,
        /// Whether they hold data or a partition, and so are part of the disk.
        kept: bool,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LegacyFooter => f.write_str(
                "the VHD footer is 511 bytes long: Virtual PC wrote it so before 2004, or the file's last byte was lost; \
                 the disk is whole",
            ),
            Self::RecoveredFooter { problem } => write!(
                f,
                "the VHD footer at the end of the file cannot be used ({problem}); its copy at byte 0 was, and every \
                 block is there",
            ),
            Self::DamagedCopy { problem } => {
                write!(f, "the copy of the VHD footer at byte 0 is damaged ({problem}); the one at the end was used")
            }
            Self::Sizes { creator, geometry, current, taken } => write!(
                f,
                "the VHD footer of creator \"{creator}\" says {geometry} bytes by its geometry and {current} by its \
                 current size; {taken} were taken",
            ),
            Self::Repaired { footer, trailing, kept: false } => write!(
                f,
                "repaired: the {trailing} bytes after the VHD footer at byte {footer} are zeros in no partition, and were \
                 left out",
            ),
            Self::Repaired { footer, trailing, kept: true } => write!(
                f,
                "repaired: the {trailing} bytes after the VHD footer at byte {footer} hold data or a partition, and were \
                 kept as part of the disk; the footer was left out of it",
            ),
        }
    }
}

impl Serialize for Warning {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
