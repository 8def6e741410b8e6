//! The disk that the demo publishes: what a small Linux image looks like from outside. It boots nothing.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::FileExt,
    path::Path,
};

use fatfs::{FileSystem, FormatVolumeOptions, FsOptions};
use gpt::{GptConfig, mbr::ProtectiveMBR, partition_types};
use uuid::Uuid;

const SIZE: u64 = 2 << 30;
const ESP: u64 = 64 << 20;
const DATA: usize = 48 << 20;

/// Writes the disk: a GPT, an EFI system partition with a boot file, and a partition with data and holes.
pub fn write(path: &Path) -> io::Result<()> {
    let file = File::options().read(true).write(true).create(true).truncate(true).open(path)?;
    file.set_len(SIZE)?;
    let sectors = u32::try_from(SIZE / 512 - 1).unwrap_or(u32::MAX);
    ProtectiveMBR::with_lb_size(sectors).overwrite_lba0(&mut &file).map_err(io::Error::other)?;
    let config = GptConfig::new().writable(true);
    let mut disk = config.create_from_device(file.try_clone()?, Some(Uuid::from_u128(1))).map_err(io::Error::other)?;
    let esp = disk.add_partition("ESP", ESP, partition_types::EFI, 0, Some(2048)).map_err(io::Error::other)?;
    let root =
        disk.add_partition("root", SIZE / 2, partition_types::LINUX_FS, 0, Some(2048)).map_err(io::Error::other)?;
    // The same disk every time, so that a second run of a rehearsal finds what the first one published.
    let mut partitions = disk.partitions().clone();
    for (id, partition) in &mut partitions {
        partition.part_guid = Uuid::from_u128(u128::from(*id) + 1);
    }
    disk.update_partitions(partitions).map_err(io::Error::other)?;
    let start = |id: u32| disk.partitions().get(&id).map_or(0, |partition| partition.first_lba * 512);
    let (esp, root) = (start(esp), start(root));
    disk.write().map_err(io::Error::other)?;
    write_esp(&file, esp)?;
    write_data(&file, root)
}

fn write_esp(file: &File, start: u64) -> io::Result<()> {
    let part = || Ok::<_, io::Error>(Part { file: file.try_clone()?, start, length: ESP, at: 0 });
    fatfs::format_volume(part()?, FormatVolumeOptions::new().volume_id(1).volume_label(*b"ESP        "))?;
    let fat = FileSystem::new(part()?, FsOptions::new())?;
    let folder = fat.root_dir().create_dir("EFI")?.create_dir("BOOT")?;
    folder.create_file("BOOTX64.EFI")?.write_all(&boot_file())
}

/// The header of a PE file for x86-64, which is all that anyone looks at here.
fn boot_file() -> Vec<u8> {
    let mut file = vec![0; 1024];
    file[..2].copy_from_slice(b"MZ");
    file[0x3c] = 0x80;
    file[0x80..0x84].copy_from_slice(b"PE\0\0");
    file[0x84..0x86].copy_from_slice(&0x8664_u16.to_le_bytes());
    file
}

/// Data that does not compress, in pieces of 1 MiB that are 4 MiB apart.
fn write_data(file: &File, start: u64) -> io::Result<()> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for piece in 0..DATA >> 20 {
        let mut bytes = Vec::with_capacity(1 << 20);
        while bytes.len() < 1 << 20 {
            // xorshift64: the same data every time.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.extend_from_slice(&state.to_le_bytes());
        }
        file.write_all_at(&bytes, start + (piece as u64) * (4 << 20))?;
    }
    Ok(())
}

/// A partition of a file.
struct Part {
    file: File,
    start: u64,
    length: u64,
    at: u64,
}

impl Read for Part {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min((self.length - self.at) as usize);
        let read = self.file.read_at(&mut buffer[..wanted], self.start + self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Write for Part {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.file.write_at(buffer, self.start + self.at)?;
        self.at += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Part {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
        };
        self.at = target.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}
