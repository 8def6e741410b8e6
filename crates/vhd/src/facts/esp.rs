use super::{
    BootFile,
    fat::{Bad, Volume},
    pe,
};
use crate::{Extent, Image};

/// Where firmware looks on removable media, one name an architecture (UEFI 2.10, table 3.2).
const BOOT_FILES: [(&str, &[u8; 11]); 2] =
    [("EFI/BOOT/BOOTX64.EFI", b"BOOTX64 EFI"), ("EFI/BOOT/BOOTAA64.EFI", b"BOOTAA64EFI")];

/// Enough of a boot file to hold its PE header.
const HEADER: u64 = 4096;

pub fn boot_files(image: &Image, esp: Extent) -> Result<Vec<BootFile>, Bad> {
    let volume = Volume::open(image, esp)?;
    let mut found = Vec::new();
    for (path, name) in BOOT_FILES {
        if let Some(header) = volume.read(&[*b"EFI        ", *b"BOOT       ", *name], HEADER)? {
            found.push(BootFile { path: path.to_owned(), architecture: pe::architecture(&header) });
        }
    }
    Ok(found)
}
