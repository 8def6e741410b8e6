use std::{
    env, fmt,
    path::{Path, PathBuf},
};

use crate::{
    Error, Format, Image, Result, SECTOR, Warning,
    compression::Compression,
    detect::{self, Found},
    footer::{DiskType, Footer},
    format::{dynamic::Dynamic, fixed, raw},
    geometry,
    map::Map,
    source::Source,
};

/// How far a long operation on a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that are done.
    pub done: u64,
    /// Bytes in all.
    pub total: u64,
}

/// How an image is opened: the defaults are right for an image that is whole and not compressed.
#[derive(Clone)]
pub struct OpenOptions<'a> {
    spool_dir: Option<PathBuf>,
    pub(crate) memory: u64,
    repair: bool,
    pub(crate) progress: Option<&'a (dyn Fn(Progress) + Sync)>,
}

impl fmt::Debug for OpenOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { spool_dir, memory, repair, progress } = self;
        f.debug_struct("OpenOptions")
            .field("spool_dir", spool_dir)
            .field("memory", memory)
            .field("repair", repair)
            .field("progress", &progress.is_some())
            .finish()
    }
}

impl Default for OpenOptions<'_> {
    fn default() -> Self {
        // What `zstd --ultra -22` and `xz -9` need to be unpacked, and two blocks of `xz -6 -T2`.
        Self { spool_dir: None, memory: 192 << 20, repair: false, progress: None }
    }
}

impl<'a> OpenOptions<'a> {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Where a compressed image is unpacked: into a file without a name, which takes as much room as the image has data.
    /// Without this, the directory is `$TMPDIR`, or else `/var/tmp`, the one that is meant for large files.
    #[must_use]
    pub fn spool_in(self, dir: Option<PathBuf>) -> Self {
        Self { spool_dir: dir, ..self }
    }

    /// How much memory unpacking may take, in bytes.
    #[must_use]
    pub fn memory(self, bytes: u64) -> Self {
        Self { memory: bytes, ..self }
    }

    /// Reads a VHD that bytes were appended to as the disk it was meant to be: what follows the footer is left out if it
    /// is zeros in no partition, and is the rest of the disk otherwise.
    #[must_use]
    pub fn repair(self, repair: bool) -> Self {
        Self { repair, ..self }
    }

    /// Who is told how much of a compressed image has been read. Called from several threads.
    #[must_use]
    pub fn progress(self, report: &'a (dyn Fn(Progress) + Sync)) -> Self {
        Self { progress: Some(report), ..self }
    }

    /// Opens an image, whatever its name. Reads its structure; and its data only as far as it is compressed, or as that
    /// decides where the disk ends.
    ///
    /// # Errors
    /// Every way in which the file is not a disk that can be published; see [`Error`].
    pub fn open(&self, path: impl AsRef<Path>) -> Result<Image> {
        let file = Source::open(path.as_ref())?;
        let file_size = file.length();
        let compression = Compression::of(&file)?;
        let source = match compression {
            Some(compression) => compression.unpack(&file, self)?,
            None => file,
        };
        let mut warnings = Vec::new();
        let found = detect::detect(&source, &mut warnings).map_err(|error| error.inside(compression))?;
        let mut image = match found {
            Found::Raw => {
                let (size, map) = raw::open(&source)?;
                Image::new(source, Format::Raw, None, size, map)
            }
            Found::Fixed { footer, end } => open_fixed(source, footer, end)?,
            Found::Dynamic { footer, end } => open_dynamic(source, footer, end, true)?,
            Found::Unfinished { footer } => {
                let end = source.length();
                open_dynamic(source, footer, end, false)?
            }
            Found::Buried { footer, at } if self.repair => open_repaired(source, footer, at)?,
            Found::Buried { at, .. } => {
                let trailing = source.length() - at - SECTOR;
                return Err(Error::TrailingBytes { path: source.path().to_owned(), footer: at, trailing });
            }
        };
        image.file_size = file_size;
        image.compression = compression;
        image.warnings.splice(0..0, warnings);
        Ok(image)
    }

    /// Where a compressed image is unpacked.
    pub(crate) fn spool_dir(&self) -> PathBuf {
        let large = || Some(PathBuf::from("/var/tmp")).filter(|dir| dir.is_dir());
        let set = || env::var_os("TMPDIR").filter(|dir| !dir.is_empty()).map(PathBuf::from);
        self.spool_dir.clone().or_else(set).or_else(large).unwrap_or_else(env::temp_dir)
    }
}

fn open_fixed(source: Source, footer: Footer, end: u64) -> Result<Image> {
    let (size, map) = fixed::open(&source, &footer, end)?;
    by_creator(Image::new(source, Format::FixedVhd, Some(footer), size, map))
}

fn open_dynamic(source: Source, footer: Footer, end: u64, finished: bool) -> Result<Image> {
    let (size, map) = Dynamic { source: &source, footer: &footer, end, finished }.open()?;
    by_creator(Image::new(source, Format::DynamicVhd, Some(footer), size, map))
}

/// Gives an image, which has the larger of its footer's two sizes, the one that its creator gave it.
fn by_creator(mut image: Image) -> Result<Image> {
    let Some(footer) = image.footer() else { return Ok(image) };
    let Some(geometry) = geometry::stated_size(footer) else { return Ok(image) };
    let (creator, current) = (footer.creator_application.escape_ascii().to_string(), footer.current_size);
    let size = geometry::size(footer);
    image.cut_to(size)?;
    let taken = image.virtual_size();
    image.warnings.push(Warning::Sizes { creator, geometry, current, taken });
    Ok(image)
}

/// A VHD with bytes behind its footer, which is at byte `at`, as the disk it was meant to be.
fn open_repaired(source: Source, footer: Footer, at: u64) -> Result<Image> {
    let trailing = source.length() - at - SECTOR;
    let (mut image, kept) = match footer.disk_type {
        // Grown as if it were a raw disk (nixpkgs #516860), and perhaps partitioned anew.
        DiskType::Fixed => {
            let (size, map) = fixed::open_grown(&source, at)?;
            let mut image = Image::new(source, Format::FixedVhd, Some(footer), size, map);
            let kept = !image.cut_to(at)?;
            (image, kept)
        }
        // A block lies where the table says; nothing else in the file can be part of the disk.
        DiskType::Dynamic => {
            if Map::identity(&source.data()?, source.length()).has_data_from(&source, at + SECTOR)? {
                return Err(Error::TrailingData { path: source.path().to_owned(), footer: at, trailing });
            }
            (open_dynamic(source, footer, at, true)?, false)
        }
        DiskType::Differencing => return Err(Error::Differencing { path: source.path().to_owned() }),
    };
    image.warnings.push(Warning::Repaired { footer: at, trailing, kept });
    Ok(image)
}
