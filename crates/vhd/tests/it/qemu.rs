//! Every reader and every layout agrees with `qemu-img`, on disks that differ in kind.

use std::{
    io::Write,
    path::Path,
    process::{Command, Output},
};

use tempfile::TempDir;
use vhd::{CONTENT_BLOCK, DynamicVhd, FixedVhd, Format, Layout, MIB, Raw, layout};

use crate::disk::{self, open, write_out};

/// Name, size in bytes, data as (offset, length).
type Case = (&'static str, u64, &'static [(u64, usize)]);

const CASES: [Case; 7] = [
    ("empty", 8 << 20, &[]),
    ("one sector", 512, &[(0, 512)]),
    ("first and last byte", 64 << 20, &[(0, 1), ((64 << 20) - 1, 1)]),
    ("block borders", 40 << 20, &[((2 << 20) - 1, 2), ((8 << 20) - 512, 1024), (12 << 20, 2 << 20)]),
    ("scattered pages", 100 << 20, &[(4096, 4096), (3 << 20, 9000), (50 << 20, 70_000), (99 << 20, 100)]),
    ("odd number of sectors", (33 << 20) + 3 * 512, &[(33 << 20, 3 * 512), (7, 1000)]),
    ("past 4 GiB", (5 << 30) + 4096, &[(0, 4096), ((5 << 30) - 100, 200)]),
];

fn qemu_img(args: &[&str]) -> Option<Output> {
    match Command::new("qemu-img").args(args).output() {
        Ok(output) => Some(output),
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "qemu-img is needed in CI: {error}");
            // Not through `eprintln!`, which the test harness keeps to itself where a test passes.
            let _ = writeln!(std::io::stderr(), "SKIPPED: qemu-img is not installed ({error})");
            None
        }
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn assert_identical(a: (&str, &Path), b: (&str, &Path), what: &str) {
    let output = qemu_img(&["compare", "-f", a.0, "-F", b.0, path(a.1), path(b.1)]).unwrap();
    assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn readers_and_layouts_agree_with_qemu_img() {
    if qemu_img(&["--version"]).is_none() {
        return;
    }
    for (name, size, data) in CASES {
        let dir = TempDir::new().unwrap();
        let at = |file: &str| dir.path().join(file);
        let raw = disk::raw(&at("disk.raw"), size, data);
        let reference = open(&raw);
        for subformat in ["fixed", "dynamic"] {
            let vhd = at(subformat);
            let options = format!("subformat={subformat},force_size=on");
            let made =
                qemu_img(&["convert", "-f", "raw", "-O", "vpc", "-o", &options, path(&raw), path(&vhd)]).unwrap();
            assert!(made.status.success(), "{name}: {}", String::from_utf8_lossy(&made.stderr));

            let image = open(&vhd);
            let expected = if subformat == "fixed" { Format::FixedVhd } else { Format::DynamicVhd };
            assert_eq!(image.format(), expected, "{name}");
            assert_eq!(image.virtual_size(), size, "{name}");
            assert_eq!(image.content().unwrap(), reference.content().unwrap(), "{name}: {subformat}");

            let back = at("back.raw");
            write_out(&Raw::new(image.clone(), size).unwrap(), &back);
            assert_identical(("raw", &raw), ("raw", &back), name);

            let fixed = at("ours-fixed.vhd");
            let aligned = FixedVhd::aligned(size);
            write_out(&FixedVhd::new(image.clone(), aligned).unwrap(), &fixed);
            assert_eq!(std::fs::metadata(&fixed).unwrap().len(), aligned + 512, "{name}");
            assert_eq!(aligned % MIB, 0);
            assert_identical(("raw", &raw), ("vpc", &fixed), name);

            let dynamic = at("ours-dynamic.vhd");
            write_out(&DynamicVhd::new(image.clone(), size).unwrap(), &dynamic);
            assert_identical(("raw", &raw), ("vpc", &dynamic), name);
            assert_eq!(open(&dynamic).content().unwrap(), reference.content().unwrap(), "{name}: our dynamic VHD");
            assert_eq!(open(&fixed).content().unwrap().digest(), reference.content().unwrap().digest(), "{name}");
        }
    }
}

#[test]
fn a_dynamic_vhd_of_ours_is_qemus_but_for_identity_and_time() {
    if qemu_img(&["--version"]).is_none() {
        return;
    }
    // Time stamp, checksum and unique id of a footer.
    let blank = |bytes: &mut [u8], footer: usize| {
        for field in [24..28, 64..68, 68..84] {
            bytes[footer + field.start..footer + field.end].fill(0);
        }
    };
    for (name, size, data) in CASES.into_iter().filter(|(_, size, _)| *size < 1 << 30) {
        let dir = TempDir::new().unwrap();
        let raw = disk::raw(&dir.path().join("disk.raw"), size, data);
        let (theirs, ours) = (dir.path().join("theirs"), dir.path().join("ours"));
        qemu_img(&["convert", "-f", "raw", "-O", "vpc", "-o", "force_size=on", path(&raw), path(&theirs)]).unwrap();
        write_out(&DynamicVhd::new(open(&raw), size).unwrap(), &ours);
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
fn padding_past_the_last_gibibyte_is_dropped_and_data_there_is_not() {
    let dir = TempDir::new().unwrap();
    // What qemu-img makes of a 4 GiB disk when it rounds to cylinders.
    let padded = 4_295_467_008;
    let zeros = disk::raw(&dir.path().join("zeros"), padded, &[((4 << 30) - 512, 512)]);
    assert_eq!(layout::size_without_padding(&open(&zeros)).unwrap(), 4 << 30);
    let data = disk::raw(&dir.path().join("data"), padded, &[(4 << 30, 1)]);
    assert_eq!(layout::size_without_padding(&open(&data)).unwrap(), padded);
    assert!(Raw::new(open(&data), 4 << 30).is_err());
    assert!(DynamicVhd::new(open(&data), 4 << 30).is_err());
    let free = disk::raw(&dir.path().join("free"), (4 << 30) + (700 << 20), &[(0, 512)]);
    assert_eq!(
        layout::size_without_padding(&open(&free)).unwrap(),
        (4 << 30) + (700 << 20),
        "free space is no padding"
    );
    let small = disk::raw(&dir.path().join("small"), 3 << 20, &[]);
    assert_eq!(layout::size_without_padding(&open(&small)).unwrap(), 3 << 20);
}

#[test]
fn extents_follow_the_data_and_not_the_disk() {
    let dir = TempDir::new().unwrap();
    let raw = disk::raw(&dir.path().join("sparse"), 1 << 40, &[(0, 4096), (1 << 39, 4096)]);
    let image = open(&raw);
    let stored: u64 = vhd::extent::total(image.extents());
    assert!(stored <= 4 * CONTENT_BLOCK, "a tebibyte with two pages of data stores {stored} bytes");
    assert_eq!(image.content().unwrap().blocks().len(), 2);
    let layout = FixedVhd::new(image, 1 << 40).unwrap();
    assert!(vhd::extent::total(layout.extents()) <= 2 * CONTENT_BLOCK + 512);
}
