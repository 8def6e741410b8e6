use std::{
    fmt,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use serde::{Deserialize, Serialize};

use crate::{
    CONTENT_BLOCK, Compression, Content, Error, Extent, Facts, OpenOptions, Result, Warning, content::Outline,
    footer::Footer, map::Map, source::Source,
};

/// How a disk is stored in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Byte for byte.
    Raw,
    /// Byte for byte with a VHD footer behind.
    FixedVhd,
    /// Blocks that a table points at.
    DynamicVhd,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Raw => "raw",
            Self::FixedVhd => "fixed-vhd",
            Self::DynamicVhd => "dynamic-vhd",
        })
    }
}

/// A disk image, open for reading from many threads.
#[derive(Debug)]
pub struct Image {
    source: Source,
    format: Format,
    footer: Option<Footer>,
    virtual_size: u64,
    map: Map,
    pub(crate) file_size: u64,
    pub(crate) compression: Option<Compression>,
    pub(crate) warnings: Vec<Warning>,
    content: OnceLock<Content>,
    outline: OnceLock<Outline>,
    facts: OnceLock<Facts>,
}

impl Image {
    /// Opens an image with the default [`OpenOptions`].
    ///
    /// # Errors
    /// Every way in which the file is not a disk that can be published; see [`Error`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        OpenOptions::new().open(path)
    }

    pub(crate) fn new(source: Source, format: Format, footer: Option<Footer>, virtual_size: u64, map: Map) -> Self {
        Self {
            file_size: source.length(),
            source,
            format,
            footer,
            virtual_size,
            map,
            compression: None,
            warnings: Vec::new(),
            content: OnceLock::new(),
            outline: OnceLock::new(),
            facts: OnceLock::new(),
        }
    }

    /// Makes the disk end at byte `end`, unless data or a partition lies behind; whether it does now.
    pub(crate) fn cut_to(&mut self, end: u64) -> Result<bool> {
        if self.virtual_size <= end {
            return Ok(true);
        }
        if self.map.has_data_from(&self.source, end)? || Facts::read(self)?.partitions_end > end {
            return Ok(false);
        }
        self.map.truncate(end);
        self.virtual_size = end;
        Ok(true)
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.source.path().to_owned()
    }

    /// How the disk is stored, in what a compressed file unpacks to.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// The VHD footer, where there is one.
    #[must_use]
    pub fn footer(&self) -> Option<&Footer> {
        self.footer.as_ref()
    }

    /// What the file is compressed with.
    #[must_use]
    pub fn compression(&self) -> Option<Compression> {
        self.compression
    }

    /// What is not as it should be in the file, and did not keep the disk from being read.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Size of the file in bytes, compressed if it is.
    #[must_use]
    pub fn file_size(&self) -> u64 {
        self.file_size
    }

    /// Size of the disk in bytes, a multiple of 512.
    #[must_use]
    pub fn virtual_size(&self) -> u64 {
        self.virtual_size
    }

    /// The disk ranges that are stored, sorted; everything else reads as zeros. What is stored may be zeros too.
    #[must_use]
    pub fn extents(&self) -> &[Extent] {
        self.map.extents()
    }

    /// Fills `buffer` with the disk's bytes from `offset`; past the end of the disk there are zeros.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read, or is shorter than it was.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
        self.map.read_at(&self.source, buffer, offset)
    }

    /// That the file has not been written to since it was opened, as far as its length and time of modification tell.
    ///
    /// # Errors
    /// [`Error::Changed`] if it has.
    pub fn check_unchanged(&self) -> Result<()> {
        self.source.check_unchanged()
    }

    /// That bytes of the disk which were read from `offset` are what they were when the content was found: every whole block of
    /// it that lies in them. What is not known yet is not compared.
    pub(crate) fn check_content(&self, bytes: &[u8], offset: u64) -> Result<()> {
        let Some(content) = self.content.get() else { return Ok(()) };
        let first = offset.next_multiple_of(CONTENT_BLOCK);
        let blocks =
            bytes.get((first - offset) as usize..).unwrap_or_default().as_chunks::<{ CONTENT_BLOCK as usize }>().0;
        for (index, block) in (first / CONTENT_BLOCK..).zip(blocks) {
            if !content.holds(index as u32, block) {
                return Err(Error::Changed { path: self.path() });
            }
        }
        Ok(())
    }

    /// The content of the disk: its non-zero blocks, their hashes and its digest. Computed on the first call, in one
    /// pass over the stored data on all cores; blocks until then.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read.
    pub fn content(&self) -> Result<&Content> {
        if self.content.get().is_none() {
            let content = Content::scan(self)?;
            return Ok(self.content.get_or_init(|| content));
        }
        Ok(self.content.get_or_init(Content::default))
    }

    /// Where the data is, and an identity of it. Computed on the first call, in one pass; from the content if that is known.
    pub(crate) fn outline(&self) -> Result<&Outline> {
        if self.outline.get().is_none() {
            let outline = match self.content.get() {
                Some(content) => Outline::of(content),
                None => Outline::scan(self)?,
            };
            return Ok(self.outline.get_or_init(|| outline));
        }
        Ok(self.outline.get_or_init(Outline::default))
    }

    /// Whether [`outline`](Self::outline) costs nothing.
    pub(crate) fn has_outline(&self) -> bool {
        self.content.get().is_some() || self.outline.get().is_some()
    }

    /// What is on the disk, as far as a cloud has to know it. Computed on the first call; reads a few kilobytes.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read.
    pub fn facts(&self) -> Result<&Facts> {
        if self.facts.get().is_none() {
            let facts = Facts::read(self)?;
            return Ok(self.facts.get_or_init(|| facts));
        }
        Ok(self.facts.get_or_init(Facts::default))
    }
}
