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
    assert_eq!(facts.problems.len(), 1, "{:?}", facts.problems);
    assert!(facts.problems[0].starts_with("the primary GPT is damaged: its checksum is 0x"), "{:?}", facts.problems);
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

/// The disk of [`gpt_disk`] with a field of its primary header changed, and the header's checksum mended.
fn with_header(path: &Path, field: u64, value: &[u8]) -> Vec<String> {
    gpt_disk(path, Some(("BOOTX64.EFI", 0x8664)));
    let file = File::options().read(true).write(true).open(path).unwrap();
    file.write_all_at(value, 512 + field).unwrap();
    let mut header = [0; 92];
    file.read_exact_at(&mut header, 512).unwrap();
    header[16..20].fill(0);
    file.write_all_at(&crc32fast::hash(&header).to_le_bytes(), 512 + 16).unwrap();
    let image = open(path);
    let facts = image.facts().unwrap();
    // The backup at the end of the disk is read in its place.
    assert_eq!(facts.architecture(), Some(Architecture::X86_64));
    facts.problems.clone()
}

#[test]
fn each_field_of_a_gpt_that_lies_is_named_with_its_value() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("disk");
    let said = |field, value: &[u8]| with_header(&path, field, value)[0].replace("the primary GPT is damaged: ", "");
    assert_eq!(said(24, &7_u64.to_le_bytes()), "its own sector is 7, expected 1");
    assert_eq!(said(8, &2_u32.to_le_bytes()), "its revision is 0x00000002, expected 0x00010000");
    for size in [0_u32, 64, 100, 384] {
        assert_eq!(
            said(84, &size.to_le_bytes()),
            format!("its entry size is {size}, expected 128 times a power of two")
        );
    }
    assert_eq!(said(80, &u32::MAX.to_le_bytes()), "its number of entries is 4294967295, expected at most 8192");
    for sector in [u64::MAX, 1 << 60, (64 << 20) / 512 - 3] {
        let expected = format!("the first sector of its entries is {sector}, expected one that leaves room for them");
        assert_eq!(said(72, &sector.to_le_bytes()), expected);
    }
    assert!(said(88, &[1, 2, 3, 4]).starts_with("the checksum of its entries is 0x04030201, expected 0x"));
    // A header's size has to be right before its checksum can be.
    gpt_disk(&path, None);
    File::options().write(true).open(&path).unwrap().write_all_at(&[0xff; 4], 512 + 12).unwrap();
    let problems = open(&path).facts().unwrap().problems.clone();
    assert_eq!(problems, ["the primary GPT is damaged: its header size is 4294967295, expected 92 to 512"]);
}

#[test]
fn a_backup_that_is_gone_or_not_at_the_end_is_a_problem() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("disk");
    gpt_disk(&path, None);
    let file = File::options().write(true).open(&path).unwrap();
    file.set_len(65 << 20).unwrap();
    let problems = open(&path).facts().unwrap().problems.clone();
    assert_eq!(problems, ["the backup GPT is at sector 131071, and the last of the disk is 133119"]);
    file.write_all_at(&[0; 512], (64 << 20) - 512).unwrap();
    assert_eq!(open(&path).facts().unwrap().problems, ["the backup GPT is missing"]);
    file.set_len(10 << 20).unwrap();
    assert_eq!(open(&path).facts().unwrap().problems, ["the backup GPT is missing"]);
    file.write_all_at(&[0; 512], 512).unwrap();
    let problems = open(&path).facts().unwrap().problems.clone();
    assert_eq!(problems, ["the master boot record announces a GPT, and there is none that can be read"]);
}

#[test]
fn a_backup_that_nothing_announces_is_no_table() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("disk");
    gpt_disk(&path, None);
    let file = File::options().write(true).open(&path).unwrap();
    file.write_all_at(&[0; 1024], 0).unwrap();
    assert_eq!(open(&path).facts().unwrap().partition_table, PartitionTable::None);
    gpt_disk(&path, None);
    file.write_all_at(&[0; 512], 0).unwrap();
    let image = open(&path);
    assert_eq!(image.facts().unwrap().partition_table, PartitionTable::Gpt);
    assert_eq!(image.facts().unwrap().problems, ["the master boot record does not announce the GPT"]);
}

#[test]
fn entries_of_256_bytes_are_read() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("disk");
    gpt_disk(&path, Some(("BOOTAA64.EFI", 0xaa64)));
    let file = File::options().read(true).write(true).open(&path).unwrap();
    let mut entry = [0; 128];
    file.read_exact_at(&mut entry, 1024).unwrap();
    // Two entries of 256 bytes, the second of which is in use.
    let mut entries = [0; 512];
    entries[256..384].copy_from_slice(&entry);
    file.write_all_at(&entries, 1024).unwrap();
    let mut header = [0; 92];
    file.read_exact_at(&mut header, 512).unwrap();
    header[80..84].copy_from_slice(&2_u32.to_le_bytes());
    header[84..88].copy_from_slice(&256_u32.to_le_bytes());
    header[88..92].copy_from_slice(&crc32fast::hash(&entries).to_le_bytes());
    header[16..20].fill(0);
    let sum = crc32fast::hash(&header);
    header[16..20].copy_from_slice(&sum.to_le_bytes());
    file.write_all_at(&header, 512).unwrap();
    let image = open(&path);
    assert_eq!(image.facts().unwrap().architecture(), Some(Architecture::Arm64));
}

#[test]
fn a_directory_that_goes_in_circles_ends() {
    let dir = TempDir::new().unwrap();
    let path = disk::raw(&dir.path().join("disk"), 64 << 20, &[]);
    let file = File::options().read(true).write(true).open(&path).unwrap();
    // An EFI system partition in a master boot record, with FAT32, whose root directory is a chain of clusters.
    let (start, length) = (1 << 20, 40 << 20);
    let mut entry = [0; 16];
    entry[4] = 0xef;
    entry[8..12].copy_from_slice(&((start / 512) as u32).to_le_bytes());
    entry[12..16].copy_from_slice(&((length / 512) as u32).to_le_bytes());
    file.write_all_at(&entry, 446).unwrap();
    file.write_all_at(&[0x55, 0xaa], 510).unwrap();
    let slice = Slice { file: file.try_clone().unwrap(), start, length, at: 0 };
    let options = fatfs::FormatVolumeOptions::new().fat_type(fatfs::FatType::Fat32).bytes_per_cluster(512);
    fatfs::format_volume(slice, options).unwrap();
    let mut boot = [0; 512];
    file.read_exact_at(&mut boot, start).unwrap();
    let field = |at: usize| u64::from(u16::from_le_bytes([boot[at], boot[at + 1]]));
    let (reserved, fats) = (field(14), u64::from(boot[16]));
    let fat_size = u64::from(u32::from_le_bytes([boot[36], boot[37], boot[38], boot[39]]));
    // The root directory is cluster 2: all of it deleted entries, and followed by itself.
    let root = start + (reserved + fats * fat_size) * 512;
    let mut deleted = [0x20; 512];
    for at in (0..512).step_by(32) {
        deleted[at] = 0xe5;
    }
    file.write_all_at(&deleted, root).unwrap();
    for fat in 0..fats {
        file.write_all_at(&2_u32.to_le_bytes(), start + (reserved + fat * fat_size) * 512 + 8).unwrap();
    }
    let image = open(&path);
    // It ends where every directory has to.
    assert_eq!(image.facts().unwrap().problems, [""; 0]);
    assert_eq!(image.facts().unwrap().boot_files, []);
    // Out of the file system, and before its first cluster.
    for (cluster, last) in [(1_u32, "2 to"), (0x0fff_fff0, "2 to")] {
        file.write_all_at(&cluster.to_le_bytes(), start + reserved * 512 + 8).unwrap();
        let image = open(&path);
        let problems = &image.facts().unwrap().problems;
        let said = format!("the EFI system partition cannot be read: a cluster is {cluster}, expected {last}");
        assert!(problems[0].starts_with(&said), "{problems:?}");
    }
}

#[test]
fn boot_files_are_found_on_every_width_of_fat() {
    let dir = TempDir::new().unwrap();
    for (megabytes, fat_type) in [(4, fatfs::FatType::Fat12), (20, fatfs::FatType::Fat16), (40, fatfs::FatType::Fat32)]
    {
        let path = disk::raw(&dir.path().join("disk"), 64 << 20, &[]);
        let file = File::options().read(true).write(true).open(&path).unwrap();
        let (start, length) = (1 << 20, megabytes << 20);
        let mut entry = [0; 16];
        entry[4] = 0xef;
        entry[8..12].copy_from_slice(&2048_u32.to_le_bytes());
        entry[12..16].copy_from_slice(&((length / 512) as u32).to_le_bytes());
        file.write_all_at(&entry, 446).unwrap();
        file.write_all_at(&[0x55, 0xaa], 510).unwrap();
        let slice = || Slice { file: file.try_clone().unwrap(), start, length, at: 0 };
        let options =
            fatfs::FormatVolumeOptions::new().fat_type(fat_type).bytes_per_cluster(512 << u32::from(megabytes == 4));
        fatfs::format_volume(slice(), options).unwrap();
        {
            let fat = fatfs::FileSystem::new(slice(), fatfs::FsOptions::new()).unwrap();
            let folder = fat.root_dir().create_dir("EFI").unwrap().create_dir("BOOT").unwrap();
            // Long names, and so many that the directory is a chain of clusters.
            for nth in 0..200 {
                folder.create_file(&format!("a file with a long name {nth}")).unwrap();
            }
            // The header is not in the first cluster.
            let mut pe = vec![0; 0xa00];
            pe[..2].copy_from_slice(b"MZ");
            pe[0x3c..0x3e].copy_from_slice(&0x900_u16.to_le_bytes());
            pe[0x900..0x904].copy_from_slice(b"PE\0\0");
            pe[0x904..0x906].copy_from_slice(&0xaa64_u16.to_le_bytes());
            folder.create_file("BOOTAA64.EFI").unwrap().write_all(&pe).unwrap();
        }
        let image = open(&path);
        let facts = image.facts().unwrap();
        assert_eq!(facts.problems, [""; 0], "{fat_type:?}");
        assert_eq!(facts.architecture(), Some(Architecture::Arm64), "{fat_type:?}");
    }
}

#[test]
fn a_boot_sector_that_lies_is_a_problem_by_its_field() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("disk");
    let said = |field: u64, value: &[u8]| {
        gpt_disk(&path, Some(("BOOTX64.EFI", 0x8664)));
        File::options().write(true).open(&path).unwrap().write_all_at(value, (1 << 20) + field).unwrap();
        let image = open(&path);
        let facts = image.facts().unwrap();
        assert_eq!(facts.architecture(), None);
        facts.problems[0].replace("the EFI system partition cannot be read: ", "")
    };
    assert_eq!(said(510, &[0, 0]), "there is no FAT file system");
    assert_eq!(said(11, &[0, 0]), "its sector size is 0, expected 512, 1024, 2048 or 4096");
    assert_eq!(said(13, &[3]), "its sectors per cluster is 3, expected a power of two");
    assert!(said(16, &[0]).starts_with("its size is "));
    assert!(said(14, &[0xff, 0xff]).starts_with("its size is "));
}
