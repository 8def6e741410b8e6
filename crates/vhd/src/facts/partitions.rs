use super::{
    PartitionTable,
    gpt::{self, Gpt},
};
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
    Ok(match gpt::read(image)? {
        Ok(table) if mbr.is_protective() => from_gpt(table, &mbr),
        Ok(mut table) if table.primary => {
            table.problems.push("the master boot record does not announce the GPT".to_owned());
            from_gpt(table, &mbr)
        }
        Err(problems) if mbr.is_protective() => {
            let announced = "the master boot record announces a GPT, and there is none that can be read".to_owned();
            let problems = std::iter::once(announced).chain(problems).collect();
            Partitions { problems, ..Partitions::default() }
        }
        // At most a backup that was left of a table which something else has replaced.
        _ => from_mbr(&mbr),
    })
}

fn from_gpt(table: Gpt, mbr: &Mbr) -> Partitions {
    let of_type = |kind| table.partitions.iter().find(|partition| partition.kind == kind);
    Partitions {
        table: PartitionTable::Gpt,
        end: table.partitions.iter().map(|partition| partition.range.end()).max().unwrap_or(0),
        esp: of_type(gpt::EFI_SYSTEM).map(|partition| partition.range),
        bios_boot: of_type(gpt::BIOS_BOOT).is_some() && mbr.has_boot_code,
        problems: table.problems,
    }
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
