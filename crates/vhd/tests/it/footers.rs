//! Footers in every state they are found in.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use tempfile::TempDir;
use vhd::{DynamicVhd, Error, FixedVhd, Image, Warning, footer, geometry::Geometry};

use crate::{
    disk::{self, open, write_out},
    qemu,
};

const SIZE: u64 = 64 << 20;

/// A fixed and a dynamic VHD of one disk, and the disk.
fn disks(dir: &Path) -> (PathBuf, PathBuf, std::sync::Arc<Image>) {
    let raw = open(&disk::raw(&dir.join("disk.raw"), SIZE, &[(4096, 100), (7 << 20, 100_000), (32 << 20, 4096)]));
    let (fixed, dynamic) = (dir.join("fixed.vhd"), dir.join("dynamic.vhd"));
    write_out(&FixedVhd::new(raw.clone(), SIZE).unwrap(), &fixed);
    write_out(&DynamicVhd::new(raw.clone(), SIZE).unwrap(), &dynamic);
    (fixed, dynamic, raw)
}

/// Overwrites bytes of the footer at `at`, and mends its checksum.
fn patch(path: &Path, at: u64, field: u64, bytes: &[u8]) {
    let file = File::options().read(true).write(true).open(path).unwrap();
    file.write_all_at(bytes, at + field).unwrap();
    let mut footer = [0; 512];
    file.read_exact_at(&mut footer, at).unwrap();
    file.write_all_at(&footer::checksum(&footer, 64).to_be_bytes(), at + 64).unwrap();
}

fn end(path: &Path) -> u64 {
    fs::metadata(path).unwrap().len() - 512
}

fn cut(path: &Path, by: u64) {
    let file = File::options().write(true).open(path).unwrap();
    file.set_len(file.metadata().unwrap().len() - by).unwrap();
}

#[test]
fn a_footer_of_511_bytes_is_read() {
    let dir = TempDir::new().unwrap();
    let (fixed, dynamic, raw) = disks(dir.path());
    for path in [fixed, dynamic] {
        cut(&path, 1);
        let image = open(&path);
        assert_eq!(image.warnings(), [Warning::LegacyFooter]);
        assert_eq!(image.virtual_size(), SIZE);
        assert_eq!(image.content().unwrap(), raw.content().unwrap());
    }
}

#[test]
fn a_damaged_footer_of_a_dynamic_disk_is_recovered_from_its_copy() {
    let dir = TempDir::new().unwrap();
    let spoil: [fn(&Path); 5] = [
        |path| File::options().write(true).open(path).unwrap().write_all_at(b"x", end(path)).unwrap(),
        |path| File::options().write(true).open(path).unwrap().write_all_at(b"x", end(path) + 100).unwrap(),
        |path| File::options().write(true).open(path).unwrap().write_all_at(&[0; 512], end(path)).unwrap(),
        |path| cut(path, 512),
        |path| cut(path, 100),
    ];
    for (index, spoil) in spoil.iter().enumerate() {
        let (_, dynamic, raw) = disks(dir.path());
        spoil(&dynamic);
        let image = open(&dynamic);
        assert!(matches!(image.warnings(), [Warning::RecoveredFooter { .. }]), "{index}: {:?}", image.warnings());
        assert_eq!(image.content().unwrap(), raw.content().unwrap(), "{index}");
    }
}

#[test]
fn a_damaged_copy_is_a_warning() {
    let dir = TempDir::new().unwrap();
    let (_, dynamic, raw) = disks(dir.path());
    File::options().write(true).open(&dynamic).unwrap().write_all_at(b"x", 50).unwrap();
    let image = open(&dynamic);
    assert!(image.warnings()[0].to_string().contains("byte 0 is damaged (checksum is"), "{:?}", image.warnings());
    assert_eq!(image.content().unwrap(), raw.content().unwrap());
}

#[test]
fn two_footers_that_disagree_are_refused_by_the_field() {
    let dir = TempDir::new().unwrap();
    let (_, dynamic, _) = disks(dir.path());
    patch(&dynamic, 0, 48, &(SIZE / 2).to_be_bytes());
    let error = Image::open(&dynamic).unwrap_err().to_string();
    assert!(
        error.ends_with(
            "VHD footer copy at byte 0: current size is 33554432, expected 67108864, as in the footer at the end"
        ),
        "{error}"
    );
}

#[test]
fn a_fixed_disk_may_start_with_what_looks_like_a_copy() {
    let dir = TempDir::new().unwrap();
    let (_, dynamic, _) = disks(dir.path());
    let inner = fs::read(&dynamic).unwrap();
    let raw = dir.path().join("outer.raw");
    disk::raw(&raw, 16 << 20, &[]);
    File::options().write(true).open(&raw).unwrap().write_all_at(&inner, 0).unwrap();
    let outer = dir.path().join("outer.vhd");
    // As a raw disk this would be a dynamic VHD with bytes behind it; its own footer says otherwise.
    fs::copy(&raw, &outer).unwrap();
    let footer = footer::Footer::new(footer::DiskType::Fixed, 16 << 20, Default::default()).to_bytes();
    File::options().write(true).open(&outer).unwrap().write_all_at(&footer, 16 << 20).unwrap();
    assert_eq!(open(&outer).virtual_size(), 16 << 20);
    assert!(matches!(Image::open(&raw), Err(Error::TrailingBytes { .. })));
}

#[test]
fn each_creators_size_is_the_one_that_qemu_img_takes() {
    if !qemu::have("qemu-img") {
        return;
    }
    let creators: [&[u8; 4]; 13] = [
        b"vpc ",
        b"qemu",
        b"qem2",
        b"win ",
        b"wa\0\0",
        b"d2v ",
        b"tap\0",
        b"CTXS",
        b"vs  ",
        b"vbox",
        b"go  ",
        b"abcd",
        b"\0\0\0\0",
    ];
    let dir = TempDir::new().unwrap();
    for creator in creators {
        for (cylinders, heads, sectors) in [(963_u16, 8_u8, 17_u8), (65535, 16, 255)] {
            let (fixed, dynamic, _) = disks(dir.path());
            for path in [fixed, dynamic.clone()] {
                let copies = if path == dynamic { vec![0, end(&path)] } else { vec![end(&path)] };
                for at in copies {
                    patch(&path, at, 28, creator);
                    let [high, low] = cylinders.to_be_bytes();
                    patch(&path, at, 56, &[high, low, heads, sectors]);
                }
                let image = open(&path);
                let what = format!("{} of {}, {cylinders}", image.format(), creator.escape_ascii());
                assert_eq!(Some(image.virtual_size()), qemu::virtual_size(&path), "{what}");
                assert_eq!(image.warnings().len(), usize::from(image.virtual_size() != SIZE), "{what}");
            }
        }
    }
}

#[test]
fn data_behind_a_geometry_is_never_cut_off() {
    let dir = TempDir::new().unwrap();
    let geometry = Geometry { cylinders: 963, heads: 8, sectors: 17 };
    for (at, kept) in [(geometry.size() - 1, false), (geometry.size(), true), (SIZE - 1, true)] {
        let raw = open(&disk::raw(&dir.path().join("disk.raw"), SIZE, &[(at, 1)]));
        let path = dir.path().join("vpc.vhd");
        write_out(&FixedVhd::new(raw.clone(), SIZE).unwrap(), &path);
        patch(&path, SIZE, 28, b"vpc ");
        patch(&path, SIZE, 56, &[0x03, 0xc3, 8, 17]);
        let image = open(&path);
        assert_eq!(image.virtual_size(), if kept { SIZE } else { geometry.size() });
        assert_eq!(image.content().unwrap(), raw.content().unwrap());
        let warning = image.warnings()[0].to_string();
        let said = format!(
            "the VHD footer of creator \"vpc \" says 67055616 bytes by its geometry and 67108864 by its current size; {} were taken",
            image.virtual_size()
        );
        assert_eq!(warning, said);
    }
}

#[test]
fn a_vhd_whose_cookie_is_damaged_is_not_a_raw_disk() {
    let dir = TempDir::new().unwrap();
    let (fixed, dynamic, raw) = disks(dir.path());
    File::options().write(true).open(&fixed).unwrap().write_all_at(b"X", SIZE + 3).unwrap();
    let error = Image::open(&fixed).unwrap_err().to_string();
    assert!(error.ends_with(r#"VHD footer: cookie is "conXctix", expected conectix"#), "{error}");
    let file = File::options().write(true).open(&dynamic).unwrap();
    file.write_all_at(b"X", 3).unwrap();
    assert_eq!(open(&dynamic).content().unwrap(), raw.content().unwrap());
    assert!(matches!(open(&dynamic).warnings(), [Warning::DamagedCopy { .. }]));
    // Nor if there is nothing of the footer but what it announces.
    file.set_len(file.metadata().unwrap().len() - 512).unwrap();
    for spoil in [&b"X"[..], &[0; 512]] {
        file.write_all_at(spoil, 0).unwrap();
        let error = Image::open(&dynamic).unwrap_err().to_string();
        assert!(error.contains("VHD footer copy at byte 0: cookie is"), "{error}");
    }
}

#[test]
fn blocks_behind_the_current_size_are_not_lost() {
    // A geometry that no rounding explains, with a block that only it reaches.
    let dir = TempDir::new().unwrap();
    let large = 80 << 20;
    let raw = open(&disk::raw(&dir.path().join("disk.raw"), large, &[(0, 512), (66 << 20, 4096)]));
    let path = dir.path().join("vpc.vhd");
    write_out(&DynamicVhd::new(raw.clone(), large).unwrap(), &path);
    for at in [0, end(&path)] {
        patch(&path, at, 28, b"vpc ");
        patch(&path, at, 48, &SIZE.to_be_bytes());
        patch(&path, at, 56, &[0x03, 0xe8, 8, 17]);
    }
    let image = open(&path);
    assert_eq!(image.virtual_size(), 1000 * 8 * 17 * 512);
    assert_eq!(image.content().unwrap(), raw.content().unwrap());
    assert!(matches!(image.warnings(), [Warning::Sizes { current: SIZE, .. }]), "{:?}", image.warnings());
}
