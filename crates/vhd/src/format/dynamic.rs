use crate::{
    Error, Extent, Result, SECTOR,
    bat::{DynamicHeader, HEADER_SIZE, UNUSED},
    extent,
    footer::{BadField, FOOTER_SIZE, Footer, be32},
    geometry,
    map::{Map, Run},
    source::Source,
};

/// How much of the table is held at a time.
const TABLE_STEP: u64 = 256 << 10;
/// The number of blocks at which they are first looked at for overlaps, and then whenever they have become twice as many:
/// a table of nonsense is noticed before it takes much memory.
const FIRST_LOOK: usize = 1024;

/// A dynamic VHD: blocks of disk, each behind a bitmap of its sectors, found through a table. A sector whose bit is
/// clear reads as zeros (VHD spec, "Block Allocation Table and Data Blocks").
#[derive(Debug)]
pub struct Dynamic<'a> {
    pub source: &'a Source,
    pub footer: &'a Footer,
    /// Where the blocks have to end: at the footer, or at the end of a file that has lost it.
    pub end: u64,
    /// Whether there is a footer at `end`.
    pub finished: bool,
}

impl Dynamic<'_> {
    pub fn open(&self) -> Result<(u64, Map)> {
        let header = self.header()?;
        let size = self.size(&header);
        let data = self.source.data()?;
        let mut map = Map::default();
        for block in self.blocks(&header, size)? {
            for stored in self.stored_sectors(&header, &block)? {
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
        Ok((size, map))
    }

    fn header(&self) -> Result<DynamicHeader> {
        let offset = self.footer.data_offset;
        let room = self.end.saturating_sub(HEADER_SIZE as u64);
        if !offset.is_multiple_of(SECTOR) || offset < SECTOR || offset > room {
            let expected = format!("a multiple of 512 between 512 and {room}");
            return Err(BadField::new("data offset", offset.to_string(), expected).of(self.source.path(), "VHD footer"));
        }
        let mut bytes = [0; HEADER_SIZE];
        self.source.read_exact_at(&mut bytes, offset)?;
        DynamicHeader::parse(&bytes, self.footer.current_size, self.end)
            .map_err(|bad| bad.of(self.source.path(), "VHD dynamic header"))
    }

    /// The larger of the two sizes that the footer gives, if the table covers it.
    fn size(&self, header: &DynamicHeader) -> u64 {
        let covered = u64::from(header.entries) * u64::from(header.block_size);
        let by_geometry = geometry::stated_size(self.footer).filter(|size| *size <= covered);
        by_geometry.map_or(self.footer.current_size, |size| size.max(self.footer.current_size))
    }

    fn blocks(&self, header: &DynamicHeader, size: u64) -> Result<Vec<Block>> {
        let block_size = u64::from(header.block_size);
        let table = Extent { offset: header.table_offset, length: size.div_ceil(block_size) * 4 };
        // What a block must not lie on. The file begins with the footer's copy, whether that is whole or not.
        let mut taken = vec![
            (Extent { offset: 0, length: FOOTER_SIZE as u64 }, Holder::FooterCopy),
            (Extent { offset: self.footer.data_offset, length: HEADER_SIZE as u64 }, Holder::Header),
            (table, Holder::Table),
        ];
        self.refuse_overlaps(&mut taken)?;
        let mut blocks = Vec::new();
        let mut next_look = FIRST_LOOK;
        let mut at = table.offset;
        while at < table.end() {
            let step = TABLE_STEP.min(table.end() - at);
            let first = (at - table.offset) / 4;
            let entries = self.source.read_up_to(at, step as usize)?;
            for (index, entry) in (first..).zip(entries.chunks_exact(4).map(|entry| be32(entry, 0))) {
                if entry == UNUSED {
                    continue;
                }
                let disk = index * block_size;
                let bitmap_at = u64::from(entry) * SECTOR;
                let data_at = bitmap_at + header.bitmap_size();
                let block = Block { index, disk, length: block_size.min(size - disk), bitmap_at, data_at };
                if block.end() > self.end {
                    return Err(self.past_the_end(&block));
                }
                taken.push((Extent { offset: bitmap_at, length: block.end() - bitmap_at }, Holder::Block(index)));
                blocks.push(block);
                if blocks.len() == next_look {
                    self.refuse_overlaps(&mut taken)?;
                    next_look *= 2;
                }
            }
            at += step;
        }
        self.refuse_overlaps(&mut taken)?;
        Ok(blocks)
    }

    fn past_the_end(&self, block: &Block) -> Error {
        if !self.finished {
            let (needed, length) = (block.end(), self.source.length());
            return Error::CutShort { path: self.source.path().to_owned(), block: block.index, needed, length };
        }
        self.entry(block.bitmap_at, block.index, format!("a block that ends by byte {}, where the footer is", self.end))
    }

    /// Two things in one place would make one of them read as the other.
    fn refuse_overlaps(&self, taken: &mut [(Extent, Holder)]) -> Result<()> {
        taken.sort_unstable_by_key(|(range, _)| *range);
        for pair in taken.windows(2) {
            let ((first, before), (second, after)) = (pair[0], pair[1]);
            if first.end() <= second.offset {
                continue;
            }
            // The later a thing is read, the more likely it is the one that lies.
            let (culprit, at, other, range) = if after > before {
                (after, second.offset, before, first)
            } else {
                (before, first.offset, after, second)
            };
            let expected = format!("a place outside {}, bytes {} to {}", other.name(), range.offset, range.end());
            return Err(match culprit {
                Holder::Block(block) => self.entry(at, block, expected),
                _ => {
                    BadField::new("table offset", at.to_string(), expected).of(self.source.path(), "VHD dynamic header")
                }
            });
        }
        Ok(())
    }

    fn entry(&self, at: u64, block: u64, expected: String) -> Error {
        BadField::new("entry", format!("sector {} for block {block}", at / SECTOR), expected)
            .of(self.source.path(), "VHD block allocation table")
    }

    /// The file ranges of a block whose bitmap bits are set. The most significant bit is the first sector.
    fn stored_sectors(&self, header: &DynamicHeader, block: &Block) -> Result<Vec<Extent>> {
        let sectors = block.length.div_ceil(SECTOR);
        let bitmap = self.source.read_up_to(block.bitmap_at, header.bitmap_size() as usize)?;
        if sectors.is_multiple_of(8) && bitmap.iter().take((sectors / 8) as usize).all(|byte| *byte == 0xff) {
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
}

/// A block that is stored, in the order of the disk.
#[derive(Clone, Copy)]
struct Block {
    /// Its entry in the table.
    index: u64,
    /// First byte on the disk.
    disk: u64,
    /// Bytes of disk it covers; the last block may reach past the end of the disk.
    length: u64,
    /// Where its bitmap is in the file.
    bitmap_at: u64,
    /// Where its data is in the file.
    data_at: u64,
}

impl Block {
    /// The end of what the disk needs of it, in the file.
    fn end(&self) -> u64 {
        self.data_at + self.length
    }
}

/// What a range of the file is used by, in the order in which it is read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Holder {
    FooterCopy,
    Header,
    Table,
    Block(u64),
}

impl Holder {
    fn name(self) -> String {
        match self {
            Self::FooterCopy => "the footer's copy".to_owned(),
            Self::Header => "the dynamic header".to_owned(),
            Self::Table => "the block allocation table".to_owned(),
            Self::Block(index) => format!("block {index}"),
        }
    }
}

/// The part of `stored` that is not a hole of the file.
fn holes_left_out(data: &[Extent], stored: Extent) -> Vec<Extent> {
    let first = data.partition_point(|range| range.end() <= stored.offset);
    data[first..].iter().map_while(|range| range.intersect(&stored)).collect()
}
