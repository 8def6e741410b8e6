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
//! An image inside zstd, gzip or xz is unpacked first, into a sparse file without a name ([`OpenOptions`]). What is not as
//! it should be in a file and did not keep the disk from being read is a [`Warning`]; everything else is an [`Error`] that
//! names the field and its value. [`convert()`] writes a layout to disk.
//!
//! Format facts come from Microsoft's *Virtual Hard Disk Image Format Specification*, version 1.0 (October 2006),
//! cited as "VHD spec" with the name of the section, and from what `qemu-img` was seen to write.
//!
//! # Speed
//!
//! `just bench-loops` on two cores of an AMD EPYC with SHA extensions, an image of 1 GiB of data in 4 GiB, GiB of data
//! a second (2026-11). In memory:
//!
//! | | this crate | beside it |
//! |---|---|---|
//! | finding zeros, in the cache, one thread | 50 | |
//! | reading raw / fixed / dynamic, one thread | 6.7 / 7.7 / 7.7 | |
//! | digest of raw / fixed / dynamic, opened anew | 1.5 / 1.6 / 1.6 | `sha256sum` of the raw disk: 0.04, as it reads the holes too |
//! | dynamic to fixed | 0.80 | `qemu-img convert`: 0.56 |
//! | fixed to dynamic | 0.75 | `qemu-img convert`: 0.57 |
//! | dynamic to raw | 0.91 | `qemu-img convert`: 0.58 |
//!
//! On a disk of 0.5 to 0.9 GiB a second a conversion takes as long as the disk does, because it ends when its result is on
//! it: dynamic to fixed 2.5 s, `qemu-img convert -t writeback`, which waits too, 2.4 s, and `qemu-img convert` without
//! waiting 1.8 s.

pub mod bat;
mod compression;
pub mod content;
mod convert;
pub mod crc;
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
pub use convert::{Converted, check_output, convert};
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
