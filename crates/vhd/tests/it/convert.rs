//! Layouts as files: all or nothing, and sparse.

use std::{
    fs::{self, File},
    ops::ControlFlow,
    os::unix::fs::{FileExt, MetadataExt},
};

use tempfile::TempDir;
use vhd::{Converted, DynamicVhd, Error, FixedVhd, Layout, Raw, convert};

use crate::disk::{self, open, write_out};

const SIZE: u64 = 64 << 20;

fn go_on(_: vhd::Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[test]
fn a_layout_becomes_a_sparse_file_of_the_same_bytes() {
    let dir = TempDir::new().unwrap();
    let raw = disk::raw(&dir.path().join("disk.raw"), SIZE, &[(100, 100), (7 << 20, 3_000_000), (SIZE - 512, 512)]);
    // Stored zeros too become holes.
    File::options().write(true).open(&raw).unwrap().write_all_at(&vec![0; 8 << 20], 20 << 20).unwrap();
    let image = open(&raw);
    let layouts: [Box<dyn Layout>; 3] = [
        Box::new(Raw::new(image.clone(), SIZE).unwrap()),
        Box::new(FixedVhd::new(image.clone(), SIZE + (1 << 20)).unwrap()),
        Box::new(DynamicVhd::new(image.clone(), SIZE).unwrap()),
    ];
    for layout in layouts {
        let (expected, ours) = (dir.path().join("expected"), dir.path().join("ours"));
        write_out(&*layout, &expected);
        let Converted { length, written } = convert(&*layout, &ours, true, &go_on).unwrap();
        assert_eq!(length, layout.length());
        assert!(fs::read(&expected).unwrap() == fs::read(&ours).unwrap(), "{}", layout.format());
        assert!(written < 4 << 20, "{}: {written}", layout.format());
        assert!(ours.metadata().unwrap().blocks() * 512 < 4 << 20, "{}", layout.format());
        assert_eq!(open(&ours).content().unwrap(), image.content().unwrap());
    }
}

#[test]
fn a_file_that_is_there_is_replaced_only_when_asked_to() {
    let dir = TempDir::new().unwrap();
    let image = open(&disk::raw(&dir.path().join("disk.raw"), SIZE, &[(0, 512)]));
    let layout = Raw::new(image, SIZE).unwrap();
    let out = dir.path().join("out");
    fs::write(&out, "mine").unwrap();
    let error = convert(&layout, &out, false, &go_on).unwrap_err();
    assert!(matches!(error, Error::Exists { .. }) && error.hint().unwrap().contains("--force"), "{error}");
    assert_eq!(fs::read(&out).unwrap(), b"mine");
    convert(&layout, &out, true, &go_on).unwrap();
    assert_eq!(out.metadata().unwrap().len(), SIZE);
}

#[test]
fn an_image_can_be_replaced_by_its_own_conversion() {
    let dir = TempDir::new().unwrap();
    let path = disk::raw(&dir.path().join("disk"), SIZE, &[(0, 512), (9 << 20, 4096)]);
    let image = open(&path);
    convert(&DynamicVhd::new(image.clone(), SIZE).unwrap(), &path, true, &go_on).unwrap();
    assert_eq!(open(&path).content().unwrap(), image.content().unwrap());
}

#[test]
fn an_image_that_changes_meanwhile_and_a_device_are_refused() {
    let dir = TempDir::new().unwrap();
    let image = open(&disk::raw(&dir.path().join("disk.raw"), SIZE, &[(0, 512), (7 << 20, 3_000_000)]));
    let layout = Raw::new(image.clone(), SIZE).unwrap();
    let file = File::options().write(true).open(image.path()).unwrap();
    let out = dir.path().join("out");
    let change = |_| {
        file.set_len(SIZE + 512).unwrap();
        ControlFlow::Continue(())
    };
    let error = convert(&layout, &out, false, &change).unwrap_err();
    assert!(matches!(error, Error::Changed { .. }), "{error}");
    assert!(!out.exists());
    for there in ["/dev/null", dir.path().to_str().unwrap()] {
        let error = convert(&layout, std::path::Path::new(there), true, &go_on).unwrap_err();
        assert!(matches!(error, Error::NotAFile { .. }), "{error}");
    }
}

#[test]
fn an_interrupted_or_failed_conversion_leaves_nothing() {
    let dir = TempDir::new().unwrap();
    let image = open(&disk::raw(&dir.path().join("disk.raw"), SIZE, &[(0, 512), (7 << 20, 3_000_000)]));
    let layout = Raw::new(image.clone(), SIZE).unwrap();
    let folder = dir.path().join("folder");
    fs::create_dir(&folder).unwrap();
    let error = convert(&layout, &folder.join("out"), false, &|_| ControlFlow::Break(())).unwrap_err();
    assert!(matches!(error, Error::Interrupted), "{error}");
    // The image is shorter than it was when it was opened: reading it fails half-way.
    File::options().write(true).open(image.path()).unwrap().set_len(8 << 20).unwrap();
    let error = convert(&layout, &folder.join("out"), false, &go_on).unwrap_err();
    assert!(matches!(error, Error::Changed { .. }), "{error}");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    let error = convert(&layout, &dir.path().join("missing/out"), false, &go_on).unwrap_err();
    assert!(matches!(error, Error::Output { action: "write", .. }), "{error}");
}
