use std::sync::Arc;

use crate::{
    Extent, Format, Image, Layout, MIB, Result, SECTOR, extent,
    footer::{self, DiskType, FOOTER_SIZE, Footer},
};

/// A fixed VHD: the disk, then a footer that exists only here.
#[derive(Debug)]
pub struct FixedVhd {
    image: Arc<Image>,
    disk_size: u64,
    extents: Vec<Extent>,
    footer: [u8; FOOTER_SIZE],
}

impl FixedVhd {
    /// A VHD of a disk of `disk_size` bytes, which is the image's own size or more; the rest is zeros.
    ///
    /// # Errors
    /// [`Error::TooSmall`](crate::Error::TooSmall), [`Error::TooLarge`](crate::Error::TooLarge), and what reading the
    /// image may raise.
    pub fn new(image: Arc<Image>, disk_size: u64) -> Result<Self> {
        footer::check_size(disk_size)?;
        let mut extents = super::data_extents(&image, disk_size)?;
        extent::push_joined(&mut extents, Extent { offset: disk_size, length: SECTOR });
        let footer = Footer::new(DiskType::Fixed, disk_size, image.outline()?.id()).to_bytes();
        Ok(Self { image, disk_size, extents, footer })
    }

    /// The smallest size Azure takes for a disk of `size` bytes: whole mebibytes, so an aligned disk gains nothing.
    #[must_use]
    pub fn aligned(size: u64) -> u64 {
        size.next_multiple_of(MIB)
    }
}

impl Layout for FixedVhd {
    fn format(&self) -> Format {
        Format::FixedVhd
    }

    fn length(&self) -> u64 {
        self.disk_size + SECTOR
    }

    fn extents(&self) -> &[Extent] {
        &self.extents
    }

    fn check_unchanged(&self) -> Result<()> {
        self.image.check_unchanged()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
        let disk = self.disk_size.saturating_sub(offset).min(buffer.len() as u64) as usize;
        let (from_disk, from_footer) = buffer.split_at_mut(disk);
        self.image.read_at(from_disk, offset)?;
        // How far into the footer what is left of the buffer begins.
        let skipped = offset.saturating_sub(self.disk_size).min(SECTOR) as usize;
        let footer = &self.footer[skipped..];
        let copied = footer.len().min(from_footer.len());
        from_footer[..copied].copy_from_slice(&footer[..copied]);
        from_footer[copied..].fill(0);
        Ok(())
    }

    fn check(&self, bytes: &[u8], offset: u64) -> Result<()> {
        self.image.check_content(bytes, offset)
    }
}
