use gpt::{GptConfig, partition_types};

use super::{PartitionTable, disk::Window};
use crate::{Extent, Image, Result, SECTOR, footer::FOOTER_SIZE, zero::is_zero};

/// What the partition table says.
#[derive(Default)]
pub struct Partitions {
    pub table: PartitionTable,
    /// Where the last partition ends, in bytes.
    pub end: u64,
    pub esp: Option<Extent>,
    pub bios_boot: bool,
    pub problems: Vec<String>,
}

/// Partition types of a master boot record: a table that is really a GPT, and an EFI system partition (UEFI 2.10,
/// table 5.4).
const MBR_PROTECTIVE: u8 = 0xee;
const MBR_ESP: u8 = 0xef;

pub fn read(image: &Image) -> Result<Partitions> {
    let mut sector = [0; FOOTER_SIZE];
    image.read_at(&mut sector, 0)?;
    let mbr = Mbr::parse(&sector);
    match GptConfig::new().writable(false).open_from_device(Window::whole(image)) {
        Ok(disk) => Ok(from_gpt(&disk, &mbr)),
        Err(error) if mbr.is_protective() => Ok(Partitions {
            problems: vec![format!("the master boot record announces a GPT, and that cannot be read: {error}")],
            ..Partitions::default()
        }),
        Err(_) => Ok(from_mbr(&mbr)),
    }
}

fn from_gpt(disk: &gpt::GptDisk<Window<'_>>, mbr: &Mbr) -> Partitions {
    let mut problems = Vec::new();
    if disk.primary_header().is_err() {
        problems.push("the primary GPT header is damaged".to_owned());
    }
    if disk.backup_header().is_err() {
        problems.push("the backup GPT header is damaged or not at the end of the disk".to_owned());
    }
    let of_type = |wanted: partition_types::Type| disk.partitions().values().find(|p| p.part_type_guid == wanted);
    let esp = of_type(partition_types::EFI).and_then(|partition| {
        let start = partition.first_lba.checked_mul(SECTOR)?;
        let end = partition.last_lba.checked_add(1)?.checked_mul(SECTOR)?;
        Extent::between(start, end)
    });
    let bios_boot = of_type(partition_types::BIOS).is_some() && mbr.has_boot_code;
    let last = disk.partitions().values().filter(|p| p.is_used()).map(|p| p.last_lba.saturating_add(1)).max();
    let end = last.unwrap_or(0).saturating_mul(SECTOR);
    Partitions { table: PartitionTable::Gpt, end, esp, bios_boot, problems }
}

fn from_mbr(mbr: &Mbr) -> Partitions {
    if mbr.entries.is_empty() {
        return Partitions::default();
    }
    let esp = mbr.entries.iter().find(|(kind, _)| *kind == MBR_ESP).map(|(_, range)| *range);
    let end = mbr.entries.iter().map(|(_, range)| range.end()).max().unwrap_or(0);
    Partitions { table: PartitionTable::Mbr, end, esp, bios_boot: mbr.has_boot_code, problems: Vec::new() }
}

/// A master boot record: boot code, four partitions, the signature 55 AA.
struct Mbr {
    has_boot_code: bool,
    entries: Vec<(u8, Extent)>,
}

impl Mbr {
    fn parse(sector: &[u8; FOOTER_SIZE]) -> Self {
        if sector[510..] != [0x55, 0xaa] {
            return Self { has_boot_code: false, entries: Vec::new() };
        }
        let (entries, _) = sector[446..510].as_chunks::<16>();
        let entries = entries.iter().filter_map(|entry| {
            let le32 =
                |at: usize| u64::from(u32::from_le_bytes([entry[at], entry[at + 1], entry[at + 2], entry[at + 3]]));
            let range = Extent::between(le32(8) * SECTOR, (le32(8) + le32(12)) * SECTOR)?;
            (entry[4] != 0).then_some((entry[4], range))
        });
        Self { has_boot_code: !is_zero(&sector[..440]), entries: entries.collect() }
    }

    fn is_protective(&self) -> bool {
        self.entries.iter().any(|(kind, _)| *kind == MBR_PROTECTIVE)
    }
}
