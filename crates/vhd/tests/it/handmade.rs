//! Dynamic VHDs as programs other than `qemu-img` write them.

use std::{fs::File, os::unix::fs::FileExt, path::Path};

use vhd::{
    Image,
    bat::{DynamicHeader, UNUSED},
    footer::{DiskType, Footer},
};

use crate::disk::Noise;

/// How a dynamic VHD is put together.
#[derive(Clone, Copy, Debug)]
pub struct Recipe {
    pub block_size: u32,
    /// Blocks in an order that is not the disk's, and with gaps between them.
    pub shuffled: bool,
    /// The table behind the blocks and not before them.
    pub table_last: bool,
    /// Bits set only for sectors that are not zero; otherwise for all.
    pub exact_bitmaps: bool,
}

/// Writes the disk in `image` to `path`.
pub fn write(image: &Image, path: &Path, recipe: Recipe) {
    let size = image.virtual_size();
    let block_size = u64::from(recipe.block_size);
    let entries = size.div_ceil(block_size);
    let table_size = (entries * 4).next_multiple_of(512);
    let mut header = DynamicHeader { table_offset: 1536, entries: entries as u32, block_size: recipe.block_size };
    let bitmap_size = header.bitmap_size();

    let mut stored: Vec<u64> =
        image.extents().iter().flat_map(|e| e.offset / block_size..e.end().div_ceil(block_size)).collect();
    stored.dedup();
    let mut noise = Noise::new(size);
    if recipe.shuffled {
        for at in (1..stored.len()).rev() {
            stored.swap(at, (noise.next() % (at as u64 + 1)) as usize);
        }
    }
    let file = File::create(path).unwrap();
    let mut at = if recipe.table_last { 1536 } else { 1536 + table_size };
    let mut table = vec![UNUSED; entries as usize];
    let mut data = vec![0; recipe.block_size as usize];
    for index in stored {
        if recipe.shuffled {
            at += noise.next() % 3 * 512;
        }
        image.read_at(&mut data, index * block_size).unwrap();
        let mut bitmap = vec![0; bitmap_size as usize];
        for (sector, bytes) in data.chunks(512).enumerate() {
            if !recipe.exact_bitmaps || bytes.iter().any(|byte| *byte != 0) {
                bitmap[sector / 8] |= 0x80 >> (sector % 8);
            }
        }
        table[index as usize] = (at / 512) as u32;
        file.write_all_at(&bitmap, at).unwrap();
        file.write_all_at(&data, at + bitmap_size).unwrap();
        at += bitmap_size + block_size;
    }
    if recipe.table_last {
        header.table_offset = at;
        at += table_size;
    }
    let bytes: Vec<u8> = table.iter().flat_map(|entry| entry.to_be_bytes()).collect();
    file.write_all_at(&vec![0xff; table_size as usize], header.table_offset).unwrap();
    file.write_all_at(&bytes, header.table_offset).unwrap();
    let footer = Footer::new(DiskType::Dynamic, size, Default::default()).to_bytes();
    file.write_all_at(&footer, 0).unwrap();
    file.write_all_at(&header.to_bytes(), 512).unwrap();
    file.write_all_at(&footer, at).unwrap();
}
