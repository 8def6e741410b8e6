use std::{ops::Range, sync::Arc};

use crate::{
    CONTENT_BLOCK, Error, Extent, Format, Image, Layout, Result, SECTOR,
    bat::{self, BLOCK_SIZE, DynamicHeader, UNUSED},
    crc::{Append, crc64},
    footer::{self, DiskType, FOOTER_SIZE, Footer},
};

const DATA: u64 = BLOCK_SIZE as u64;
/// A block's bitmap is one sector: 4096 sectors a block, one bit each.
const BITMAP: u64 = SECTOR;
const BLOCK: u64 = BITMAP + DATA;

/// A dynamic VHD as `qemu-img convert -O vpc -o force_size=on` writes it: footer copy, header, table, then the blocks
/// that hold data in the order of the disk, each behind a bitmap of ones, then the footer.
///
/// Everything but the blocks' data is known before any of it is read, so parts can be sent in any order.
#[derive(Debug)]
pub struct DynamicVhd {
    image: Arc<Image>,
    /// Footer copy, header and block allocation table.
    head: Vec<u8>,
    /// The disk's blocks that are stored, in order.
    blocks: Vec<u32>,
    footer: [u8; FOOTER_SIZE],
    whole: [Extent; 1],
}

impl DynamicVhd {
    /// A VHD of a disk of `disk_size` bytes: longer than the image, the rest is zeros; shorter, and all that is cut off
    /// has to be zeros.
    ///
    /// # Errors
    /// [`Error::TooSmall`], [`Error::TooLarge`], and what reading the image may raise.
    pub fn new(image: Arc<Image>, disk_size: u64) -> Result<Self> {
        footer::check_size(disk_size)?;
        let outline = image.outline()?;
        if outline.end() > disk_size.next_multiple_of(CONTENT_BLOCK) {
            return Err(Error::TooSmall { asked: disk_size, end: outline.end() });
        }
        let mut blocks: Vec<_> = outline.indexes().map(|index| index / (DATA / CONTENT_BLOCK) as u32).collect();
        blocks.dedup();

        let footer = Footer::new(DiskType::Dynamic, disk_size, outline.id()).to_bytes();
        let head = head(&footer, disk_size, &blocks);
        let length = head.len() as u64 + blocks.len() as u64 * BLOCK + SECTOR;
        Ok(Self { image, head, blocks, footer, whole: [Extent { offset: 0, length }] })
    }

    /// CRC-64/NVME of the whole virtual file, by the image's [`Content`](crate::Content): nothing is read for it where that is
    /// known already.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read.
    pub fn crc64(&self) -> Result<u64> {
        const PER_BLOCK: u32 = (DATA / CONTENT_BLOCK) as u32;
        let content = self.image.content()?;
        let (bitmap, zeros) = (crc64(&[0xff; BITMAP as usize]), crc64(&[0; CONTENT_BLOCK as usize]));
        let mut whole = crc64(&self.head);
        let (sector, content_block) = (Append::of(SECTOR), Append::of(CONTENT_BLOCK));
        for block in &self.blocks {
            whole = sector.append(whole, bitmap);
            for index in block * PER_BLOCK..(block + 1) * PER_BLOCK {
                let crc = content.block(index).map_or(zeros, |block| block.crc64);
                whole = content_block.append(whole, crc);
            }
        }
        Ok(sector.append(whole, crc64(&self.footer)))
    }

    /// Which part of the virtual file holds the byte at `offset`, and where that part lies; none past the end.
    fn part_at(&self, offset: u64) -> Option<(Part, Range<u64>)> {
        let head = self.head.len() as u64;
        if offset < head {
            return Some((Part::Head, 0..head));
        }
        let nth = (offset - head) / BLOCK;
        let Some(block) = usize::try_from(nth).ok().and_then(|nth| self.blocks.get(nth)) else {
            let footer = self.length() - SECTOR..self.length();
            return footer.contains(&offset).then_some((Part::Footer, footer));
        };
        let bitmap = head + nth * BLOCK;
        let data = bitmap + BITMAP;
        Some(if offset < data { (Part::Bitmap, bitmap..data) } else { (Part::Data(*block), data..bitmap + BLOCK) })
    }
}

/// What a dynamic VHD is made of.
enum Part {
    Head,
    Bitmap,
    Data(u32),
    Footer,
}

fn head(footer: &[u8; FOOTER_SIZE], disk_size: u64, blocks: &[u32]) -> Vec<u8> {
    let header = DynamicHeader::new(disk_size);
    let table_size = (u64::from(header.entries) * 4).next_multiple_of(SECTOR);
    let first_sector = (bat::TABLE_OFFSET + table_size) / SECTOR;

    let mut head = Vec::with_capacity((bat::TABLE_OFFSET + table_size) as usize);
    head.extend_from_slice(footer);
    head.extend_from_slice(&header.to_bytes());
    // The rest of the table's last sector is ones too, as qemu-img writes it.
    head.resize((bat::TABLE_OFFSET + table_size) as usize, UNUSED as u8);
    for (nth, block) in blocks.iter().enumerate() {
        let sector = first_sector + nth as u64 * (BLOCK / SECTOR);
        let at = bat::TABLE_OFFSET as usize + *block as usize * 4;
        // A VHD ends at 2040 GiB, so its sectors are counted in 32 bits.
        head[at..at + 4].copy_from_slice(&(sector as u32).to_be_bytes());
    }
    head
}

impl Layout for DynamicVhd {
    fn format(&self) -> Format {
        Format::DynamicVhd
    }

    fn length(&self) -> u64 {
        self.whole[0].length
    }

    fn extents(&self) -> &[Extent] {
        &self.whole
    }

    fn check_unchanged(&self) -> Result<()> {
        self.image.check_unchanged()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
        let (mut at, mut rest) = (offset, buffer);
        while !rest.is_empty() {
            let Some((part, range)) = self.part_at(at) else {
                rest.fill(0);
                break;
            };
            let wanted = (range.end - at).min(rest.len() as u64) as usize;
            let (piece, behind) = rest.split_at_mut(wanted);
            let within = (at - range.start) as usize;
            match part {
                Part::Head => piece.copy_from_slice(&self.head[within..within + wanted]),
                Part::Bitmap => piece.fill(0xff),
                Part::Data(block) => self.image.read_at(piece, u64::from(block) * DATA + within as u64)?,
                Part::Footer => piece.copy_from_slice(&self.footer[within..within + wanted]),
            }
            at += wanted as u64;
            rest = behind;
        }
        Ok(())
    }

    fn check(&self, bytes: &[u8], offset: u64) -> Result<()> {
        let (mut at, mut rest) = (offset, bytes);
        while !rest.is_empty() {
            let Some((part, range)) = self.part_at(at) else { break };
            let (piece, behind) = rest.split_at((range.end - at).min(rest.len() as u64) as usize);
            if let Part::Data(block) = part {
                self.image.check_content(piece, u64::from(block) * DATA + at - range.start)?;
            }
            at += piece.len() as u64;
            rest = behind;
        }
        Ok(())
    }
}
