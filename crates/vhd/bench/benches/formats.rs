//! The inner loops beside the programs that people use for the same: `just bench-loops`.
//!
//! The image has 1 GiB of data in 4 GiB, in pieces of 2 MiB that are no multiple of a block apart. The files are in
//! `$TMPDIR`: on a file system in memory the programs are compared, on a disk the disk takes its share. `qemu-img
//! convert` by default leaves the result to the page cache; this crate, and `qemu-img convert -t writeback`, wait until it
//! is on the disk.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark that fails has nothing to report")]

use std::{
    fs::{self, File},
    hint::black_box,
    ops::ControlFlow,
    os::unix::fs::FileExt,
    path::Path,
    process::Command,
    sync::Arc,
    time::Duration,
};

use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime};
use tempfile::TempDir;
use vhd::{
    CONTENT_BLOCK, DynamicVhd, FixedVhd, Image, Layout, Raw, convert,
    crc::{Append, crc64},
    zero::{data_spans, is_zero},
};

const SIZE: u64 = 4 << 30;
const DATA: u64 = 1 << 30;
const PIECE: u64 = 2 << 20;

struct Files {
    dir: TempDir,
    raw: std::path::PathBuf,
    fixed: std::path::PathBuf,
    dynamic: std::path::PathBuf,
}

impl Files {
    fn make() -> Self {
        let dir = TempDir::new().unwrap();
        let at = |name: &str| dir.path().join(name);
        let raw = at("disk.raw");
        let file = File::create(&raw).unwrap();
        file.set_len(SIZE).unwrap();
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut piece = vec![0; PIECE as usize];
        for nth in 0..DATA / PIECE {
            for word in piece.as_chunks_mut::<8>().0 {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                *word = state.to_le_bytes();
            }
            file.write_all_at(&piece, nth * (SIZE / DATA * PIECE + 4096) % (SIZE - PIECE)).unwrap();
        }
        let image = Arc::new(Image::open(&raw).unwrap());
        let (fixed, dynamic) = (at("fixed.vhd"), at("dynamic.vhd"));
        write(&FixedVhd::new(image.clone(), SIZE).unwrap(), &fixed);
        write(&DynamicVhd::new(image, SIZE).unwrap(), &dynamic);
        Self { dir, raw, fixed, dynamic }
    }

    fn each(&self) -> [(&'static str, &Path); 3] {
        [("raw", &self.raw), ("fixed", &self.fixed), ("dynamic", &self.dynamic)]
    }
}

fn write(layout: &dyn Layout, path: &Path) {
    convert(layout, path, true, &|_| ControlFlow::Continue(())).unwrap();
}

fn run(program: &str, args: &[&str]) {
    // Its output would go between ours.
    let output = Command::new(program).args(args).output().unwrap();
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn group<'a>(criterion: &'a mut Criterion, name: &str, bytes: u64) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.sample_size(10).warm_up_time(Duration::from_secs(1)).throughput(Throughput::Bytes(bytes));
    group
}

fn zero_scan(criterion: &mut Criterion) {
    // Within the processor's cache, as the blocks are that a transfer has just read.
    let zeros = vec![0; 512 << 10];
    group(criterion, "zero scan", zeros.len() as u64)
        .bench_function("512 KiB", |b| b.iter(|| is_zero(black_box(&zeros))));
}

/// What is done to each block on its way: found to hold data, cut free of zeros, sealed.
fn block(criterion: &mut Criterion) {
    // A page of data in four: what lies between them is to be left out.
    let mut bytes = vec![0; 4 << 20];
    for page in bytes.chunks_mut(4096).step_by(4) {
        page.fill(7);
    }
    let mut group = group(criterion, "chunk of 4 MiB", bytes.len() as u64);
    for bridge in [0, 16 << 10] {
        let name = format!("spans, gaps of {bridge} bytes bridged");
        group.bench_function(name, |b| b.iter(|| data_spans(black_box(&bytes), 4096, bridge)));
    }
    group.bench_function("CRC-64/NVME", |b| b.iter(|| crc64(black_box(&bytes))));
}

/// The CRC of a dynamic VHD by those of its blocks: 4096 of them.
fn joined_crc(criterion: &mut Criterion) {
    let blocks: Vec<_> = (0..4096_u64).map(|index| index.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
    group(criterion, "joined CRC", blocks.len() as u64 * CONTENT_BLOCK).bench_function("4096 blocks", |b| {
        b.iter(|| {
            let append = Append::of(CONTENT_BLOCK);
            black_box(&blocks).iter().fold(0, |whole, block| append.append(whole, *block))
        });
    });
}

fn read(criterion: &mut Criterion, files: &Files) {
    let mut group = group(criterion, "read", DATA);
    for (name, path) in files.each() {
        let image = Image::open(path).unwrap();
        let mut buffer = vec![0; 1 << 20];
        group.bench_function(name, |b| {
            b.iter(|| {
                for extent in image.extents() {
                    for at in extent.range().step_by(buffer.len()) {
                        let step = (extent.end() - at).min(buffer.len() as u64) as usize;
                        image.read_at(&mut buffer[..step], at).unwrap();
                    }
                }
            });
        });
    }
}

fn digest(criterion: &mut Criterion, files: &Files) {
    let mut group = group(criterion, "digest", DATA);
    for (name, path) in files.each() {
        group.bench_function(name, |b| b.iter(|| Image::open(path).unwrap().content().unwrap().digest()));
    }
    // It reads the holes too.
    group.bench_function("sha256sum raw", |b| b.iter(|| run("sha256sum", &[files.raw.to_str().unwrap()])));
}

fn conversion(criterion: &mut Criterion, files: &Files) {
    let out = files.dir.path().join("out");
    let out_text = out.to_str().unwrap();
    for (name, from, subformat) in
        [("dynamic to fixed", &files.dynamic, "fixed"), ("fixed to dynamic", &files.fixed, "dynamic")]
    {
        let mut group = group(criterion, name, DATA);
        group.bench_function("vhd", |b| {
            b.iter(|| {
                let image = Arc::new(Image::open(from).unwrap());
                match subformat {
                    "fixed" => write(&FixedVhd::new(image, SIZE).unwrap(), &out),
                    _ => write(&DynamicVhd::new(image, SIZE).unwrap(), &out),
                }
                fs::remove_file(&out).unwrap();
            });
        });
        let options = format!("subformat={subformat},force_size=on");
        for (name, cache) in [("qemu-img", "unsafe"), ("qemu-img -t writeback", "writeback")] {
            group.bench_function(name, |b| {
                b.iter(|| {
                    let from = from.to_str().unwrap();
                    run(
                        "qemu-img",
                        &["convert", "-t", cache, "-f", "vpc", "-O", "vpc", "-o", &options, from, out_text],
                    );
                    fs::remove_file(&out).unwrap();
                });
            });
        }
    }
    let mut group = group(criterion, "dynamic to raw", DATA);
    group.bench_function("vhd", |b| {
        b.iter(|| {
            let image = Arc::new(Image::open(&files.dynamic).unwrap());
            write(&Raw::new(image, SIZE).unwrap(), &out);
            fs::remove_file(&out).unwrap();
        });
    });
    group.bench_function("qemu-img", |b| {
        b.iter(|| {
            run("qemu-img", &["convert", "-f", "vpc", "-O", "raw", files.dynamic.to_str().unwrap(), out_text]);
            fs::remove_file(&out).unwrap();
        });
    });
}

fn all(criterion: &mut Criterion) {
    zero_scan(criterion);
    block(criterion);
    joined_crc(criterion);
    let files = Files::make();
    read(criterion, &files);
    digest(criterion, &files);
    conversion(criterion, &files);
}

criterion_group!(benches, all);
criterion_main!(benches);
