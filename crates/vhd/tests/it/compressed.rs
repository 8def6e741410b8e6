//! Images inside zstd, gzip and xz, made by the programs that people have.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use tempfile::TempDir;
use vhd::{Compression, DynamicVhd, Error, FixedVhd, Format, Image, OpenOptions, Progress};

use crate::{
    disk::{self, open, write_out},
    qemu::{self, text},
};

const SIZE: u64 = 64 << 20;

fn fixed(dir: &Path) -> PathBuf {
    let raw = open(&disk::raw(&dir.join("disk.raw"), SIZE, &[(4096, 100), (7 << 20, 3_000_000), (SIZE - 5000, 4000)]));
    let path = dir.join("disk.vhd");
    write_out(&FixedVhd::new(raw, SIZE).unwrap(), &path);
    path
}

/// Runs a program over `input`, and gives the file that its output went to.
fn pack(command: &str, input: &Path) -> PathBuf {
    let output = input.with_extension(format!("{}.packed", command.replace(' ', "")));
    let script = format!("{{ {command}; }} < '{}' > '{}'", text(input), text(&output));
    qemu::run("sh", &["-c", &script]);
    output
}

#[test]
fn every_compression_gives_the_disk_that_was_packed() {
    let dir = TempDir::new().unwrap();
    let input = fixed(dir.path());
    let plain = open(&input);
    for (command, compression) in [
        ("zstd -c", Compression::Zstd),
        ("zstd -c -19 --long=27", Compression::Zstd),
        ("gzip -c", Compression::Gzip),
        ("xz -c -0", Compression::Xz),
        ("xz -c -0 -T2 --block-size=8MiB", Compression::Xz),
    ] {
        if !qemu::have(command.split(' ').next().unwrap()) {
            continue;
        }
        let packed = pack(command, &input);
        let image = open(&packed);
        assert_eq!(image.compression(), Some(compression), "{command}");
        assert_eq!(image.format(), Format::FixedVhd);
        assert_eq!(image.path(), packed);
        assert_eq!(image.file_size(), fs::metadata(&packed).unwrap().len());
        assert_eq!(image.content().unwrap(), plain.content().unwrap(), "{command}");
        // Zeros that were packed have become holes again.
        assert!(vhd::extent::total(image.extents()) < 4 << 20, "{command}: {:?}", image.extents());
        image.check_unchanged().unwrap();
    }
}

#[test]
fn a_raw_and_a_dynamic_disk_are_found_inside_too() {
    if !qemu::have("zstd") {
        return;
    }
    let dir = TempDir::new().unwrap();
    let raw = open(&disk::raw(&dir.path().join("disk.raw"), SIZE, &[(4096, 100)]));
    let dynamic = dir.path().join("dynamic.vhd");
    write_out(&DynamicVhd::new(raw.clone(), SIZE).unwrap(), &dynamic);
    for (input, format) in [(raw.path(), Format::Raw), (dynamic, Format::DynamicVhd)] {
        let image = open(&pack("zstd -c", &input));
        assert_eq!((image.format(), image.virtual_size()), (format, SIZE));
        assert_eq!(image.content().unwrap(), raw.content().unwrap());
    }
}

#[test]
fn several_frames_members_and_streams_are_one_disk() {
    let dir = TempDir::new().unwrap();
    let input = fixed(dir.path());
    let plain = open(&input);
    let bytes = fs::read(&input).unwrap();
    let (first, second) = (dir.path().join("first"), dir.path().join("second"));
    fs::write(&first, &bytes[..9 << 20]).unwrap();
    fs::write(&second, &bytes[9 << 20..]).unwrap();
    // With its size in each frame, without, with a skippable frame between them; with padding between streams.
    for (command, between) in [
        ("zstd -c", &b""[..]),
        ("cat | zstd -c", b""),
        ("zstd -c", b"\x50\x2a\x4d\x18\x03\0\0\0abc"),
        ("gzip -c", b""),
        ("xz -c -0", b""),
        ("xz -c -0", b"\0\0\0\0"),
    ] {
        if !["zstd", "gzip", "xz"].into_iter().all(qemu::have) {
            return;
        }
        let head = fs::read(pack(command, &first)).unwrap();
        let tail = fs::read(pack(command, &second)).unwrap();
        let packed = dir.path().join("packed");
        fs::write(&packed, [&head, between, &tail].concat()).unwrap();
        let image = Image::open(&packed).unwrap_or_else(|error| panic!("{command}: {error}: {error:?}"));
        assert_eq!(image.content().unwrap(), plain.content().unwrap(), "{command}");
    }
}

#[test]
fn what_is_damaged_or_cut_short_is_an_error() {
    let dir = TempDir::new().unwrap();
    let input = fixed(dir.path());
    for command in ["zstd -c", "gzip -c", "xz -c -0"] {
        let program = command.split(' ').next().unwrap();
        if !qemu::have(program) {
            continue;
        }
        let whole = fs::read(pack(command, &input)).unwrap();
        let path = dir.path().join("broken");
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 0xff;
        let twice = [&whole[..], &whole[..whole.len() / 2]].concat();
        for (what, bytes) in [("flipped", &flipped[..]), ("cut", &whole[..whole.len() / 2]), ("cut again", &twice)] {
            fs::write(&path, bytes).unwrap();
            let error = Image::open(&path).unwrap_err();
            assert!(matches!(error, Error::Compressed { .. }), "{program} {what}: {error}");
            let said = format!("{} cannot be unpacked: its {program} data is damaged", path.display());
            assert!(error.to_string().starts_with(&said), "{error}");
            assert!(error.hint().unwrap().contains(&format!("{program} -t")));
        }
    }
}

#[test]
fn more_memory_than_allowed_is_an_error() {
    let dir = TempDir::new().unwrap();
    let input = fixed(dir.path());
    for command in ["zstd -c --long=26", "xz -c -6"] {
        if qemu::have(command.split(' ').next().unwrap()) {
            let packed = pack(command, &input);
            let error = OpenOptions::new().memory(1 << 20).open(&packed).unwrap_err();
            assert!(matches!(error, Error::Compressed { .. }), "{command}: {error}");
        }
    }
}

#[test]
fn compressed_twice_is_refused_and_empty_is_empty() {
    if !["zstd", "gzip"].into_iter().all(qemu::have) {
        return;
    }
    let dir = TempDir::new().unwrap();
    let input = disk::raw(&dir.path().join("disk.raw"), 1 << 20, &[(0, 5000)]);
    let twice = pack("gzip -c | zstd -c", &input);
    let error = Image::open(&twice).unwrap_err().to_string();
    assert!(error.ends_with("is compressed twice: inside zstd there is gzip"), "{error}");
    let nothing = dir.path().join("nothing");
    File::create(&nothing).unwrap();
    assert!(matches!(Image::open(pack("zstd -c", &nothing)), Err(Error::Empty { .. })));
}

#[test]
fn another_format_inside_is_named_with_both_steps() {
    if !qemu::have("gzip") {
        return;
    }
    let dir = TempDir::new().unwrap();
    let qcow = dir.path().join("disk.qcow2");
    fs::write(&qcow, b"QFI\xfb\0\0\0\x03").unwrap();
    qemu::run("gzip", &[text(&qcow)]);
    let path = dir.path().join("disk.qcow2.gz");
    let error = Image::open(&path).unwrap_err();
    assert!(error.to_string().contains("is a qcow2 image inside gzip, which cannot be published"), "{error}");
    let hint = error.hint().unwrap();
    let first = format!("unpack it: gzip -d '{}'; then convert it: qemu-img convert -f qcow2", path.display());
    assert!(hint.starts_with(&first) && hint.contains("disk.qcow2' disk.vhd"), "{hint}");
}

#[test]
fn frames_that_want_more_memory_together_than_allowed_are_unpacked_one_after_the_other() {
    if !qemu::have("zstd") {
        return;
    }
    let dir = TempDir::new().unwrap();
    let input = fixed(dir.path());
    let plain = open(&input);
    let bytes = fs::read(&input).unwrap();
    let mut all = Vec::new();
    for part in bytes.chunks(16 << 20) {
        let file = dir.path().join("part");
        fs::write(&file, part).unwrap();
        all.extend(fs::read(pack("zstd -c --long=23", &file)).unwrap());
    }
    let packed = dir.path().join("packed");
    fs::write(&packed, all).unwrap();
    let image = OpenOptions::new().memory(8 << 20).open(&packed).unwrap();
    assert_eq!(image.content().unwrap(), plain.content().unwrap());
}

#[test]
fn nothing_is_left_in_the_spool_directory() {
    if !qemu::have("zstd") {
        return;
    }
    let dir = TempDir::new().unwrap();
    let spool = dir.path().join("spool");
    fs::create_dir(&spool).unwrap();
    let packed = pack("zstd -c", &fixed(dir.path()));
    let seen = AtomicU64::new(0);
    let report = |progress: Progress| {
        // While it is unpacked the file has no name either: a process that is killed leaves nothing.
        assert_eq!(fs::read_dir(&spool).unwrap().count(), 0);
        seen.fetch_max(progress.done, Ordering::Relaxed);
    };
    let image = OpenOptions::new().spool_in(Some(spool.clone())).progress(&report).open(&packed).unwrap();
    assert_eq!(seen.into_inner(), fs::metadata(&packed).unwrap().len());
    assert_eq!(fs::read_dir(&spool).unwrap().count(), 0);
    // It holds on to what it unpacked.
    fs::remove_file(&packed).unwrap();
    assert!(!image.content().unwrap().blocks().is_empty());

    let missing =
        OpenOptions::new().spool_in(Some(dir.path().join("missing"))).open(pack("zstd -c", &fixed(dir.path())));
    assert!(missing.unwrap_err().to_string().starts_with("cannot make a temporary file in"));
}

#[test]
fn a_file_that_changes_while_it_is_unpacked_is_refused() {
    if !qemu::have("zstd") {
        return;
    }
    let dir = TempDir::new().unwrap();
    let packed = pack("zstd -c", &fixed(dir.path()));
    let file = File::options().write(true).open(&packed).unwrap();
    let length = file.metadata().unwrap().len();
    let report = |_: Progress| file.write_all_at(b"more", length).unwrap();
    let error = OpenOptions::new().progress(&report).open(&packed).unwrap_err();
    assert!(matches!(error, Error::Changed { .. }), "{error}");
}
