use crate::{
    Extent, Result, SECTOR,
    bat::{DynamicHeader, HEADER_SIZE, UNUSED},
    extent,
    footer::{BadField, FOOTER_SIZE, Footer, be32},
    map::{Map, Run},
    source::Source,
};

/// A dynamic VHD: blocks of disk, each behind a bitmap of its sectors, found through a table. A sector whose bit is
/// clear reads as zeros (VHD spec, "Block Allocation Table and Data Blocks").
pub fn open(source: &Source, footer: &Footer) -> Result<(u64, Map)> {
    let header = read_header(source, footer)?;
    let data = source.data()?;
    let blocks = stored_blocks(source, footer, &header)?;
    let mut map = Map::default();
    for block in blocks {
        for stored in stored_sectors(source, &header, &block)? {
            // A block of a sparse file may itself have holes.
            for present in holes_left_out(&data, stored) {
                map.push(Run {
                    disk: block.disk + (present.offset - block.data_at),
                    file: present.offset,
                    length: present.length,
                });
            }
        }
    }
    Ok((footer.current_size, map))
}

fn read_header(source: &Source, footer: &Footer) -> Result<DynamicHeader> {
    let field = |bad: BadField| bad.of(source.path(), "VHD dynamic header");
    let room = source.length().saturating_sub((HEADER_SIZE + FOOTER_SIZE) as u64);
    if !footer.data_offset.is_multiple_of(SECTOR) || footer.data_offset < SECTOR || footer.data_offset > room {
        return Err(BadField::new(
            "data offset",
            footer.data_offset.to_string(),
            format!("a multiple of 512 between 512 and {room}"),
        )
        .of(source.path(), "VHD footer"));
    }
    let mut bytes = [0; HEADER_SIZE];
    source.read_exact_at(&mut bytes, footer.data_offset)?;
    DynamicHeader::parse(&bytes, footer.current_size, source.length()).map_err(field)
}

/// A block that is stored, in the order of the disk.
struct Block {
    /// First byte on the disk.
    disk: u64,
    /// Bytes of disk it covers; the last block may reach past the end of the disk.
    length: u64,
    /// Where its bitmap is in the file.
    bitmap_at: u64,
    /// Where its data is in the file.
    data_at: u64,
}

fn stored_blocks(source: &Source, footer: &Footer, header: &DynamicHeader) -> Result<Vec<Block>> {
    let block_size = u64::from(header.block_size);
    let needed = footer.current_size.div_ceil(block_size) as usize;
    let table = source.read_up_to(header.table_offset, needed * 4)?;
    let table_end = header.table_offset + table.len() as u64;
    // Everything a block must not lie on: the header, the table and the trailing footer.
    let first_free = table_end.max(footer.data_offset + HEADER_SIZE as u64);
    let end_of_data = source.length() - SECTOR;

    let mut blocks = Vec::new();
    for (index, entry) in table.chunks_exact(4).map(|entry| be32(entry, 0)).enumerate() {
        if entry == UNUSED {
            continue;
        }
        let disk = index as u64 * block_size;
        let bitmap_at = u64::from(entry) * SECTOR;
        let data_at = bitmap_at + header.bitmap_size();
        let length = block_size.min(footer.current_size - disk);
        if bitmap_at < first_free || data_at + length > end_of_data {
            return Err(BadField::new(
                "entry",
                format!("sector {entry} for block {index}"),
                format!("a block between bytes {first_free} and {end_of_data}"),
            )
            .of(source.path(), "VHD block allocation table"));
        }
        blocks.push(Block { disk, length, bitmap_at, data_at });
    }
    refuse_shared_blocks(source, &blocks)?;
    Ok(blocks)
}

/// Two blocks in one place would make one of them read the other's data.
fn refuse_shared_blocks(source: &Source, blocks: &[Block]) -> Result<()> {
    let mut placed: Vec<_> = blocks.iter().map(|b| (b.bitmap_at, b.data_at + b.length, b.disk)).collect();
    placed.sort_unstable();
    for pair in placed.windows(2) {
        let ((_, end, first), (start, _, second)) = (pair[0], pair[1]);
        if start < end {
            return Err(BadField::new(
                "entry",
                format!("byte {start} for the block of disk byte {second}"),
                format!("a place outside the block of disk byte {first}, which ends at {end}"),
            )
            .of(source.path(), "VHD block allocation table"));
        }
    }
    Ok(())
}

/// The file ranges of a block whose bitmap bits are set. The most significant bit is the first sector.
fn stored_sectors(source: &Source, header: &DynamicHeader, block: &Block) -> Result<Vec<Extent>> {
    let sectors = block.length.div_ceil(SECTOR);
    let bitmap = source.read_up_to(block.bitmap_at, header.bitmap_size() as usize)?;
    if bitmap.iter().take((sectors / 8) as usize).all(|byte| *byte == 0xff) && sectors.is_multiple_of(8) {
        return Ok(vec![Extent { offset: block.data_at, length: block.length }]);
    }
    let mut stored = Vec::new();
    for sector in 0..sectors {
        if bitmap[(sector / 8) as usize] & (0x80 >> (sector % 8)) != 0 {
            extent::push_joined(&mut stored, Extent { offset: block.data_at + sector * SECTOR, length: SECTOR });
        }
    }
    Ok(stored)
}

/// The part of `stored` that is not a hole of the file.
fn holes_left_out(data: &[Extent], stored: Extent) -> Vec<Extent> {
    let first = data.partition_point(|range| range.end() <= stored.offset);
    data[first..].iter().map_while(|range| range.intersect(&stored)).collect()
}
