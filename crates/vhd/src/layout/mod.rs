//! An image as the bytes a cloud wants to receive: a virtual file over it, computed as it is read and never stored.

mod dynamic;
mod fixed;
mod raw;

use std::fmt::Debug;

pub use dynamic::DynamicVhd;
pub use fixed::FixedVhd;
pub use raw::Raw;

use crate::{Error, Extent, Format, Image, Result, extent};

/// A virtual file over an image. Cheap to read anywhere, from many threads, in any order.
pub trait Layout: Debug + Send + Sync {
    /// The format this layout has.
    fn format(&self) -> Format;

    /// Length of the virtual file in bytes.
    fn length(&self) -> u64;

    /// The ranges that may hold anything but zeros, sorted and joined.
    fn extents(&self) -> &[Extent];

    /// That the image under it is what it was.
    ///
    /// # Errors
    /// [`Error::Changed`] if it has been written to.
    fn check_unchanged(&self) -> Result<()>;

    /// Fills `buffer` with the virtual file's bytes from `offset`; zeros past its end.
    ///
    /// # Errors
    /// [`Error::Io`] if the file under the image cannot be read.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<()>;

    /// That bytes which were read from `offset` are what the image held when its [`Content`](crate::Content) was found, as far
    /// as whole blocks of it lie in them. A file that was written to in between gives itself away here, whatever its time of
    /// modification says.
    ///
    /// # Errors
    /// [`Error::Changed`] if they are not.
    fn check(&self, bytes: &[u8], offset: u64) -> Result<()>;
}

/// The largest cylinder that a VHD's geometry has (VHD spec, "CHS Calculation"): `qemu-img` rounds a disk up to a whole one.
const CYLINDER: u64 = 16 * 255 * crate::SECTOR;

/// The size AWS should be told: whole gibibytes if what is past the last whole one is padding to a VHD's cylinder, so that it
/// is not billed as another gibibyte; otherwise the disk's own size. Padding is less than a cylinder of zeros that lies in
/// no partition: nothing that anyone could use is ever cut.
///
/// # Errors
/// [`Error::Io`] if the file cannot be read.
pub fn size_without_padding(image: &Image) -> Result<u64> {
    let whole = image.virtual_size() / crate::GIB * crate::GIB;
    let tail = image.virtual_size() - whole;
    let padded =
        whole > 0 && tail < CYLINDER && image.outline()?.end() <= whole && image.facts()?.partitions_end <= whole;
    Ok(if padded { whole } else { image.virtual_size() })
}

/// The ranges of the first `disk_size` bytes that are stored and lie in a non-zero block.
fn data_extents(image: &Image, disk_size: u64) -> Result<Vec<Extent>> {
    let content = image.outline()?.extents();
    let stored = extent::intersect(image.extents(), &content);
    if let Some(last) = stored.last().filter(|last| last.end() > disk_size) {
        return Err(Error::TooSmall { asked: disk_size, end: last.end() });
    }
    Ok(stored)
}
