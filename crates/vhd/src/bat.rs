//! The dynamic disk header and its block allocation table (VHD spec, "Dynamic Disk Header Format" and "Block Allocation
//! Table and Data Blocks").

use crate::{
    SECTOR,
    footer::{BadField, NO_OFFSET, be32, be64, checksum},
};

/// Bytes of a dynamic disk header.
pub const HEADER_SIZE: usize = 1024;
/// What every dynamic disk header starts with.
pub const COOKIE: &[u8; 8] = b"cxsparse";
/// A table entry of a block that is not stored.
pub const UNUSED: u32 = u32::MAX;
/// The block size every writer uses, 2 MiB (VHD spec, "Block Size": "the default").
pub const BLOCK_SIZE: u32 = 2 << 20;
/// Where a writer of ours, as `qemu-img`, puts the table: behind the footer copy and the header.
pub const TABLE_OFFSET: u64 = SECTOR + HEADER_SIZE as u64;

const VERSION: u32 = 0x0001_0000;
const CHECKSUM_AT: usize = 36;

/// The fields of a dynamic disk header that decide how the disk is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DynamicHeader {
    /// Where the block allocation table is, in bytes.
    pub table_offset: u64,
    /// Number of entries in the table.
    pub entries: u32,
    /// Bytes of disk in a block, its bitmap not counted.
    pub block_size: u32,
}

impl DynamicHeader {
    /// The header of a disk of ours.
    #[must_use]
    pub fn new(disk_size: u64) -> Self {
        let entries = disk_size.div_ceil(u64::from(BLOCK_SIZE));
        Self { table_offset: TABLE_OFFSET, entries: u32::try_from(entries).unwrap_or(u32::MAX), block_size: BLOCK_SIZE }
    }

    /// The header's bytes, checksum included.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; HEADER_SIZE] {
        let mut bytes = [0; HEADER_SIZE];
        bytes[0..8].copy_from_slice(COOKIE);
        bytes[8..16].copy_from_slice(&NO_OFFSET.to_be_bytes());
        bytes[16..24].copy_from_slice(&self.table_offset.to_be_bytes());
        bytes[24..28].copy_from_slice(&VERSION.to_be_bytes());
        bytes[28..32].copy_from_slice(&self.entries.to_be_bytes());
        bytes[32..36].copy_from_slice(&self.block_size.to_be_bytes());
        let sum = checksum(&bytes, CHECKSUM_AT);
        bytes[CHECKSUM_AT..CHECKSUM_AT + 4].copy_from_slice(&sum.to_be_bytes());
        bytes
    }

    /// Reads a header of a disk of `disk_size` bytes in a file of `file_length` bytes.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(bytes: &[u8; HEADER_SIZE], disk_size: u64, file_length: u64) -> Result<Self, BadField> {
        if &bytes[0..8] != COOKIE {
            return Err(BadField::new("cookie", format!("\"{}\"", bytes[0..8].escape_ascii()), "cxsparse"));
        }
        let (stored, computed) = (be32(bytes, CHECKSUM_AT), checksum(bytes, CHECKSUM_AT));
        if stored != computed {
            return Err(BadField::new("checksum", format!("{stored:#010x}"), format!("{computed:#010x}")));
        }
        let header = Self { table_offset: be64(bytes, 16), entries: be32(bytes, 28), block_size: be32(bytes, 32) };
        // A block holds a power of two of sectors (VHD spec, "Block Size"). 512 KiB and 2 MiB are what is written; smaller
        // than a page, a table would take more memory than the blocks have data.
        if !header.block_size.is_power_of_two() || !(4096..=256 << 20).contains(&header.block_size) {
            return Err(BadField::new(
                "block size",
                header.block_size.to_string(),
                "a power of two from 4 KiB to 256 MiB",
            ));
        }
        let needed = disk_size.div_ceil(u64::from(header.block_size));
        if u64::from(header.entries) < needed {
            return Err(BadField::new("max table entries", header.entries.to_string(), format!("at least {needed}")));
        }
        let table_end = header.table_offset.checked_add(needed * 4);
        if !header.table_offset.is_multiple_of(SECTOR) || table_end.is_none_or(|end| end > file_length) {
            return Err(BadField::new(
                "table offset",
                header.table_offset.to_string(),
                format!("a multiple of 512 that leaves room for {needed} entries in {file_length} bytes"),
            ));
        }
        Ok(header)
    }

    /// Bytes of the sector bitmap in front of each block: a bit a sector, padded to whole sectors.
    #[must_use]
    pub fn bitmap_size(&self) -> u64 {
        (u64::from(self.block_size) / SECTOR).div_ceil(8).next_multiple_of(SECTOR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_reads_back_as_it_was_written() {
        let header = DynamicHeader::new(64 << 20);
        assert_eq!(header.entries, 32);
        assert_eq!(header.bitmap_size(), 512);
        assert_eq!(DynamicHeader::parse(&header.to_bytes(), 64 << 20, 1 << 20), Ok(header));
    }

    #[test]
    fn each_absurd_field_is_named() {
        let field =
            |header: DynamicHeader| DynamicHeader::parse(&header.to_bytes(), 64 << 20, 1 << 20).unwrap_err().field;
        let good = DynamicHeader::new(64 << 20);
        assert_eq!(field(DynamicHeader { block_size: 3 << 20, ..good.clone() }), "block size");
        assert_eq!(field(DynamicHeader { block_size: 0, ..good.clone() }), "block size");
        assert_eq!(field(DynamicHeader { block_size: 1 << 30, ..good.clone() }), "block size");
        assert_eq!(field(DynamicHeader { entries: 31, ..good.clone() }), "max table entries");
        assert_eq!(field(DynamicHeader { table_offset: 1 << 20, ..good.clone() }), "table offset");
        assert_eq!(field(DynamicHeader { table_offset: u64::MAX - 1, ..good.clone() }), "table offset");
        let mut bytes = good.to_bytes();
        bytes[700] = 1;
        assert_eq!(DynamicHeader::parse(&bytes, 64 << 20, 1 << 20).unwrap_err().field, "checksum");
    }
}
