//! Disks to test with.

use std::{
    fs::File,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use vhd::{Image, Layout};

/// A generator of bytes that look random and are the same in every run (xorshift64*).
pub struct Noise(u64);

impl Noise {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| (self.next() >> 32) as u8 | 1).collect()
    }
}

/// Writes a sparse raw disk with data at each of `(offset, length)`.
pub fn raw(path: &Path, size: u64, data: &[(u64, usize)]) -> PathBuf {
    let file = File::create(path).unwrap();
    file.set_len(size).unwrap();
    let mut noise = Noise::new(size);
    for (offset, length) in data {
        file.write_all_at(&noise.bytes(*length), *offset).unwrap();
    }
    path.to_owned()
}

/// Writes a layout to disk, reading its extents in odd steps so that every boundary inside them is crossed. What lies
/// outside the extents stays a hole, so a layout that forgets one is noticed when the result is compared.
pub fn write_out(layout: &dyn Layout, path: &Path) {
    let file = File::create(path).unwrap();
    file.set_len(layout.length()).unwrap();
    let mut buffer = vec![0xaa; 1_000_003];
    for extent in layout.extents() {
        let mut at = extent.offset;
        while at < extent.end() {
            let step = (extent.end() - at).min(buffer.len() as u64) as usize;
            layout.read_at(&mut buffer[..step], at).unwrap();
            file.write_all_at(&buffer[..step], at).unwrap();
            at += step as u64;
        }
    }
}

pub fn open(path: &Path) -> Arc<Image> {
    Arc::new(Image::open(path).unwrap())
}
