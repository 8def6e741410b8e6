//! The 512-byte hard disk footer (VHD spec, "Hard Disk Footer Format").

use uuid::Uuid;

use crate::{Error, Result, SECTOR, geometry::Geometry};

/// Bytes of a footer.
pub const FOOTER_SIZE: usize = SECTOR as usize;
/// What every footer starts with.
pub const COOKIE: &[u8; 8] = b"conectix";
/// The largest disk a VHD can describe, 2040 GiB: what Virtual PC, Hyper-V and `qemu-img` all end at.
pub const MAX_DISK_SIZE: u64 = 2040 * crate::GIB;
/// `Data Offset` of a fixed disk, which has no dynamic header.
pub const NO_OFFSET: u64 = u64::MAX;

const VERSION: u32 = 0x0001_0000;
/// Bit 1 is reserved and always set (VHD spec, "Features").
const FEATURES: u32 = 2;
/// "qem2" and "Wi2k" with the largest geometry are what `qemu-img -o force_size=on` writes, the form that Azure has been
/// given by NixOS for years: every reader then trusts `current_size` and not the geometry.
const CREATOR_APPLICATION: &[u8; 4] = b"qem2";
const CREATOR_VERSION: u32 = 0x0005_0003;
const CREATOR_HOST_OS: &[u8; 4] = b"Wi2k";
const CHECKSUM_AT: usize = 64;

/// What kind of disk the footer describes (VHD spec, "Disk Type").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskType {
    /// All data in place, the footer at the end.
    Fixed,
    /// Data in blocks that a table points at.
    Dynamic,
    /// Only what differs from a parent.
    Differencing,
}

impl DiskType {
    fn number(self) -> u32 {
        match self {
            Self::Fixed => 2,
            Self::Dynamic => 3,
            Self::Differencing => 4,
        }
    }
}

/// The fields of a footer that decide how a disk is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Footer {
    /// Kind of disk.
    pub disk_type: DiskType,
    /// Where the dynamic header is, [`NO_OFFSET`] for a fixed disk. In bytes.
    pub data_offset: u64,
    /// Size of the disk in bytes.
    pub current_size: u64,
    /// The program that wrote it, four characters.
    pub creator_application: [u8; 4],
    /// Cylinders, heads and sectors.
    pub geometry: Geometry,
    /// Identity of the disk.
    pub unique_id: Uuid,
}

impl Footer {
    /// The footer of a disk of ours. `unique_id` and a constant time stamp make the bytes reproducible.
    #[must_use]
    pub fn new(disk_type: DiskType, current_size: u64, unique_id: Uuid) -> Self {
        let data_offset = if disk_type == DiskType::Fixed { NO_OFFSET } else { SECTOR };
        Self {
            disk_type,
            data_offset,
            current_size,
            creator_application: *CREATOR_APPLICATION,
            geometry: Geometry::MAX,
            unique_id,
        }
    }

    /// The footer's bytes, checksum included.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; FOOTER_SIZE] {
        let mut bytes = [0; FOOTER_SIZE];
        bytes[0..8].copy_from_slice(COOKIE);
        bytes[8..12].copy_from_slice(&FEATURES.to_be_bytes());
        bytes[12..16].copy_from_slice(&VERSION.to_be_bytes());
        bytes[16..24].copy_from_slice(&self.data_offset.to_be_bytes());
        // 24..28, the time stamp, stays 0 (1 January 2000): the same disk gives the same bytes.
        bytes[28..32].copy_from_slice(&self.creator_application);
        bytes[32..36].copy_from_slice(&CREATOR_VERSION.to_be_bytes());
        bytes[36..40].copy_from_slice(CREATOR_HOST_OS);
        bytes[40..48].copy_from_slice(&self.current_size.to_be_bytes());
        bytes[48..56].copy_from_slice(&self.current_size.to_be_bytes());
        bytes[56..60].copy_from_slice(&self.geometry.to_bytes());
        bytes[60..64].copy_from_slice(&self.disk_type.number().to_be_bytes());
        bytes[68..84].copy_from_slice(self.unique_id.as_bytes());
        let sum = checksum(&bytes, CHECKSUM_AT);
        bytes[CHECKSUM_AT..CHECKSUM_AT + 4].copy_from_slice(&sum.to_be_bytes());
        bytes
    }

    /// Reads a footer.
    ///
    /// # Errors
    /// What is wrong with it, as a field: the caller knows the path and the place.
    pub fn parse(bytes: &[u8; FOOTER_SIZE]) -> std::result::Result<Self, BadField> {
        if &bytes[0..8] != COOKIE {
            return Err(BadField::new("cookie", format!("\"{}\"", bytes[0..8].escape_ascii()), "conectix"));
        }
        let stored = be32(bytes, CHECKSUM_AT);
        let computed = checksum(bytes, CHECKSUM_AT);
        if stored != computed {
            return Err(BadField::new("checksum", format!("{stored:#010x}"), format!("{computed:#010x}")));
        }
        if be32(bytes, 12) >> 16 != VERSION >> 16 {
            return Err(BadField::new("file format version", format!("{:#010x}", be32(bytes, 12)), "0x00010000"));
        }
        let disk_type = match be32(bytes, 60) {
            2 => DiskType::Fixed,
            3 => DiskType::Dynamic,
            4 => DiskType::Differencing,
            other => return Err(BadField::new("disk type", other.to_string(), "2 (fixed) or 3 (dynamic)")),
        };
        let current_size = be64(bytes, 48);
        if current_size == 0 || !current_size.is_multiple_of(SECTOR) || current_size > MAX_DISK_SIZE {
            return Err(BadField::new(
                "current size",
                current_size.to_string(),
                format!("a multiple of 512 from 512 to {MAX_DISK_SIZE}"),
            ));
        }
        let mut creator_application = [0; 4];
        creator_application.copy_from_slice(&bytes[28..32]);
        let mut unique_id = [0; 16];
        unique_id.copy_from_slice(&bytes[68..84]);
        Ok(Self {
            disk_type,
            data_offset: be64(bytes, 16),
            current_size,
            creator_application,
            geometry: Geometry::from_bytes([bytes[56], bytes[57], bytes[58], bytes[59]]),
            unique_id: Uuid::from_bytes(unique_id),
        })
    }

    /// The first field in which a copy of this footer says something else of the disk. The identity and the time may differ:
    /// some programs refresh only one of the two.
    pub(crate) fn contradiction(&self, copy: &Self) -> Option<BadField> {
        let differs = |field, ours: u64, theirs: u64| {
            (ours != theirs)
                .then(|| BadField::new(field, theirs.to_string(), format!("{ours}, as in the footer at the end")))
        };
        differs("disk type", self.disk_type.number().into(), copy.disk_type.number().into())
            .or_else(|| differs("data offset", self.data_offset, copy.data_offset))
            .or_else(|| differs("current size", self.current_size, copy.current_size))
    }
}

/// A field that holds what it must not hold, without the file it is in.
#[derive(Debug, PartialEq, Eq)]
pub struct BadField {
    /// The field's name in the specification.
    pub field: &'static str,
    /// What is there.
    pub value: String,
    /// What may be there.
    pub expected: String,
}

impl BadField {
    pub(crate) fn new(field: &'static str, value: String, expected: impl Into<String>) -> Self {
        Self { field, value, expected: expected.into() }
    }

    /// What is wrong, for a message that names the structure itself.
    pub(crate) fn problem(&self) -> String {
        format!("{} is {}, expected {}", self.field, self.value, self.expected)
    }

    /// The error, with the file and the structure named.
    #[must_use]
    pub fn of(self, path: &std::path::Path, structure: &'static str) -> Error {
        Error::Field { path: path.to_owned(), structure, field: self.field, value: self.value, expected: self.expected }
    }
}

/// One's complement of the sum of all bytes, the checksum field itself left out (VHD spec, "Checksum").
#[must_use]
pub fn checksum(bytes: &[u8], field: usize) -> u32 {
    let sum = |part: &[u8]| part.iter().map(|byte| u32::from(*byte)).sum::<u32>();
    !(sum(&bytes[..field]) + sum(&bytes[field + 4..]))
}

/// A big-endian number of four bytes; `at` is a constant offset into a structure of known size.
pub(crate) fn be32(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4].iter().fold(0, |value, byte| value << 8 | u32::from(*byte))
}

pub(crate) fn be64(bytes: &[u8], at: usize) -> u64 {
    u64::from(be32(bytes, at)) << 32 | u64::from(be32(bytes, at + 4))
}

/// A disk that a VHD can describe.
///
/// # Errors
/// [`Error::TooLarge`] past [`MAX_DISK_SIZE`].
pub fn check_size(size: u64) -> Result<()> {
    if size > MAX_DISK_SIZE { Err(Error::TooLarge { size, limit: MAX_DISK_SIZE }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_footer_reads_back_as_it_was_written() {
        for disk_type in [DiskType::Fixed, DiskType::Dynamic] {
            let footer = Footer::new(disk_type, 64 << 20, Uuid::from_u128(7));
            assert_eq!(Footer::parse(&footer.to_bytes()), Ok(footer));
        }
    }

    #[test]
    fn each_broken_field_is_named_with_its_value() {
        let whole = Footer::new(DiskType::Fixed, 64 << 20, Uuid::nil()).to_bytes();
        let broken = |at: usize, value: u8, mend: bool| {
            let mut bytes = whole;
            bytes[at] = value;
            if mend {
                let sum = checksum(&bytes, CHECKSUM_AT);
                bytes[CHECKSUM_AT..CHECKSUM_AT + 4].copy_from_slice(&sum.to_be_bytes());
            }
            Footer::parse(&bytes).unwrap_err()
        };
        assert_eq!(broken(0, b'x', true).field, "cookie");
        assert_eq!(broken(100, 1, false).field, "checksum");
        assert_eq!(broken(13, 2, true).field, "file format version");
        assert_eq!(broken(63, 9, true).value, "9");
        assert_eq!(broken(55, 1, true).field, "current size");
        assert_eq!(broken(48, 0x7f, true).field, "current size");
    }
}
