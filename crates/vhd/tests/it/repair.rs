//! VHDs that bytes were appended to, as nixpkgs #516860 leaves them, read as they were meant.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use tempfile::TempDir;
use vhd::{DynamicVhd, Error, FixedVhd, Image, OpenOptions, Warning};

use crate::disk::{self, open, write_out};

const SIZE: u64 = 8 << 20;
/// What the image builder adds (`truncate -s +512M`).
const MORE: u64 = 512 << 20;

fn grown(dir: &Path, dynamic: bool) -> (PathBuf, std::sync::Arc<Image>) {
    let raw = open(&disk::raw(&dir.join("disk.raw"), SIZE, &[(4096, 100), (7 << 20, 100_000)]));
    let path = dir.join("disk.vhd");
    if dynamic {
        write_out(&DynamicVhd::new(raw.clone(), SIZE).unwrap(), &path);
    } else {
        write_out(&FixedVhd::new(raw.clone(), SIZE).unwrap(), &path);
    }
    let length = fs::metadata(&path).unwrap().len();
    File::options().write(true).open(&path).unwrap().set_len(length + MORE).unwrap();
    (path, raw)
}

fn repaired(path: &Path) -> Result<Image, Error> {
    OpenOptions::new().repair(true).open(path)
}

#[test]
fn without_being_asked_nothing_is_repaired() {
    let dir = TempDir::new().unwrap();
    let (path, _) = grown(dir.path(), false);
    let error = Image::open(&path).unwrap_err();
    assert!(matches!(error, Error::TrailingBytes { footer: SIZE, trailing: MORE, .. }), "{error}");
    let hint = error.hint().unwrap();
    assert!(hint.contains("virtualisation.diskSize") && hint.contains("--repair"), "{hint}");
}

#[test]
fn zeros_that_are_in_no_partition_are_left_out() {
    let dir = TempDir::new().unwrap();
    for dynamic in [false, true] {
        let (path, raw) = grown(dir.path(), dynamic);
        let image = repaired(&path).unwrap();
        assert_eq!(image.virtual_size(), SIZE);
        assert_eq!(image.content().unwrap(), raw.content().unwrap());
        assert!(matches!(image.warnings(), [Warning::Repaired { trailing: MORE, kept: false, .. }]));
    }
}

#[test]
fn data_behind_the_footer_is_kept_and_the_footer_is_not() {
    let dir = TempDir::new().unwrap();
    let (path, _) = grown(dir.path(), false);
    let file = File::options().write(true).open(&path).unwrap();
    let last = SIZE + 512 + MORE - 1;
    file.write_all_at(b"x", last).unwrap();
    let image = repaired(&path).unwrap();
    assert_eq!(image.virtual_size(), SIZE + 512 + MORE);
    assert!(matches!(image.warnings(), [Warning::Repaired { footer: SIZE, trailing: MORE, kept: true }]));
    let mut at = [7; 512];
    image.read_at(&mut at, SIZE).unwrap();
    assert_eq!(at, [0; 512], "the footer is no part of the disk");
    image.read_at(&mut at[..1], last).unwrap();
    assert_eq!(at[0], b'x');
    image.read_at(&mut at[..1], 4096).unwrap();
    assert_ne!(at[0], 0);
    // What is laid out of it is a whole VHD.
    let size = FixedVhd::aligned(image.virtual_size());
    let out = dir.path().join("out.vhd");
    let content = image.content().unwrap().digest();
    write_out(&FixedVhd::new(std::sync::Arc::new(image), size).unwrap(), &out);
    assert_eq!(open(&out).content().unwrap().digest(), content);
}

#[test]
fn a_partition_that_was_grown_into_the_zeros_is_kept() {
    let dir = TempDir::new().unwrap();
    let (path, _) = grown(dir.path(), false);
    let mut entry = [0; 16];
    entry[4] = 0x83;
    entry[8..12].copy_from_slice(&2048_u32.to_le_bytes());
    entry[12..16].copy_from_slice(&(((MORE + SIZE) / 512 - 4096) as u32).to_le_bytes());
    let file = File::options().write(true).open(&path).unwrap();
    file.write_all_at(&entry, 446).unwrap();
    file.write_all_at(&[0x55, 0xaa], 510).unwrap();
    assert_eq!(repaired(&path).unwrap().virtual_size(), SIZE + 512 + MORE);
}

#[test]
fn data_behind_a_dynamic_disk_belongs_to_no_block_and_is_refused() {
    let dir = TempDir::new().unwrap();
    let (path, _) = grown(dir.path(), true);
    let length = fs::metadata(&path).unwrap().len();
    File::options().write(true).open(&path).unwrap().write_all_at(b"x", length - 1).unwrap();
    let error = repaired(&path).unwrap_err();
    assert!(matches!(error, Error::TrailingData { trailing: MORE, .. }), "{error}");
}

#[test]
fn a_footer_that_ends_inside_an_extent_is_found_too() {
    if !crate::qemu::have("zstd") {
        return;
    }
    let dir = TempDir::new().unwrap();
    let (path, raw) = grown(dir.path(), false);
    let bytes = fs::read(&path).unwrap();
    // Frames whose pages are not the file's: a border lies in the footer, whose rest is zeros.
    let packed = dir.path().join("packed");
    let mut all = Vec::new();
    for part in [&bytes[..SIZE as usize - 3996], &bytes[SIZE as usize - 3996..]] {
        let file = dir.path().join("part");
        fs::write(&file, part).unwrap();
        all.extend(std::process::Command::new("zstd").args(["-q", "-c"]).arg(&file).output().unwrap().stdout);
    }
    fs::write(&packed, all).unwrap();
    assert!(matches!(Image::open(&packed), Err(Error::TrailingBytes { footer: SIZE, .. })));
    assert_eq!(repaired(&packed).unwrap().content().unwrap(), raw.content().unwrap());
}

#[test]
fn an_image_that_is_whole_is_not_touched_by_a_repair() {
    let dir = TempDir::new().unwrap();
    let (path, raw) = grown(dir.path(), false);
    File::options().write(true).open(&path).unwrap().set_len(SIZE + 512).unwrap();
    let image = repaired(&path).unwrap();
    assert_eq!(image.warnings(), []);
    assert_eq!(image.content().unwrap(), raw.content().unwrap());
}
