use crate::{Result, SECTOR, map::Map, source::Source};

/// A disk stored byte for byte. A last sector that is cut short counts whole, filled up with zeros, as `qemu-img` does.
pub fn open(source: &Source) -> Result<(u64, Map)> {
    let size = source.length().next_multiple_of(SECTOR);
    Ok((size, Map::identity(&source.data()?, source.length())))
}
