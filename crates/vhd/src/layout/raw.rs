use std::sync::Arc;

use crate::{Extent, Format, Image, Layout, Result};

/// The disk byte for byte.
#[derive(Debug)]
pub struct Raw {
    image: Arc<Image>,
    length: u64,
    extents: Vec<Extent>,
}

impl Raw {
    /// The disk with a length of `disk_size` bytes: longer than the image, the rest is zeros; shorter, and all that is cut
    /// off has to be zeros.
    ///
    /// # Errors
    /// [`Error::TooSmall`](crate::Error::TooSmall) if data would be cut off, and what reading the image may raise.
    pub fn new(image: Arc<Image>, disk_size: u64) -> Result<Self> {
        let extents = super::data_extents(&image, disk_size)?;
        Ok(Self { image, length: disk_size, extents })
    }
}

impl Layout for Raw {
    fn format(&self) -> Format {
        Format::Raw
    }

    fn length(&self) -> u64 {
        self.length
    }

    fn extents(&self) -> &[Extent] {
        &self.extents
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
        self.image.read_at(buffer, offset)
    }
}
