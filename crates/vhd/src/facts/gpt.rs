//! GUID partition tables (UEFI 2.10, section 5.3), with every checksum verified and nothing believed before.
//!
//! The tests compare with the `gpt` crate. It is not used here because it panics at entries that are not 128 bytes long,
//! and allocates as many as a header asks for.

use crate::{Extent, Image, Result, SECTOR, footer::FOOTER_SIZE};

/// A partition type as it stands in an entry: the first three groups of the GUID are little-endian.
type Type = [u8; 16];

/// C12A7328-F81F-11D2-BA4B-00A0C93EC93B (UEFI 2.10, table 5.7).
pub const EFI_SYSTEM: Type =
    [0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b];
/// 21686148-6449-6E6F-744E-656564454649, where GRUB puts what a BIOS starts.
pub const BIOS_BOOT: Type = *b"Hah!IdontNeedEFI";

const SIGNATURE: &[u8; 8] = b"EFI PART";
const REVISION: u32 = 0x0001_0000;
/// Bytes of a header that are defined (UEFI 2.10, table 5.5).
const HEADER: u32 = 92;
/// Entries are 128 bytes long, or that times a power of two.
const ENTRY: u32 = 128;
/// All entries together. 128 of 128 bytes is what everybody writes; sixty-four times that is read.
const TABLE: u64 = 1 << 20;

/// A partition that is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    pub kind: Type,
    pub range: Extent,
}

/// A table that could be read, and what was found damaged on the way.
#[derive(Debug, Default)]
pub struct Gpt {
    /// Whether it is the primary table.
    pub primary: bool,
    pub partitions: Vec<Partition>,
    pub problems: Vec<String>,
}

/// The disk's table: the primary one, or else the backup. None if there is neither; then the problems say why, if there
/// is at least something that calls itself a table.
pub fn read(image: &Image) -> Result<std::result::Result<Gpt, Vec<String>>> {
    let last = image.virtual_size() / SECTOR - 1;
    let primary = table(image, 1)?;
    let backup_at = primary.as_ref().map_or(last, |table| table.other);
    let backup = table(image, backup_at)?;
    let mut problems = Vec::new();
    if let Err(Bad::Damaged(what)) = &primary {
        problems.push(format!("the primary GPT is damaged: {what}"));
    }
    match &backup {
        Err(Bad::Damaged(what)) => problems.push(format!("the backup GPT is damaged: {what}")),
        Err(Bad::Absent) if primary.is_ok() => problems.push("the backup GPT is missing".to_owned()),
        Ok(_) if backup_at != last => {
            problems.push(format!("the backup GPT is at sector {backup_at}, and the last of the disk is {last}"));
        }
        _ => {}
    }
    if matches!((&primary, &backup), (Err(Bad::Absent), Ok(_))) {
        problems.push("the primary GPT is missing".to_owned());
    }
    let is_primary = primary.is_ok();
    Ok(match primary.or(backup) {
        Ok(table) => Ok(Gpt { primary: is_primary, partitions: table.partitions, problems }),
        Err(_) => Err(problems),
    })
}

struct Table {
    /// The sector of the other header.
    other: u64,
    partitions: Vec<Partition>,
}

enum Bad {
    /// Nothing there calls itself a table.
    Absent,
    /// What is wrong with it.
    Damaged(String),
}

/// The table whose header is at sector `at`.
fn table(image: &Image, at: u64) -> Result<std::result::Result<Table, Bad>> {
    let mut sector = [0; FOOTER_SIZE];
    // A header may name any sector as that of the other one.
    if let Some(offset) = at.checked_mul(SECTOR).filter(|offset| *offset < image.virtual_size()) {
        image.read_at(&mut sector, offset)?;
    }
    if !sector.starts_with(SIGNATURE) {
        return Ok(Err(Bad::Absent));
    }
    let header = match Header::parse(&sector, at, image.virtual_size()) {
        Ok(header) => header,
        Err(what) => return Ok(Err(Bad::Damaged(what))),
    };
    let mut entries = vec![0; header.table.length as usize];
    image.read_at(&mut entries, header.table.offset)?;
    let (stored, computed) = (header.table_checksum, crc32(&entries));
    if stored != computed {
        let what = format!("the checksum of its entries is {stored:#010x}, expected {computed:#010x}");
        return Ok(Err(Bad::Damaged(what)));
    }
    let partitions = entries.chunks_exact(header.entry_size).filter_map(partition).collect();
    Ok(Ok(Table { other: header.other, partitions }))
}

struct Header {
    other: u64,
    table: Extent,
    entry_size: usize,
    table_checksum: u32,
}

impl Header {
    fn parse(sector: &[u8; FOOTER_SIZE], at: u64, disk: u64) -> std::result::Result<Self, String> {
        let wrong =
            |what: &str, value: String, expected: String| Err(format!("{what} is {value}, expected {expected}"));
        let size = le32(sector, 12);
        if !(HEADER..=SECTOR as u32).contains(&size) {
            return wrong("its header size", size.to_string(), format!("{HEADER} to {SECTOR}"));
        }
        let mut header = sector[..size as usize].to_vec();
        header[16..20].fill(0);
        let (stored, computed) = (le32(sector, 16), crc32(&header));
        if stored != computed {
            return wrong("its checksum", format!("{stored:#010x}"), format!("{computed:#010x}"));
        }
        if le32(sector, 8) != REVISION {
            return wrong("its revision", format!("{:#010x}", le32(sector, 8)), format!("{REVISION:#010x}"));
        }
        if le64(sector, 24) != at {
            return wrong("its own sector", le64(sector, 24).to_string(), at.to_string());
        }
        let (first, count, entry_size) = (le64(sector, 72), le32(sector, 80), le32(sector, 84));
        if entry_size < ENTRY || !entry_size.is_power_of_two() {
            return wrong("its entry size", entry_size.to_string(), "128 times a power of two".to_owned());
        }
        let length = u64::from(count) * u64::from(entry_size);
        if length > TABLE {
            return wrong(
                "its number of entries",
                count.to_string(),
                format!("at most {}", TABLE / u64::from(entry_size)),
            );
        }
        let start = first.checked_mul(SECTOR).filter(|start| start.checked_add(length).is_some_and(|end| end <= disk));
        let Some(start) = start else {
            return wrong(
                "the first sector of its entries",
                first.to_string(),
                "one that leaves room for them".to_owned(),
            );
        };
        Ok(Self {
            other: le64(sector, 32),
            table: Extent { offset: start, length },
            entry_size: entry_size as usize,
            table_checksum: le32(sector, 88),
        })
    }
}

/// The partition of an entry (UEFI 2.10, table 5.6); none if the entry is unused or lies outside every disk.
fn partition(entry: &[u8]) -> Option<Partition> {
    let kind = *entry.first_chunk::<16>()?;
    let start = le64(entry, 32).checked_mul(SECTOR)?;
    let end = le64(entry, 40).checked_add(1)?.checked_mul(SECTOR)?;
    let range = Extent::between(start, end)?;
    (kind != [0; 16]).then_some(Partition { kind, range })
}

/// The checksum of everything in a GPT (UEFI 2.10, section 5.3.2), which is that of Ethernet.
fn crc32(bytes: &[u8]) -> u32 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, bytes) as u32
}

/// A little-endian number of four bytes; `at` is a constant offset into a structure of known size.
fn le32(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4].iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte))
}

fn le64(bytes: &[u8], at: usize) -> u64 {
    u64::from(le32(bytes, at + 4)) << 32 | u64::from(le32(bytes, at))
}
