//! What is on a disk, as far as a cloud has to be told: partition table, EFI system partition, boot files.

mod esp;
mod fat;
mod gpt;
mod partitions;
mod pe;

use std::fmt;

use serde::Serialize;

use self::fat::Bad;
use crate::{Image, Result};

/// How the disk is divided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PartitionTable {
    /// No table that can be read.
    #[default]
    None,
    /// A master boot record.
    Mbr,
    /// A GUID partition table with at least one valid copy.
    Gpt,
}

/// A CPU architecture that both clouds have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Architecture {
    /// 64-bit x86.
    #[serde(rename = "x86_64")]
    X86_64,
    /// 64-bit ARM.
    #[serde(rename = "arm64")]
    Arm64,
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "arm64",
        })
    }
}

/// Which firmware the disk can be booted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Firmware {
    /// UEFI alone.
    Uefi,
    /// BIOS alone.
    Bios,
    /// Either.
    Both,
}

impl fmt::Display for Firmware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Uefi => "UEFI",
            Self::Bios => "BIOS",
            Self::Both => "UEFI and BIOS",
        })
    }
}

/// A generation of Hyper-V machine, as Azure names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Generation {
    /// BIOS.
    V1,
    /// UEFI.
    V2,
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1 => "V1",
            Self::V2 => "V2",
        })
    }
}

/// A file that UEFI firmware starts when it knows of no other (UEFI 2.10, section 3.5.1.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BootFile {
    /// Path on the EFI system partition.
    pub path: String,
    /// What its PE header says it runs on; none where that is neither of ours, or unreadable.
    pub architecture: Option<Architecture>,
}

/// What is on a disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// How the disk is divided.
    pub partition_table: PartitionTable,
    /// Where the last partition ends, in bytes; 0 where there is none.
    pub partitions_end: u64,
    /// Whether there is an EFI system partition.
    pub efi_system_partition: bool,
    /// The removable-media boot files on it.
    pub boot_files: Vec<BootFile>,
    /// Whether a BIOS finds something to start: boot code in a master boot record, or a BIOS boot partition.
    pub bios_boot: bool,
    /// What was found damaged on the way, in words.
    pub problems: Vec<String>,
}

impl Facts {
    pub(crate) fn read(image: &Image) -> Result<Self> {
        let found = partitions::read(image)?;
        let mut facts = Self {
            partition_table: found.table,
            partitions_end: found.end,
            efi_system_partition: found.esp.is_some(),
            bios_boot: found.bios_boot,
            problems: found.problems,
            ..Self::default()
        };
        if let Some(esp) = found.esp {
            match esp::boot_files(image, esp) {
                Ok(files) => facts.boot_files = files,
                Err(Bad::Damaged(what)) => {
                    facts.problems.push(format!("the EFI system partition cannot be read: {what}"))
                }
                Err(Bad::Unreadable(error)) => return Err(error),
            }
        }
        Ok(facts)
    }

    /// Which firmware the disk can be booted by; none if it holds nothing that either would start.
    #[must_use]
    pub fn firmware(&self) -> Option<Firmware> {
        match (!self.boot_files.is_empty(), self.bios_boot) {
            (true, true) => Some(Firmware::Both),
            (true, false) => Some(Firmware::Uefi),
            (false, true) => Some(Firmware::Bios),
            // A partition for UEFI without the removable-media path still is no disk for a BIOS.
            (false, false) => self.efi_system_partition.then_some(Firmware::Uefi),
        }
    }

    /// The generation of Hyper-V machine the disk is for: 2 boots with UEFI from an EFI system partition, 1 with a BIOS.
    #[must_use]
    pub fn generation(&self) -> Generation {
        if self.efi_system_partition { Generation::V2 } else { Generation::V1 }
    }

    /// The architecture of the boot files, if they agree on one.
    #[must_use]
    pub fn architecture(&self) -> Option<Architecture> {
        let mut found = self.boot_files.iter().filter_map(|file| file.architecture);
        let first = found.next()?;
        found.all(|other| other == first).then_some(first)
    }
}
