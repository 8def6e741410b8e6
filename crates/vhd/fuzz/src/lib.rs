//! Fuzzing of the `vhd` crate: `just fuzz open 600` runs a target for ten minutes.

pub mod case;
pub mod sparse;

use std::{fs::File, os::fd::AsRawFd, path::Path};

use rustix::fs::{MemfdFlags, memfd_create};

use crate::sparse::Sparse;

/// Runs `check` on the file that `input` describes; the file is only in memory.
pub fn with_file<T>(input: &[u8], check: impl Fn(&Path) -> T) {
    // What is compressed is read whole, however long it is, and has a target of its own.
    if let Some(sparse) = Sparse::decode(input).filter(|sparse| !sparse.is_compressed()) {
        run(|file| sparse.write(file), check);
    }
}

/// Runs `check` on a file of these bytes.
pub fn with_bytes<T>(input: &[u8], check: impl Fn(&Path) -> T) {
    run(|mut file| std::io::Write::write_all(&mut file, input), check);
}

fn run<T>(write: impl Fn(&File) -> std::io::Result<()>, check: impl Fn(&Path) -> T) {
    let Ok(memory) = memfd_create("case", MemfdFlags::CLOEXEC) else { return };
    let file = File::from(memory);
    if write(&file).is_ok() {
        check(Path::new(&format!("/proc/self/fd/{}", file.as_raw_fd())));
    }
}
