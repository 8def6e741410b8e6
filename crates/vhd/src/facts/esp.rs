use std::io::{self, Read};

use fatfs::{FileSystem, FsOptions};

use super::{BootFile, disk::Window, pe};
use crate::{Extent, Image};

/// Where firmware looks on removable media, one name an architecture (UEFI 2.10, table 3.2).
const BOOT_FILES: [&str; 2] = ["EFI/BOOT/BOOTX64.EFI", "EFI/BOOT/BOOTAA64.EFI"];

/// Enough of a boot file to hold its PE header.
const HEADER: u64 = 4096;

pub fn boot_files(image: &Image, esp: Extent) -> io::Result<Vec<BootFile>> {
    let fat = FileSystem::new(Window::new(image, esp), FsOptions::new())?;
    let mut found = Vec::new();
    for path in BOOT_FILES {
        let file = match fat.root_dir().open_file(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let mut header = Vec::new();
        file.take(HEADER).read_to_end(&mut header)?;
        found.push(BootFile { path: path.to_owned(), architecture: pe::architecture(&header) });
    }
    Ok(found)
}
