//! What is on a disk, whatever wraps or pads it: its non-zero blocks and their hashes.

use std::fmt;

use rayon::prelude::*;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::{Extent, Image, Result, crc::crc64, extent::push_joined, zero::is_zero};

/// Bytes in a content block: 512 KiB, the block of Amazon's EBS direct APIs, whose hashes these are.
pub const CONTENT_BLOCK: u64 = 512 << 10;

/// Separates this use of SHA-256 from every other, and this definition of a digest from a later one.
const DOMAIN: &[u8] = b"publish disk content v1\n";

/// The identity of a disk's content: SHA-256 over the index and SHA-256 of every non-zero block, in order.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest's bytes.
    #[must_use]
    pub fn bytes(&self) -> [u8; 32] {
        self.0
    }

    /// Lowercase hexadecimal, without the `sha256:` that `Display` puts in front.
    #[must_use]
    pub fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A block that holds at least one byte other than zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// The block covers the disk from `index` × [`CONTENT_BLOCK`].
    pub index: u32,
    /// SHA-256 of the block, filled up with zeros where the disk ends inside it.
    pub sha256: [u8; 32],
    /// CRC-64/NVME of the same.
    pub crc64: u64,
}

/// The non-zero blocks of a disk, in order: 36 bytes for each 512 KiB of data.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Content {
    blocks: Vec<Block>,
}

impl Content {
    /// Reads all stored data of an image once, on all cores. Holes are never read.
    pub(crate) fn scan(image: &Image) -> Result<Self> {
        let block = |index, bytes: &[u8]| Block { index, sha256: Sha256::digest(bytes).into(), crc64: crc64(bytes) };
        Ok(Self { blocks: scan(image, block)? })
    }

    /// The non-zero blocks, in order.
    #[must_use]
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// The block at `index`, if it is not zero.
    #[must_use]
    pub fn block(&self, index: u32) -> Option<&Block> {
        self.blocks.binary_search_by_key(&index, |block| block.index).ok().map(|at| &self.blocks[at])
    }

    /// The non-zero blocks as disk ranges, sorted and joined. The last may reach past the end of the disk.
    #[must_use]
    pub fn extents(&self) -> Vec<Extent> {
        ranges(self.blocks.iter().map(|block| block.index))
    }

    /// Whether the block at `index` holds these bytes, as far as a CRC-64/NVME tells.
    pub(crate) fn holds(&self, index: u32, bytes: &[u8]) -> bool {
        match self.block(index) {
            Some(block) => block.crc64 == crc64(bytes),
            None => is_zero(bytes),
        }
    }

    /// The identity of the disk.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut hash = Sha256::new_with_prefix(DOMAIN);
        for block in &self.blocks {
            hash.update(u64::from(block.index).to_le_bytes());
            hash.update(block.sha256);
        }
        Digest(hash.finalize().into())
    }

    /// The end of the last non-zero block; 0 for an empty disk.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.blocks.last().map_or(0, |block| (u64::from(block.index) + 1) * CONTENT_BLOCK)
    }
}

/// Where the data of a disk lies, and enough of what it is to tell it from another: what a layout has to know, found ten
/// times as fast as the [`Content`].
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Outline {
    /// The non-zero blocks, in order, each with its CRC-64/NVME.
    blocks: Vec<(u32, u64)>,
}

impl Outline {
    /// Reads all stored data of an image once, on all cores.
    pub fn scan(image: &Image) -> Result<Self> {
        Ok(Self { blocks: scan(image, |index, bytes| (index, crc64(bytes)))? })
    }

    /// What is already known.
    pub fn of(content: &Content) -> Self {
        Self { blocks: content.blocks.iter().map(|block| (block.index, block.crc64)).collect() }
    }

    /// The non-zero blocks, in order.
    pub fn indexes(&self) -> impl Iterator<Item = u32> {
        self.blocks.iter().map(|(index, _)| *index)
    }

    /// The non-zero blocks as disk ranges, sorted and joined. The last may reach past the end of the disk.
    pub fn extents(&self) -> Vec<Extent> {
        ranges(self.indexes())
    }

    /// The end of the last non-zero block; 0 for an empty disk.
    pub fn end(&self) -> u64 {
        self.blocks.last().map_or(0, |(index, _)| (u64::from(*index) + 1) * CONTENT_BLOCK)
    }

    /// An identity for a disk with this content: the same for the same content, and no proof of it.
    pub fn id(&self) -> Uuid {
        let bytes: Vec<u8> = self
            .blocks
            .iter()
            .flat_map(|(index, crc)| (u128::from(*index) << 64 | u128::from(*crc)).to_le_bytes())
            .collect();
        Uuid::new_v5(&Uuid::NAMESPACE_OID, &bytes)
    }
}

/// What `look` makes of each non-zero block, in order.
fn scan<T: Send>(image: &Image, look: impl Fn(u32, &[u8]) -> T + Sync) -> Result<Vec<T>> {
    candidates(image.extents())
        .into_par_iter()
        .map_init(
            || vec![0; CONTENT_BLOCK as usize],
            |buffer, index| {
                image.read_at(buffer, u64::from(index) * CONTENT_BLOCK)?;
                Ok((!is_zero(buffer)).then(|| look(index, buffer)))
            },
        )
        .filter_map(Result::transpose)
        .collect()
}

/// Blocks as disk ranges, sorted and joined.
fn ranges(indexes: impl Iterator<Item = u32>) -> Vec<Extent> {
    let mut extents = Vec::new();
    for index in indexes {
        push_joined(&mut extents, Extent { offset: u64::from(index) * CONTENT_BLOCK, length: CONTENT_BLOCK });
    }
    extents
}

/// The blocks that stored data touches, in order, each once.
fn candidates(extents: &[Extent]) -> Vec<u32> {
    let mut indexes: Vec<u32> = Vec::new();
    for extent in extents {
        let first = (extent.offset / CONTENT_BLOCK) as u32;
        let end = extent.end().div_ceil(CONTENT_BLOCK) as u32;
        let unseen = indexes.last().map_or(first, |last| first.max(last + 1));
        indexes.extend(unseen..end);
    }
    indexes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_are_sorted_and_unique() {
        let at = |offset, length| Extent { offset, length };
        assert_eq!(
            candidates(&[at(0, 1), at(512, 512), at(CONTENT_BLOCK * 3 - 1, 2), at(CONTENT_BLOCK * 9, 1)]),
            [0, 2, 3, 9]
        );
    }
}
