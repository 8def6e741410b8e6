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
        // Where nothing is cut off, nothing has to be known of the data; whoever copies it finds the zeros on the way.
        let extents = if disk_size < image.virtual_size() || image.has_outline() {
            super::data_extents(&image, disk_size)?
        } else {
            image.extents().to_vec()
        };
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

    fn check_unchanged(&self) -> Result<()> {
        self.image.check_unchanged()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
        self.image.read_at(buffer, offset)
    }

    fn check(&self, bytes: &[u8], offset: u64) -> Result<()> {
        self.image.check_content(bytes, offset)
    }
}
