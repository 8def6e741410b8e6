use std::io::{self, Read, Seek, SeekFrom, Write};

use crate::{Extent, Image};

/// A part of a disk as the standard traits that the partition and file system crates read through.
#[derive(Debug)]
pub struct Window<'a> {
    image: &'a Image,
    range: Extent,
    position: u64,
}

impl<'a> Window<'a> {
    pub fn new(image: &'a Image, range: Extent) -> Self {
        Self { image, range, position: 0 }
    }

    pub fn whole(image: &'a Image) -> Self {
        Self::new(image, Extent { offset: 0, length: image.virtual_size() })
    }
}

impl Read for Window<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.range.length.saturating_sub(self.position);
        let wanted = left.min(buffer.len() as u64) as usize;
        self.image.read_at(&mut buffer[..wanted], self.range.offset + self.position).map_err(io::Error::other)?;
        self.position += wanted as u64;
        Ok(wanted)
    }
}

impl Seek for Window<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            SeekFrom::End(by) => self.range.length.checked_add_signed(by),
        };
        self.position = target.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}

/// `gpt` and `fatfs` ask for a writer even to read. They get one that refuses.
impl Write for Window<'_> {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::Error::from(io::ErrorKind::ReadOnlyFilesystem))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
