//! What is found on a disk that `gpt` and `fatfs` made.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::FileExt,
    path::Path,
};

use tempfile::TempDir;
use vhd::{Architecture, Firmware, PartitionTable};

use crate::disk::{self, open};

/// A slice of a file that a file system is made in.
struct Slice {
    file: File,
    start: u64,
    length: u64,
    at: u64,
}

impl Read for Slice {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min((self.length - self.at) as usize);
        let read = self.file.read_at(&mut buffer[..wanted], self.start + self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Write for Slice {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.file.write_at(buffer, self.start + self.at)?;
        self.at += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Slice {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = match to {
            SeekFrom::Start(at) => at,
            SeekFrom::Current(by) => self.at.checked_add_signed(by).unwrap(),
            SeekFrom::End(by) => self.length.checked_add_signed(by).unwrap(),
        };
        Ok(self.at)
    }
}

/// A disk of 64 MiB with an EFI system partition, and on it a boot file of that name for that machine.
pub fn gpt_disk(path: &Path, boot_file: Option<(&str, u16)>) {
    disk::raw(path, 64 << 20, &[]);
    let file = File::options().read(true).write(true).open(path).unwrap();
    let mbr = gpt::mbr::ProtectiveMBR::with_lb_size(((64 << 20) / 512) - 1);
    mbr.overwrite_lba0(&mut &file).unwrap();
    let mut disk = gpt::GptConfig::new().writable(true).create_from_device(file.try_clone().unwrap(), None).unwrap();
    let id = disk.add_partition("ESP", 16 << 20, gpt::partition_types::EFI, 0, Some(2048)).unwrap();
    let start = disk.partitions()[&id].first_lba * 512;
    disk.write().unwrap();

    let slice = || Slice { file: file.try_clone().unwrap(), start, length: 16 << 20, at: 0 };
    fatfs::format_volume(slice(), fatfs::FormatVolumeOptions::new()).unwrap();
    let Some((name, machine)) = boot_file else { return };
    let fat = fatfs::FileSystem::new(slice(), fatfs::FsOptions::new()).unwrap();
    let folder = fat.root_dir().create_dir("EFI").unwrap().create_dir("BOOT").unwrap();
    let mut pe = vec![0; 0x100];
    pe[..2].copy_from_slice(b"MZ");
    pe[0x3c] = 0x80;
    pe[0x80..0x84].copy_from_slice(b"PE\0\0");
    pe[0x84..0x86].copy_from_slice(&machine.to_le_bytes());
    folder.create_file(name).unwrap().write_all(&pe).unwrap();
}

#[test]
fn firmware_and_architecture_come_from_the_boot_file() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("disk");
    for (name, machine, architecture) in
        [("BOOTX64.EFI", 0x8664, Architecture::X86_64), ("BOOTAA64.EFI", 0xaa64, Architecture::Arm64)]
    {
        gpt_disk(&path, Some((name, machine)));
        let image = open(&path);
        let facts = image.facts().unwrap();
        assert_eq!(facts.partition_table, PartitionTable::Gpt, "{facts:?}");
        assert_eq!(facts.problems, [""; 0]);
        assert!(facts.efi_system_partition);
        assert_eq!(facts.firmware(), Some(Firmware::Uefi));
        assert_eq!(facts.architecture(), Some(architecture));
    }
}

#[test]
fn a_disk_without_a_boot_file_has_no_architecture() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("disk");
    gpt_disk(&path, None);
    let image = open(&path);
    assert_eq!(image.facts().unwrap().architecture(), None);
    assert_eq!(image.facts().unwrap().firmware(), Some(Firmware::Uefi));
}

#[test]
fn a_damaged_header_is_a_problem_and_the_other_copy_is_used() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("disk");
    gpt_disk(&path, Some(("BOOTX64.EFI", 0x8664)));
    File::options().write(true).open(&path).unwrap().write_all_at(&[0xff; 8], 512 + 40).unwrap();
    let image = open(&path);
    let facts = image.facts().unwrap();
    assert_eq!(facts.problems, ["the primary GPT header is damaged"]);
    assert_eq!(facts.architecture(), Some(Architecture::X86_64));
}

#[test]
fn a_master_boot_record_with_boot_code_is_for_a_bios() {
    let dir = TempDir::new().unwrap();
    let path = disk::raw(&dir.path().join("disk"), 8 << 20, &[(0, 100)]);
    let file = File::options().write(true).open(&path).unwrap();
    let mut entry = [0; 16];
    entry[4] = 0x83;
    entry[8..12].copy_from_slice(&2048_u32.to_le_bytes());
    entry[12..16].copy_from_slice(&4096_u32.to_le_bytes());
    file.write_all_at(&entry, 446).unwrap();
    file.write_all_at(&[0x55, 0xaa], 510).unwrap();
    let image = open(&path);
    let facts = image.facts().unwrap();
    assert_eq!(facts.partition_table, PartitionTable::Mbr);
    assert_eq!(facts.firmware(), Some(Firmware::Bios));
}

#[test]
fn a_disk_without_a_table_is_nothing_to_boot() {
    let dir = TempDir::new().unwrap();
    let image = open(&disk::raw(&dir.path().join("disk"), 8 << 20, &[(0, 100)]));
    assert_eq!(image.facts().unwrap().partition_table, PartitionTable::None);
    assert_eq!(image.facts().unwrap().firmware(), None);
}
