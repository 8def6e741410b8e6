//! Every reader and every layout agrees with `qemu-img`.
//!
//! Each way to store a disk is read by this crate and by `qemu-img convert -O raw`, and the two are compared byte for byte;
//! from each, every layout is written out, and `qemu-img compare` finds the disk it was made from:
//!
//! | stored as | by | read as | laid out as |
//! |---|---|---|---|
//! | raw | the test | raw | raw, fixed, dynamic |
//! | fixed VHD of the disk's size | `qemu-img`, `force_size=on` | fixed | raw, fixed, dynamic |
//! | fixed VHD rounded to cylinders | `qemu-img` | fixed | raw, fixed, dynamic |
//! | dynamic VHD of the disk's size | `qemu-img`, `force_size=on` | dynamic | raw, fixed, dynamic |
//! | dynamic VHD rounded to cylinders | `qemu-img` | dynamic | raw, fixed, dynamic |
//! | dynamic VHD, blocks of 4 KiB to 16 MiB, shuffled, table first or last, exact bitmaps | the test | dynamic | raw, fixed, dynamic |
//!
//! `qemu-img check` has nothing to say of VHDs ("This image format does not support checks").

use std::{
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use proptest::prelude::*;
use tempfile::TempDir;
use vhd::{DynamicVhd, FixedVhd, Format, GIB, Image, Layout, MIB, Raw};

use crate::{
    disk::{self, open, write_out},
    handmade::{self, Recipe},
    qemu::{self, assert_same_disk},
};

/// How a disk is stored: the rows of the table above.
#[derive(Clone, Copy, Debug)]
enum Stored {
    Raw,
    Qemu { subformat: &'static str, force_size: &'static str },
    Handmade(Recipe),
}

impl Stored {
    fn write(self, raw: &Path, to: &Path) -> (&'static str, Format) {
        match self {
            Self::Raw => {
                qemu::run("cp", &["--sparse=always", qemu::text(raw), qemu::text(to)]);
                ("raw", Format::Raw)
            }
            Self::Qemu { subformat, force_size } => {
                qemu::convert(("raw", raw), ("vpc", to), &format!("subformat={subformat},force_size={force_size}"));
                ("vpc", if subformat == "fixed" { Format::FixedVhd } else { Format::DynamicVhd })
            }
            Self::Handmade(recipe) => {
                handmade::write(&open(raw), to, recipe);
                ("vpc", Format::DynamicVhd)
            }
        }
    }
}

/// A disk, and a way to store it.
#[derive(Clone, Debug)]
struct Case {
    size: u64,
    data: Vec<(u64, usize)>,
    stored: Stored,
}

fn sizes() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 1..=20_u64.pow(4),
        2 => (1..=64_u64).prop_map(|sectors| sectors * 512),
        4 => 1..=64 * MIB,
        2 => (1..=64_u64).prop_map(|mib| mib * MIB),
        // Past what a geometry can say, 127 GiB.
        2 => 127 * GIB..300 * GIB,
        1 => (2040 * GIB - 4 * MIB..=2040 * GIB).prop_map(|size| size / 512 * 512),
    ]
}

fn stored(size: u64) -> impl Strategy<Value = Stored> {
    // A table of small blocks for a large disk would be all there is to read.
    let smallest = (size >> 14).max(4096).next_power_of_two().trailing_zeros();
    let recipe = (smallest..=smallest.max(24), any::<bool>(), any::<bool>(), any::<bool>());
    let recipe = recipe.prop_map(|(log, shuffled, table_last, exact_bitmaps)| {
        Stored::Handmade(Recipe { block_size: 1 << log, shuffled, table_last, exact_bitmaps })
    });
    // Rounded up to cylinders, the largest disks are past what `qemu-img` writes.
    let force_sizes = if size < 2039 * GIB { vec!["on", "off"] } else { vec!["on"] };
    let qemu = (prop::sample::select(vec!["fixed", "dynamic"]), prop::sample::select(force_sizes));
    let qemu = qemu.prop_map(|(subformat, force_size)| Stored::Qemu { subformat, force_size });
    prop_oneof![1 => Just(Stored::Raw), 4 => qemu, 3 => recipe]
}

fn cases() -> impl Strategy<Value = Case> {
    sizes().prop_flat_map(|size| {
        let place = prop_oneof![0..size, Just(0), Just(size - 1), (0..size).prop_map(|at| at / MIB * MIB)];
        let length = prop_oneof![1..5000_usize, 1..700_000_usize, Just(4096)];
        let data = prop::collection::vec((place, length), 0..6).prop_map(move |data| {
            data.into_iter().map(|(at, length)| (at, length.min((size - at) as usize))).collect()
        });
        (Just(size), data, stored(size)).prop_map(|(size, data, stored)| Case { size, data, stored })
    })
}

fn layouts(image: &Arc<Image>, size: u64) -> [(&'static str, Box<dyn Layout>); 3] {
    let aligned = FixedVhd::aligned(size).min(2040 * GIB);
    [
        ("raw", Box::new(Raw::new(image.clone(), size).unwrap())),
        ("vpc", Box::new(FixedVhd::new(image.clone(), aligned).unwrap())),
        ("vpc", Box::new(DynamicVhd::new(image.clone(), size).unwrap())),
    ]
}

fn check(case: &Case) {
    let dir = TempDir::new().unwrap();
    let at = |name: &str| dir.path().join(name);
    let raw = disk::raw(&at("disk.raw"), case.size, &case.data);
    let file = at("stored");
    let (name, format) = case.stored.write(&raw, &file);

    let image = open(&file);
    assert_eq!(image.format(), format);
    assert_eq!(image.warnings(), []);
    let theirs = at("theirs.raw");
    qemu::convert((name, &file), ("raw", &theirs), "");
    assert_eq!(image.virtual_size(), theirs.metadata().unwrap().len(), "the size of the disk");
    assert_eq!(image.content().unwrap(), open(&raw).content().unwrap());
    for (name, layout) in layouts(&image, image.virtual_size()) {
        let ours = at("ours");
        write_out(&*layout, &ours);
        let what = format!("{} of {}", layout.format(), case.size);
        // Strictly, for a raw one: not even zeros may be missing.
        if layout.format() == Format::Raw {
            assert_eq!(ours.metadata().unwrap().len(), theirs.metadata().unwrap().len());
        }
        assert_same_disk((name, &ours), ("raw", &theirs), &what);
        assert_eq!(open(&ours).content().unwrap(), image.content().unwrap(), "{what}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn readers_and_layouts_agree_with_qemu_img(case in cases()) {
        if qemu::have("qemu-img") {
            check(&case);
        }
    }
}

/// Name, size in bytes, data as (offset, length).
type Kind = (&'static str, u64, &'static [(u64, usize)]);

const KINDS: [Kind; 13] = [
    ("empty", 8 << 20, &[]),
    ("one sector", 512, &[(0, 512)]),
    ("one byte", 1, &[(0, 1)]),
    ("first and last byte", 64 << 20, &[(0, 1), ((64 << 20) - 1, 1)]),
    ("block borders", 40 << 20, &[((2 << 20) - 1, 2), ((8 << 20) - 512, 1024), (12 << 20, 2 << 20)]),
    ("full", 6 << 20, &[(0, 6 << 20)]),
    ("scattered pages", 100 << 20, &[(4096, 4096), (3 << 20, 9000), (50 << 20, 70_000), (99 << 20, 100)]),
    ("odd number of sectors", (33 << 20) + 3 * 512, &[(33 << 20, 3 * 512), (7, 1000)]),
    ("odd number of bytes", (5 << 20) + 77, &[((5 << 20) + 70, 7)]),
    ("a table of many sectors", (5 << 30) + 4096, &[(0, 4096), ((5 << 30) - 100, 200)]),
    ("past a geometry", 128 << 30, &[((127 << 30) + 12345, 4096)]),
    ("from its last block on", 300 << 30, &[((300 << 30) - 1, 1)]),
    ("the largest", 2040 << 30, &[(0, 1), ((2040 << 30) - 512, 512)]),
];

#[test]
fn a_dynamic_vhd_of_ours_is_qemus_but_for_identity_and_time() {
    if !qemu::have("qemu-img") {
        return;
    }
    // Time stamp, checksum and unique id of a footer.
    let blank = |bytes: &mut [u8], footer: usize| {
        for field in [24..28, 64..68, 68..84] {
            bytes[footer + field.start..footer + field.end].fill(0);
        }
    };
    for (name, size, data) in KINDS {
        let dir = TempDir::new().unwrap();
        let raw = disk::raw(&dir.path().join("disk.raw"), size, data);
        let (theirs, ours) = (dir.path().join("theirs"), dir.path().join("ours"));
        qemu::convert(("raw", &raw), ("vpc", &theirs), "force_size=on");
        let image = open(&raw);
        write_out(&DynamicVhd::new(image.clone(), image.virtual_size()).unwrap(), &ours);
        let (mut theirs, mut ours) = (std::fs::read(theirs).unwrap(), std::fs::read(ours).unwrap());
        assert_eq!(theirs.len(), ours.len(), "{name}");
        for bytes in [&mut theirs, &mut ours] {
            let end = bytes.len() - 512;
            blank(bytes, 0);
            blank(bytes, end);
        }
        let first = theirs.iter().zip(&ours).position(|(a, b)| a != b);
        assert_eq!(first, None, "{name}: first difference");
    }
}

#[test]
fn one_disk_has_one_content_however_it_is_stored() {
    let dir = TempDir::new().unwrap();
    let at = |name: &str| dir.path().join(name);
    let size = 40 * MIB + 512;
    let raw = disk::raw(&at("disk.raw"), size, &[(0, 512), ((2 << 20) - 1, 2), (10 << 20, 3 << 20), (40 << 20, 512)]);
    // Zeros that are stored are no content.
    std::fs::File::options().write(true).open(&raw).unwrap().write_all_at(&[0; 1 << 20], 20 << 20).unwrap();
    let image = open(&raw);
    let content = image.content().unwrap();
    assert_eq!(content.extents().len(), 4);
    let files: Vec<PathBuf> = layouts(&image, size)
        .iter()
        .enumerate()
        .map(|(index, (_, layout))| {
            let path = at(&format!("layout-{index}"));
            write_out(&**layout, &path);
            path
        })
        .collect();
    for path in files {
        let stored = open(&path);
        let theirs = stored.content().unwrap();
        assert_eq!(theirs.digest(), content.digest(), "{}", stored.format());
        assert_eq!(theirs.extents(), content.extents(), "{}", stored.format());
        assert_eq!(theirs.blocks(), content.blocks(), "{}", stored.format());
    }
}
