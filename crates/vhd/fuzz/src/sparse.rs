//! A sparse file in few bytes: what a fuzzer mutates, and what the corpus holds.
//!
//! ```text
//! flags u8 · length u48 · { offset u48 · count u16 · count bytes } …      all little-endian
//! ```
//!
//! With [`MEND`] set, the checksums of footers and header are made right, so that what is behind them is reached.

use std::{fs::File, io, os::unix::fs::FileExt};

/// The flag that asks for right checksums.
pub const MEND: u8 = 1;
/// What is said about a file at most, 64 TiB.
const LONGEST: u64 = 1 << 46;

/// Makes the checksums of a GPT right, that of its entries and its own.
fn mend_gpt(file: &File, at: u64, length: u64) -> io::Result<()> {
    let mut header = [0; 92];
    if at + 512 > length {
        return Ok(());
    }
    file.read_exact_at(&mut header, at)?;
    let number = |field: usize| u32::from_le_bytes([0, 1, 2, 3].map(|byte| header[field + byte]));
    let (start, size) = (u64::from(number(72)) * 512, u64::from(number(80)) * u64::from(number(84)));
    if size <= 1 << 16 && start + size <= length {
        let mut entries = vec![0; size as usize];
        file.read_exact_at(&mut entries, start)?;
        header[88..92].copy_from_slice(&crc32fast::hash(&entries).to_le_bytes());
    }
    header[16..20].fill(0);
    let sum = crc32fast::hash(&header);
    header[16..20].copy_from_slice(&sum.to_le_bytes());
    file.write_all_at(&header, at)
}

/// A sparse file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Sparse {
    /// See [`MEND`].
    pub flags: u8,
    /// Length of the file in bytes.
    pub length: u64,
    /// What lies where.
    pub records: Vec<(u64, Vec<u8>)>,
}

impl Sparse {
    /// What `input` describes; none if it is too short for a length.
    pub fn decode(input: &[u8]) -> Option<Self> {
        let (flags, mut rest) = input.split_first()?;
        let mut number = |bytes: usize| -> Option<u64> {
            let (head, tail) = rest.split_at_checked(bytes)?;
            rest = tail;
            Some(head.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
        };
        let length = number(6)? % LONGEST;
        let mut records = Vec::new();
        while let (Some(offset), Some(count)) = (number(6), number(2)) {
            let Some(bytes) = (0..count).map(|_| number(1).map(|byte| byte as u8)).collect() else { break };
            records.push((offset, bytes));
        }
        Some(Self { flags: *flags, length, records })
    }

    /// Whether the file begins as something compressed does.
    pub fn is_compressed(&self) -> bool {
        let head = self.records.iter().find(|(offset, _)| *offset == 0).map_or(&[][..], |(_, bytes)| bytes);
        matches!(head, [0x28, 0xb5, ..] | [0x50..=0x5f, 0x2a, ..] | [0x1f, 0x8b, ..] | [0xfd, b'7', ..])
    }

    /// The bytes that describe this.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![self.flags];
        bytes.extend(&self.length.to_le_bytes()[..6]);
        for (offset, record) in &self.records {
            bytes.extend(&offset.to_le_bytes()[..6]);
            bytes.extend((record.len() as u16).to_le_bytes());
            bytes.extend(record);
        }
        bytes
    }

    /// Writes the file that this describes.
    pub fn write(&self, file: &File) -> io::Result<()> {
        file.set_len(self.length)?;
        for (offset, bytes) in &self.records {
            let room = self.length.saturating_sub(*offset).min(bytes.len() as u64) as usize;
            file.write_all_at(&bytes[..room], *offset)?;
        }
        if self.flags & MEND != 0 {
            self.mend(file)?;
        }
        Ok(())
    }

    /// Makes the checksums right of whatever starts as a footer or a header.
    fn mend(&self, file: &File) -> io::Result<()> {
        let places = self.records.iter().map(|(offset, _)| *offset);
        for at in places.chain([0, 512, self.length.saturating_sub(512), self.length.saturating_sub(511)]) {
            let mut bytes = [0; 1024];
            let room = self.length.saturating_sub(at).min(1024) as usize;
            file.read_exact_at(&mut bytes[..room], at)?;
            if bytes.starts_with(b"EFI PART") {
                mend_gpt(file, at, self.length)?;
            }
            let (size, field) = match &bytes[..8] {
                b"conectix" => (512, 64),
                b"cxsparse" => (1024, 36),
                _ => continue,
            };
            let sum: u32 = bytes[..size].iter().map(|byte| u32::from(*byte)).sum();
            let stored: u32 = bytes[field..field + 4].iter().map(|byte| u32::from(*byte)).sum();
            if room >= size - 1 {
                file.write_all_at(&(!(sum - stored)).to_be_bytes(), at + field as u64)?;
            }
        }
        Ok(())
    }
}
