//! Which of the two sizes in a footer a disk has: the one in bytes, or cylinders × heads × sectors.
//!
//! Virtual PC showed its guests the geometry; Hyper-V, and with it Azure, goes by `Current Size`. `qemu-img` (10.0.2, tried
//! with each creator) reads a disk the way the program that wrote it did, and so does this crate:
//!
//! | creator application | written by | size of the disk |
//! |---|---|---|
//! | `vpc ` | Virtual PC, and `qemu-img` before it had a name of its own | geometry |
//! | `qemu` | `qemu-img` without `force_size=on` | geometry, which it rounds up to, and is then `Current Size` too |
//! | `qem2` | `qemu-img -o force_size=on`, this crate | `Current Size` |
//! | `win ` | Hyper-V, Windows | `Current Size` |
//! | `wa\0\0` | Azure | `Current Size` |
//! | `d2v ` | Disk2vhd | `Current Size` |
//! | `tap\0`, `CTXS` | XenServer, XenConverter | `Current Size` |
//! | `vs  `, `vbox`, any other | Virtual Server, VirtualBox, … | `Current Size` |
//!
//! Three things keep a geometry from being believed: the largest one there is, 65535/16/255, which every program writes
//! for a disk that is too large for any; one that is a cylinder or more away from `Current Size`, which no rounding
//! explains; and data or a partition behind it, because nothing that somebody stored is ever cut off.

use crate::{
    SECTOR,
    footer::{Footer, MAX_DISK_SIZE},
};

/// Cylinders, heads and sectors per track of a disk (VHD spec, "Disk Geometry").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Number of cylinders.
    pub cylinders: u16,
    /// Heads, which is tracks in a cylinder.
    pub heads: u8,
    /// Sectors in a track.
    pub sectors: u8,
}

impl Geometry {
    /// The largest geometry there is; it stands for "go by the size in bytes".
    pub const MAX: Self = Self { cylinders: 65535, heads: 16, sectors: 255 };

    /// Bytes in a cylinder.
    #[must_use]
    pub fn cylinder(self) -> u64 {
        u64::from(self.heads) * u64::from(self.sectors) * SECTOR
    }

    /// Bytes of a disk with this geometry.
    #[must_use]
    pub fn size(self) -> u64 {
        u64::from(self.cylinders) * self.cylinder()
    }

    pub(crate) fn from_bytes(bytes: [u8; 4]) -> Self {
        Self { cylinders: u16::from_be_bytes([bytes[0], bytes[1]]), heads: bytes[2], sectors: bytes[3] }
    }

    pub(crate) fn to_bytes(self) -> [u8; 4] {
        let [high, low] = self.cylinders.to_be_bytes();
        [high, low, self.heads, self.sectors]
    }
}

/// The creators whose disks are as large as their geometry.
const BY_GEOMETRY: [[u8; 4]; 2] = [*b"vpc ", *b"qemu"];

/// The size by the geometry, of a creator that goes by it, where it says something else than `Current Size`.
pub(crate) fn stated_size(footer: &Footer) -> Option<u64> {
    let size = footer.geometry.size();
    let believed = BY_GEOMETRY.contains(&footer.creator_application) && footer.geometry != Geometry::MAX;
    (believed && size != 0 && size != footer.current_size && size <= MAX_DISK_SIZE).then_some(size)
}

/// The size that a disk has, if nothing is stored behind it.
pub(crate) fn size(footer: &Footer) -> u64 {
    let explained = |size: &u64| size.abs_diff(footer.current_size) < footer.geometry.cylinder();
    stated_size(footer).filter(explained).unwrap_or(footer.current_size)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::footer::DiskType;

    fn size_of(creator: &[u8; 4], cylinders: u16) -> u64 {
        let mut footer = Footer::new(DiskType::Dynamic, 64 << 20, Uuid::nil());
        footer.creator_application = *creator;
        footer.geometry = Geometry { cylinders, heads: 8, sectors: 17 };
        size(&footer)
    }

    #[test]
    fn only_two_creators_go_by_the_geometry() {
        for creator in [b"vpc ", b"qemu"] {
            assert_eq!(size_of(creator, 963), 67_055_616);
            assert_eq!(size_of(creator, 964), 67_125_248);
        }
        for creator in [b"qem2", b"win ", b"wa\0\0", b"d2v ", b"tap\0", b"CTXS", b"vs  ", b"vbox", b"abcd"] {
            assert_eq!(size_of(creator, 963), 64 << 20, "{}", creator.escape_ascii());
        }
    }

    #[test]
    fn a_geometry_that_rounding_does_not_explain_is_not_believed() {
        for cylinders in [0, 1, 962, 965, 65535] {
            assert_eq!(size_of(b"vpc ", cylinders), 64 << 20, "{cylinders}");
        }
    }
}
