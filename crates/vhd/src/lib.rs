//! Disk images as clouds see them: what is in a file, where its data is, and how the same disk looks in another format.
//!
//! ```text
//! file ─► Image::open ─► Map (which disk ranges hold data, and where in the file) ─► read_at
//!                 │
//!                 ├─► content()  one pass over the data: non-zero blocks, their SHA-256, the digest of the disk
//!                 ├─► facts()    partition table, EFI system partition, boot files, architecture
//!                 └─► Layout     FixedVhd | DynamicVhd | Raw: the bytes a cloud wants, computed and never stored
//! ```
//!
//! The crate is synchronous and knows no cloud. Every read is positional, so one [`Image`] serves many threads; cost
//! follows the data in an image and not its virtual size, because nothing here ever reads a hole.
//!
//! Format facts come from Microsoft's *Virtual Hard Disk Image Format Specification*, version 1.0 (October 2006),
//! cited as "VHD spec" with the name of the section, and from what `qemu-img` was seen to write.

pub mod bat;
mod compression;
pub mod content;
mod convert;
pub mod detect;
mod error;
pub mod extent;
pub mod facts;
pub mod footer;
mod format;
pub mod geometry;
mod image;
pub mod image_info;
pub mod layout;
mod map;
mod open;
pub mod path;
mod source;
mod warning;
pub mod zero;

pub use compression::Compression;
pub use content::{CONTENT_BLOCK, Content, Digest};
pub use convert::{Converted, convert};
pub use error::{Error, Result};
pub use extent::Extent;
pub use facts::{Architecture, Facts, Firmware, Generation, PartitionTable};
pub use image::{Format, Image};
pub use image_info::ImageInfo;
pub use layout::{DynamicVhd, FixedVhd, Layout, Raw};
pub use open::{OpenOptions, Progress};
pub use warning::Warning;

/// Bytes in a sector, the unit of every offset in a VHD (VHD spec, "Overview").
pub const SECTOR: u64 = 512;
/// Bytes in a mebibyte, the unit Azure wants a disk to be a whole number of.
pub const MIB: u64 = 1 << 20;
/// Bytes in a gibibyte, the unit AWS bills a snapshot by.
pub const GIB: u64 = 1 << 30;
