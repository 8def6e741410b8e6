use crate::{
    Extent, Result,
    footer::{BadField, Footer},
    geometry,
    map::Map,
    source::Source,
};

/// A fixed VHD: the disk, then its footer, at byte `end`.
pub fn open(source: &Source, footer: &Footer, end: u64) -> Result<(u64, Map)> {
    if !ends_at(footer, end) {
        return Err(BadField::new(
            "current size",
            footer.current_size.to_string(),
            format!("{end}, the bytes before it"),
        )
        .of(source.path(), "VHD footer"));
    }
    Ok((end, Map::identity(&source.data()?, end)))
}

/// Whether a fixed VHD with this footer has it at byte `at`.
pub fn ends_at(footer: &Footer, at: u64) -> bool {
    footer.current_size == at || geometry::stated_size(footer) == Some(at)
}

/// A fixed VHD that was grown as if it were a raw disk: its footer, at byte `at`, is no part of the disk, and what follows
/// it is.
pub fn open_grown(source: &Source, footer_at: u64) -> Result<(u64, Map)> {
    let size = source.length().next_multiple_of(crate::SECTOR);
    let footer = Extent { offset: footer_at, length: crate::SECTOR };
    let mut without = Vec::new();
    for range in source.data()? {
        without.extend(Extent::between(range.offset, range.end().min(footer.offset)));
        without.extend(Extent::between(range.offset.max(footer.end()), range.end()));
    }
    Ok((size, Map::identity(&without, source.length())))
}
