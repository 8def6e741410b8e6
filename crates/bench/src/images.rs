//! The images: 1.2 GiB of data that does not compress, in pieces of 4 KiB to 64 MiB, among holes of all sizes, as a disk that a
//! system was installed on has it. The same each time.

use std::{
    fs::File,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use fastrand::Rng;
use vhd::{Extent, FixedVhd, Image, Layout};

use crate::Result;

const PAGE: u64 = 4 << 10;
const LONGEST: u64 = 64 << 20;
const DATA: u64 = (12 << 30) / 10;
/// Holes longer than this grow with the disk: files lie as close together on a large disk as on a small one.
const SCATTERED: u64 = 1 << 20;
/// The disk on which the holes are as they are drawn.
const SMALL: u64 = 4 << 30;

/// How an image is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Raw,
    Fixed,
    /// A fixed VHD whose zeros are stored: no hole tells where they are.
    FixedFull,
    Dynamic,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Fixed => "fixed",
            Self::FixedFull => "fixed, zeros stored",
            Self::Dynamic => "dynamic",
        }
    }
}

/// An image, made when it is first asked for.
pub fn image(dir: &Path, kind: Kind, gib: u64) -> Result<PathBuf> {
    let suffix = match kind {
        Kind::Raw => "raw",
        Kind::Fixed => "fixed.vhd",
        Kind::FixedFull => "full.vhd",
        Kind::Dynamic => "dynamic.vhd",
    };
    let path = dir.join(format!("{gib}.{suffix}"));
    if path.exists() {
        return Ok(path);
    }
    std::fs::create_dir_all(dir)?;
    let partial = path.with_extension("partial");
    match kind {
        Kind::Raw => write_raw(&partial, gib << 30)?,
        _ => {
            let raw = Arc::new(Image::open(image(dir, Kind::Raw, gib)?)?);
            let size = raw.virtual_size();
            let layout: Arc<dyn Layout> = match kind {
                Kind::Dynamic => Arc::new(vhd::DynamicVhd::new(raw, size)?),
                _ => Arc::new(FixedVhd::new(raw, size)?),
            };
            write(&*layout, &partial, kind == Kind::FixedFull)?;
        }
    }
    std::fs::rename(&partial, &path)?;
    Ok(path)
}

fn write_raw(path: &Path, size: u64) -> Result<()> {
    let file = File::create(path)?;
    file.set_len(size)?;
    let mut noise = Rng::with_seed(1);
    let mut bytes = vec![0; LONGEST as usize];
    for extent in extents(size) {
        let piece = &mut bytes[..extent.length as usize];
        noise.fill(piece);
        file.write_all_at(piece, extent.offset)?;
    }
    file.sync_all()?;
    Ok(())
}

/// Where the data lies on a disk of `size` bytes.
fn extents(size: u64) -> Vec<Extent> {
    let mut rng = Rng::with_seed(7);
    let mut drawn = Vec::new();
    let mut left = DATA;
    while left > 0 {
        let length = heavy_tailed(&mut rng, 0.68).min(left);
        drawn.push((heavy_tailed(&mut rng, 0.55), length));
        left -= length;
    }
    let holes =
        |long: bool| drawn.iter().map(|(hole, _)| *hole).filter(|hole| (*hole > SCATTERED) == long).sum::<u64>();
    // A hundredth of the disk stays free behind the last piece.
    let room = |size: u64| (size - size / 100 - DATA - holes(false)) as f64;
    let stretch =
        if size == SMALL { 1.0_f64.min(room(size) / holes(true) as f64) } else { room(size) / holes(true) as f64 };
    let mut at = 0;
    let place = |(hole, length): &(u64, u64)| {
        let hole = if *hole > SCATTERED { (*hole as f64 * stretch) as u64 / PAGE * PAGE } else { *hole };
        let extent = Extent { offset: at + hole, length: *length };
        at = extent.end();
        extent
    };
    drawn.iter().map(place).collect()
}

/// A length whose distribution is a truncated Pareto's, in whole pages.
fn heavy_tailed(rng: &mut Rng, shape: f64) -> u64 {
    let (least, most) = (PAGE as f64, LONGEST as f64);
    let length = least * (1.0 - rng.f64() * (1.0 - (least / most).powf(shape))).powf(-1.0 / shape);
    (length as u64 / PAGE * PAGE).max(PAGE)
}

/// Writes a layout to a file: its data alone, or all of it.
fn write(layout: &dyn Layout, path: &Path, everything: bool) -> Result<()> {
    let file = File::create(path)?;
    file.set_len(layout.length())?;
    let whole = [Extent { offset: 0, length: layout.length() }];
    let extents = if everything { &whole } else { layout.extents() };
    let mut bytes = vec![0; 4 << 20];
    for piece in vhd::extent::split(extents, bytes.len() as u64) {
        let bytes = &mut bytes[..piece.length as usize];
        layout.read_at(bytes, piece.offset)?;
        if everything {
            file.write_all_at(bytes, piece.offset)?;
            continue;
        }
        for (page, at) in bytes.chunks(PAGE as usize).zip((piece.offset..).step_by(PAGE as usize)) {
            if !vhd::zero::is_zero(page) {
                file.write_all_at(page, at)?;
            }
        }
    }
    file.sync_all()?;
    Ok(())
}
