//! The FAT file system, as much of it as finding a file takes (Microsoft, *FAT32 File System Specification*, version 1.03,
//! cited as "FAT spec" with the name of the section).
//!
//! The tests make file systems with the `fatfs` crate. It is not used here because it panics at clusters that cannot be, and
//! follows a chain that goes in circles for ever.

use crate::{Error, Extent, Image, SECTOR, footer::FOOTER_SIZE};

/// Bytes of a directory entry (FAT spec, "FAT Directory Structure").
const ENTRY: usize = 32;
/// A directory ends here: it has at most 65,536 entries.
const LONGEST_DIRECTORY: u64 = 65_536 * ENTRY as u64;

/// Why a file system cannot be read.
#[derive(Debug)]
pub enum Bad {
    /// The image cannot be read.
    Unreadable(Error),
    /// What is wrong with the file system.
    Damaged(String),
}

impl From<Error> for Bad {
    fn from(error: Error) -> Self {
        Self::Unreadable(error)
    }
}

fn damaged<T>(what: &str, value: impl ToString, expected: &str) -> Result<T, Bad> {
    Err(Bad::Damaged(format!("{what} is {}, expected {expected}", value.to_string())))
}

/// Bits of an entry of the table (FAT spec, "FAT Type Determination").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Width {
    Fat12,
    Fat16,
    Fat32,
}

/// Where a directory or a file begins.
#[derive(Clone, Copy, Debug)]
enum Start {
    /// The root directory of FAT12 and FAT16 has a place of its own.
    Root(Extent),
    Cluster(u64),
}

/// A file system in a partition. All places are bytes of the disk.
#[derive(Debug)]
pub struct Volume<'a> {
    image: &'a Image,
    width: Width,
    table: Extent,
    root: Start,
    data: Extent,
    cluster_size: u64,
}

impl<'a> Volume<'a> {
    /// Reads the boot sector (FAT spec, "Boot Sector and BPB Structure").
    pub fn open(image: &'a Image, partition: Extent) -> Result<Self, Bad> {
        let mut boot = [0; FOOTER_SIZE];
        image.read_at(&mut boot, partition.offset)?;
        let word = |at: usize| u64::from(u16::from_le_bytes([boot[at], boot[at + 1]]));
        let long = |at: usize| word(at) | word(at + 2) << 16;
        let (sector, per_cluster, tables) = (word(11), u64::from(boot[13]), u64::from(boot[16]));
        if boot[510..] != [0x55, 0xaa] {
            return Err(Bad::Damaged("there is no FAT file system".to_owned()));
        }
        if !sector.is_power_of_two() || !(SECTOR..=4096).contains(&sector) {
            return damaged("its sector size", sector, "512, 1024, 2048 or 4096");
        }
        if !per_cluster.is_power_of_two() {
            return damaged("its sectors per cluster", per_cluster, "a power of two");
        }
        let (table_16, sectors_16) = (word(22), word(19));
        let table_sectors = if table_16 == 0 { long(36) } else { table_16 };
        let sectors = if sectors_16 == 0 { long(32) } else { sectors_16 };
        // Sectors of at most 13 bits, counted in 32, times at most 255 tables: nothing here passes 64.
        let table_at = word(14) * sector;
        let table_length = table_sectors * sector;
        let root_at = table_at + tables * table_length;
        let root_length = (word(17) * ENTRY as u64).next_multiple_of(sector);
        let data_at = root_at + root_length;
        let end = sectors * sector;
        if table_length == 0 || tables == 0 || data_at >= end || end > partition.length {
            let expected = format!("a table, and room for data in the {} bytes of its partition", partition.length);
            return damaged("its size", format!("{end} bytes of which {data_at} are taken"), &expected);
        }
        let clusters = (end - data_at) / (per_cluster * sector);
        let width = match clusters {
            // As every firmware has it: small FAT32 is what `mkfs.vfat -F 32` makes of small partitions.
            _ if table_16 == 0 => Width::Fat32,
            0..4085 => Width::Fat12,
            _ => Width::Fat16,
        };
        let at = |offset: u64, length: u64| Extent { offset: partition.offset + offset, length };
        Ok(Self {
            image,
            width,
            table: at(table_at, table_length),
            root: if width == Width::Fat32 { Start::Cluster(long(44)) } else { Start::Root(at(root_at, root_length)) },
            data: at(data_at, end - data_at),
            cluster_size: per_cluster * sector,
        })
    }

    /// The first `most` bytes of a file; none if it is not there. `path` has a name of 8 and 3 characters for each step,
    /// in capitals and without the dot.
    pub fn read(&self, path: &[[u8; 11]], most: u64) -> Result<Option<Vec<u8>>, Bad> {
        let (mut at, mut is_directory, mut length) = (self.root, true, LONGEST_DIRECTORY);
        for name in path {
            if !is_directory {
                return Ok(None);
            }
            let Some(entry) = self.find(at, name)? else { return Ok(None) };
            (at, is_directory, length) = (entry.start, entry.is_directory, entry.length);
        }
        let mut bytes = Vec::new();
        self.walk(at, length.min(most), |piece| {
            bytes.extend_from_slice(piece);
            None::<()>
        })?;
        Ok((!is_directory).then_some(bytes))
    }

    fn find(&self, directory: Start, name: &[u8; 11]) -> Result<Option<Entry>, Bad> {
        self.walk(directory, LONGEST_DIRECTORY, |piece| {
            let (entries, _) = piece.as_chunks::<ENTRY>();
            entries.iter().find_map(|bytes| match Entry::parse(bytes, name) {
                Parsed::Last => Some(None),
                Parsed::Found(entry) => Some(Some(entry)),
                Parsed::Another => None,
            })
        })
        .map(Option::flatten)
    }

    /// Gives the pieces of a file to `look`, until that has found something or `length` bytes are done.
    fn walk<T>(&self, start: Start, length: u64, mut look: impl FnMut(&[u8]) -> Option<T>) -> Result<Option<T>, Bad> {
        let mut cluster = match start {
            Start::Root(range) => {
                let mut buffer = vec![0; range.length as usize];
                self.image.read_at(&mut buffer, range.offset)?;
                return Ok(look(&buffer));
            }
            // A file without bytes has no cluster.
            Start::Cluster(0) => return Ok(None),
            Start::Cluster(cluster) => cluster,
        };
        let mut left = length;
        let mut buffer = vec![0; self.cluster_size as usize];
        while left > 0 {
            // Clusters are counted from 2.
            let offset = cluster.checked_sub(2).map(|nth| nth * self.cluster_size);
            let Some(offset) = offset.filter(|offset| offset + self.cluster_size <= self.data.length) else {
                let last = self.data.length / self.cluster_size + 1;
                return damaged("a cluster", cluster, &format!("2 to {last}"));
            };
            let piece = &mut buffer[..left.min(self.cluster_size) as usize];
            self.image.read_at(piece, self.data.offset + offset)?;
            if let Some(found) = look(piece) {
                return Ok(Some(found));
            }
            left -= piece.len() as u64;
            match self.next(cluster)? {
                Some(next) => cluster = next,
                None => return Ok(None),
            }
        }
        Ok(None)
    }

    /// The cluster behind another; none at the end of a chain (FAT spec, "FAT Data Structure").
    fn next(&self, cluster: u64) -> Result<Option<u64>, Bad> {
        let (at, bytes) = match self.width {
            Width::Fat12 => (cluster + cluster / 2, 2),
            Width::Fat16 => (cluster * 2, 2),
            Width::Fat32 => (cluster * 4, 4),
        };
        if at + bytes > self.table.length {
            return damaged("a cluster", cluster, "one that its table has an entry for");
        }
        let mut entry = [0; 4];
        self.image.read_at(&mut entry[..bytes as usize], self.table.offset + at)?;
        let entry = u64::from(u32::from_le_bytes(entry));
        let (next, end) = match self.width {
            Width::Fat12 if cluster.is_multiple_of(2) => (entry & 0xfff, 0xff8),
            Width::Fat12 => (entry >> 4, 0xff8),
            Width::Fat16 => (entry, 0xfff8),
            Width::Fat32 => (entry & 0x0fff_ffff, 0x0fff_fff8),
        };
        Ok((next < end).then_some(next))
    }
}

struct Entry {
    start: Start,
    is_directory: bool,
    length: u64,
}

enum Parsed {
    /// No entry follows.
    Last,
    Found(Entry),
    Another,
}

impl Entry {
    fn parse(bytes: &[u8; ENTRY], name: &[u8; 11]) -> Parsed {
        const LABEL: u8 = 0x08;
        const DIRECTORY: u8 = 0x10;
        let attributes = bytes[11];
        // Parts of long names have this bit too.
        let is_file = attributes & LABEL == 0;
        match bytes[0] {
            0 => Parsed::Last,
            _ if is_file && bytes.starts_with(name) => {
                let word = |at: usize| u64::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
                let is_directory = attributes & DIRECTORY != 0;
                let length = if is_directory { LONGEST_DIRECTORY } else { word(28) | word(30) << 16 };
                Parsed::Found(Self { start: Start::Cluster(word(20) << 16 | word(26)), is_directory, length })
            }
            _ => Parsed::Another,
        }
    }
}
