use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use crate::{Error, Extent, Result, extent::push_joined, source::Source, zero::data_spans};

/// What a file system allocates at least; a page of zeros of this size becomes a hole.
const PAGE: usize = 4096;

/// The file an image is unpacked into. It has no name: however the process ends, nothing is left of it.
#[derive(Debug)]
pub struct Spool {
    file: File,
    dir: PathBuf,
    /// The image, for errors.
    of: PathBuf,
}

impl Spool {
    /// A spool in `dir` for what is packed in `source`.
    ///
    /// # Errors
    /// [`Error::NoSpace`] if not even the packed bytes would fit: unpacked, zeros apart, they become no fewer. How much
    /// of an image is zeros cannot be known before, and refusing by its whole size would refuse most sparse images.
    pub fn create(dir: PathBuf, source: &Source) -> Result<Self> {
        let io = |error| Error::Output { action: "make a temporary file in", path: dir.clone(), source: error };
        let file = tempfile::tempfile_in(&dir).map_err(io)?;
        let spool = Self { file, dir, of: source.path().to_owned() };
        let available = spool.available();
        if available < source.length() { Err(spool.no_space(available, source.length())) } else { Ok(spool) }
    }

    /// Writes `bytes` at `offset`, zeros left out, and adds what was written to `extents`.
    pub fn write_at(&self, bytes: &[u8], offset: u64, extents: &mut Vec<Extent>) -> Result<()> {
        for span in data_spans(bytes, PAGE, 0) {
            let range = span.offset as usize..span.end() as usize;
            self.file.write_all_at(&bytes[range], offset + span.offset).map_err(|error| match error.kind() {
                io::ErrorKind::StorageFull => self.no_space(self.available(), span.length),
                _ => Error::Output { action: "write a temporary file in", path: self.dir.clone(), source: error },
            })?;
            push_joined(extents, Extent { offset: offset + span.offset, length: span.length });
        }
        Ok(())
    }

    /// The unpacked image.
    pub fn finish(self, path: &Path, length: u64, extents: Vec<Extent>) -> Result<Source> {
        let io = |error| Error::Output { action: "write a temporary file in", path: self.dir.clone(), source: error };
        self.file.set_len(length).map_err(io)?;
        Source::unpacked(self.file, path, length, extents)
    }

    fn available(&self) -> u64 {
        // A file system that cannot tell is taken to have room; a write then says if it has none.
        rustix::fs::fstatvfs(&self.file).map_or(u64::MAX, |fs| fs.f_bavail.saturating_mul(fs.f_frsize))
    }

    fn no_space(&self, available: u64, needed: u64) -> Error {
        Error::NoSpace { dir: self.dir.clone(), image: self.of.clone(), available, needed }
    }
}
