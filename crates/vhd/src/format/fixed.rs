use crate::{
    Result, SECTOR,
    footer::{BadField, Footer},
    map::Map,
    source::Source,
};

/// A fixed VHD: the disk, then its footer.
pub fn open(source: &Source, footer: &Footer) -> Result<(u64, Map)> {
    let stored = source.length() - SECTOR;
    if footer.current_size != stored {
        return Err(BadField::new(
            "current size",
            footer.current_size.to_string(),
            format!("{stored}, the bytes before it"),
        )
        .of(source.path(), "VHD footer"));
    }
    Ok((stored, Map::identity(&source.data()?, stored)))
}
