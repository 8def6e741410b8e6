//! One clear error for each way in which a file is no image.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use tempfile::TempDir;
use vhd::{DynamicVhd, Error, FixedVhd, Image, footer::Footer};

use crate::disk::{self, open, write_out};

fn fixed(dir: &Path) -> PathBuf {
    let raw = disk::raw(&dir.join("disk.raw"), 8 << 20, &[(4096, 100), (7 << 20, 100_000)]);
    let path = dir.join("fixed.vhd");
    write_out(&FixedVhd::new(open(&raw), 8 << 20).unwrap(), &path);
    path
}

fn dynamic(dir: &Path) -> PathBuf {
    let raw = disk::raw(&dir.join("disk.raw"), 8 << 20, &[(4096, 100), (7 << 20, 100_000)]);
    let path = dir.join("dynamic.vhd");
    write_out(&DynamicVhd::new(open(&raw), 8 << 20).unwrap(), &path);
    path
}

fn error(path: &Path) -> String {
    let error = Image::open(path).expect_err("this is no image");
    error.to_string().replace(path.parent().unwrap().to_str().unwrap(), "DIR")
}

fn resize(path: &Path, by: i64) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    let length = file.metadata().unwrap().len();
    file.set_len(length.checked_add_signed(by).unwrap()).unwrap();
}

#[test]
fn a_truncated_footer_is_named() {
    let dir = TempDir::new().unwrap();
    let path = fixed(dir.path());
    resize(&path, -100);
    assert_eq!(
        error(&path),
        "DIR/fixed.vhd: the VHD footer is truncated: 412 of its 512 bytes are there, the file ends at byte 8389020"
    );
    for cut in [1, 504, 505, 511] {
        let path = fixed(dir.path());
        resize(&path, -cut);
        assert!(error(&path).contains("truncated"), "{cut}: {}", error(&path));
    }
    for cut in [1, 511, 512, 700_000] {
        let path = dynamic(dir.path());
        resize(&path, -cut);
        assert!(error(&path).contains("truncated"), "{cut}: {}", error(&path));
    }
}

#[test]
fn bytes_after_the_footer_are_found_whatever_they_are() {
    let dir = TempDir::new().unwrap();
    for make in [fixed, dynamic] {
        for more in [512, 1 << 20, 600 << 20] {
            let path = make(dir.path());
            let length = fs::metadata(&path).unwrap().len();
            resize(&path, more);
            let text = error(&path);
            assert!(text.contains(&format!("{more} bytes follow the VHD footer")), "{text}");
            assert!(text.contains(&format!("stands at byte {}", length - 512)), "{text}");
        }
    }
    // A download fills holes in: the zeros are stored.
    let path = fixed(dir.path());
    std::io::Write::write_all(&mut File::options().append(true).open(&path).unwrap(), &vec![0; 100 << 20]).unwrap();
    assert!(error(&path).contains("104857600 bytes follow"), "{}", error(&path));
    // As nixpkgs #516860 leaves it: the disk was grown, and a backup GPT was then written at its new end.
    let path = fixed(dir.path());
    resize(&path, 4 << 20);
    File::options().write(true).open(&path).unwrap().write_all_at(b"EFI PART", 12 << 20).unwrap();
    let image = Image::open(&path).unwrap_err();
    assert!(matches!(image, Error::TrailingBytes { footer: 0x80_0000, .. }), "{image}");
    assert!(image.hint().unwrap().contains("virtualisation.diskSize"));
}

#[test]
fn a_vhd_that_is_stored_on_a_raw_disk_is_data() {
    let dir = TempDir::new().unwrap();
    let inner = fs::read(fixed(dir.path())).unwrap();
    let outer = disk::raw(&dir.path().join("outer"), 64 << 20, &[(0, 512)]);
    File::options().write(true).open(&outer).unwrap().write_all_at(&inner, 1 << 20).unwrap();
    assert_eq!(open(&outer).virtual_size(), 64 << 20);
}

#[test]
fn other_formats_are_named_with_the_command_that_converts_them() {
    let dir = TempDir::new().unwrap();
    let cases: [(&[u8], usize, &str); 6] = [
        (b"QFI\xfb", 0, "a qcow2 image"),
        (b"KDMV", 0, "a VMDK image"),
        (b"vhdxfile", 0, "a VHDX image"),
        (b"\x7f\x10\xda\xbe", 0x40, "a VDI image"),
        (b"\x28\xb5\x2f\xfd", 0, "compressed with zstd"),
        (b"CD001", 0x8001, "an ISO 9660 image"),
    ];
    for (magic, at, name) in cases {
        let path = disk::raw(&dir.path().join("foreign"), 1 << 20, &[]);
        File::options().write(true).open(&path).unwrap().write_all_at(magic, at as u64).unwrap();
        assert_eq!(error(&path), format!("DIR/foreign is {name}, which cannot be published as it is"));
        assert!(Image::open(&path).unwrap_err().hint().is_some());
    }
}

#[test]
fn things_that_are_no_files_are_refused() {
    let dir = TempDir::new().unwrap();
    let empty = dir.path().join("empty");
    File::create(&empty).unwrap();
    assert_eq!(error(&empty), "DIR/empty is empty");
    let folder = dir.path().join("folder");
    fs::create_dir(&folder).unwrap();
    assert_eq!(error(&folder), "DIR/folder is a directory, not a disk image file");
    assert_eq!(error(&dir.path().join("absent")), "cannot open DIR/absent");
}

#[test]
fn a_differencing_vhd_is_named() {
    let dir = TempDir::new().unwrap();
    let path = dynamic(dir.path());
    let file = File::options().read(true).write(true).open(&path).unwrap();
    let end = file.metadata().unwrap().len() - 512;
    let mut bytes = [0; 512];
    file.read_exact_at(&mut bytes, end).unwrap();
    let mut footer = Footer::parse(&bytes).unwrap();
    footer.disk_type = vhd::footer::DiskType::Differencing;
    for at in [0, end] {
        file.write_all_at(&footer.to_bytes(), at).unwrap();
    }
    assert!(matches!(Image::open(&path), Err(Error::Differencing { .. })));
}

#[test]
fn a_table_entry_that_points_nowhere_or_twice_is_named() {
    let dir = TempDir::new().unwrap();
    let entry = |index: u64, value: u32| {
        let path = dynamic(dir.path());
        File::options().write(true).open(&path).unwrap().write_all_at(&value.to_be_bytes(), 0x600 + index * 4).unwrap();
        error(&path)
    };
    assert!(entry(1, 0).contains("block allocation table: entry is sector 0 for block 1"));
    assert!(entry(1, 0xffff_0000).contains("entry is sector 4294901760"));
    assert!(entry(1, 4).contains("outside the block of disk byte"), "{}", entry(1, 4));
}
