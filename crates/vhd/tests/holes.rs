//! How much of a sparse image is read. Alone in its process, because what is counted is the process's.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, os::unix::fs::FileExt, sync::Arc};

use vhd::{DynamicVhd, FixedVhd, GIB, Image, Layout, OpenOptions};

/// Bytes this process has read so far, from files or the page cache (proc(5), "rchar").
fn read_so_far() -> u64 {
    let io = fs::read_to_string("/proc/self/io").unwrap();
    io.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap().parse().unwrap()
}

#[test]
fn reading_follows_the_data_and_not_the_disk() {
    let dir = tempfile::TempDir::new().unwrap();
    let path = dir.path().join("disk.raw");
    let file = fs::File::create(&path).unwrap();
    file.set_len(2040 * GIB).unwrap();
    // 128 MiB of data in 64 places all over the disk.
    let piece = vec![7; 2 << 20];
    for nth in 0..64 {
        file.write_all_at(&piece, nth * 31 * GIB + 12_345).unwrap();
    }
    let data = 64 * piece.len() as u64;

    let before = read_so_far();
    let image = Arc::new(OpenOptions::new().open(&path).unwrap());
    assert_eq!(image.virtual_size(), 2040 * GIB);
    let blocks = image.content().unwrap().blocks().len();
    assert!((64 * 4..=64 * 5).contains(&blocks), "{blocks}");
    image.facts().unwrap();
    vhd::layout::size_without_padding(&image).unwrap();
    let fixed = FixedVhd::new(image.clone(), 2040 * GIB).unwrap();
    let dynamic = DynamicVhd::new(image, 2040 * GIB).unwrap();
    let read = read_so_far() - before;
    // Once for the content; a footer is looked for at the end of the data, in its last 64 MiB.
    assert!(read < data + (80 << 20), "{read} bytes were read of {data}");

    // A dynamic VHD of it says where its blocks are: only the table is read.
    let path = dir.path().join("disk.vhd");
    vhd::convert(&dynamic, &path, false, &|_| std::ops::ControlFlow::Continue(())).unwrap();
    let before = read_so_far();
    let stored = Image::open(&path).unwrap();
    assert_eq!(stored.virtual_size(), fixed.length() - 512);
    let read = read_so_far() - before;
    assert!(read < 5 << 20, "{read} bytes were read of a table of 4 MiB");
}
