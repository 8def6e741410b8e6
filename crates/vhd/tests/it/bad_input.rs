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
    for cut in [2, 504, 505, 511] {
        let path = fixed(dir.path());
        resize(&path, -cut);
        assert!(error(&path).contains("truncated"), "{cut}: {}", error(&path));
    }
}

#[test]
fn a_dynamic_disk_that_ends_before_its_blocks_is_cut_short() {
    let dir = TempDir::new().unwrap();
    for cut in [513, 1024, 700_000] {
        let path = dynamic(dir.path());
        resize(&path, -cut);
        let length = fs::metadata(&path).unwrap().len();
        let whole = length + cut.unsigned_abs() - 512;
        let said =
            format!("DIR/dynamic.vhd is cut short: block 3 of the VHD ends at byte {whole}, the file at byte {length}");
        assert_eq!(error(&path), said);
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
    let cases: [(&[u8], usize, &str); 7] = [
        (b"QFI\xfb", 0, "a qcow2 image"),
        (b"KDMV", 0, "a VMDK image"),
        (b"vhdxfile", 0, "a VHDX image"),
        (b"\x7f\x10\xda\xbe", 0x40, "a VDI image"),
        (b"BZh9", 0, "compressed with bzip2"),
        (b"ustar", 257, "a tar archive"),
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

/// A field of a dynamic VHD whose checksums are right: where it is, and what it is set to.
fn lie(dir: &Path, structure: u64, checksum_at: usize, size: usize, field: u64, value: &[u8]) -> String {
    let path = dynamic(dir);
    let file = File::options().read(true).write(true).open(&path).unwrap();
    let length = file.metadata().unwrap().len();
    // A footer lies in both places, or its copy would tell.
    let places = if structure == 0 { vec![0, length - 512] } else { vec![structure] };
    for at in places {
        file.write_all_at(value, at + field).unwrap();
        let mut bytes = vec![0; size];
        file.read_exact_at(&mut bytes, at).unwrap();
        let sum = vhd::footer::checksum(&bytes, checksum_at);
        file.write_all_at(&sum.to_be_bytes(), at + checksum_at as u64).unwrap();
    }
    error(&path).replace("DIR/dynamic.vhd: ", "")
}

#[test]
fn a_footer_whose_checksum_is_right_and_whose_content_lies() {
    let dir = TempDir::new().unwrap();
    let footer = |field, value: &[u8]| lie(dir.path(), 0, 64, 512, field, value);
    assert_eq!(
        footer(48, &(1_u64 << 63).to_be_bytes()),
        "VHD footer: current size is 9223372036854775808, expected a multiple of 512 from 512 to 2190433320960"
    );
    assert_eq!(
        footer(48, &0_u64.to_be_bytes()),
        "VHD footer: current size is 0, expected a multiple of 512 from 512 to 2190433320960"
    );
    assert_eq!(
        footer(48, &(1_u64 << 40).to_be_bytes()),
        "VHD dynamic header: max table entries is 4, expected at least 524288"
    );
    assert_eq!(footer(60, &9_u32.to_be_bytes()), "VHD footer: disk type is 9, expected 2 (fixed) or 3 (dynamic)");
    assert_eq!(
        footer(12, &(2_u32 << 16).to_be_bytes()),
        "VHD footer: file format version is 0x00020000, expected 0x00010000"
    );
    let room = fs::metadata(dir.path().join("dynamic.vhd")).unwrap().len() - 512 - 1024;
    for offset in [0, 7, 1 << 63, u64::MAX] {
        let said = format!("VHD footer: data offset is {offset}, expected a multiple of 512 between 512 and {room}");
        assert_eq!(footer(16, &offset.to_be_bytes()), said);
    }
    // On the table, which begins with four entries.
    let cookie = r"\x00\x00\x00\x04\xff\xff\xff\xff";
    let said = format!("VHD dynamic header: cookie is \"{cookie}\", expected cxsparse");
    assert_eq!(footer(16, &1536_u64.to_be_bytes()), said);
}

#[test]
fn a_header_whose_checksum_is_right_and_whose_content_lies() {
    let dir = TempDir::new().unwrap();
    let header = |field, value: &[u8]| lie(dir.path(), 512, 36, 1024, field, value);
    for size in [0, 1, 511, 3 << 20, 512 << 20, 1 << 31, u32::MAX] {
        let said = format!("VHD dynamic header: block size is {size}, expected a power of two from 4 KiB to 256 MiB");
        assert_eq!(header(32, &size.to_be_bytes()), said);
    }
    assert_eq!(header(28, &3_u32.to_be_bytes()), "VHD dynamic header: max table entries is 3, expected at least 4");
    // Many blocks that are not needed are no harm.
    assert!(Image::open(dynamic(dir.path())).is_ok());
    for (offset, other) in [(0, "the footer's copy, bytes 0 to 512"), (1024, "the dynamic header, bytes 512 to 1536")] {
        let said = header(16, &u64::to_be_bytes(offset));
        assert!(said.contains(&format!("expected a place outside {other}")), "{offset}: {said}");
    }
    let end = fs::metadata(dir.path().join("dynamic.vhd")).unwrap().len() - 512;
    for offset in [1, end, 1 << 63, u64::MAX - 511] {
        let said = header(16, &offset.to_be_bytes());
        let expected = format!(
            "VHD dynamic header: table offset is {offset}, expected a multiple of 512 that leaves room for 4 entries in {end} bytes"
        );
        assert_eq!(said, expected);
    }
}

#[test]
fn a_table_entry_that_points_nowhere_or_twice_is_named() {
    let dir = TempDir::new().unwrap();
    let entry = |index: u64, value: u32| {
        let path = dynamic(dir.path());
        File::options().write(true).open(&path).unwrap().write_all_at(&value.to_be_bytes(), 0x600 + index * 4).unwrap();
        error(&path).replace("DIR/dynamic.vhd: VHD block allocation table: entry is ", "")
    };
    let end = fs::metadata(dynamic(dir.path())).unwrap().len() - 512;
    let outside = |what: &str| format!("expected a place outside {what}");
    assert_eq!(entry(1, 0), format!("sector 0 for block 1, {}", outside("the footer's copy, bytes 0 to 512")));
    assert_eq!(entry(1, 1), format!("sector 1 for block 1, {}", outside("the dynamic header, bytes 512 to 1536")));
    assert_eq!(
        entry(1, 3),
        format!("sector 3 for block 1, {}", outside("the block allocation table, bytes 1536 to 1552"))
    );
    // Into a block, and exactly on one.
    assert_eq!(entry(1, 5), format!("sector 5 for block 1, {}", outside("block 0, bytes 2048 to 2099712")));
    assert_eq!(entry(1, 4), format!("sector 4 for block 1, {}", outside("block 0, bytes 2048 to 2099712")));
    for sector in [(end / 512) as u32, 0x7fff_ffff, 0xffff_fffe] {
        let said =
            format!("sector {sector} for block 1, expected a block that ends by byte {end}, where the footer is");
        assert_eq!(entry(1, sector), said);
    }
}
