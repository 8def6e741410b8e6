//! The file under an image: positional reads, and which of its ranges are not holes.

use std::{
    fs::File,
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
};

use rustix::{fs::SeekFrom, io::Errno};

use crate::{Error, Extent, Result, extent::push_joined};

/// A regular file, open for reading.
#[derive(Debug)]
pub struct Source {
    file: File,
    path: PathBuf,
    length: u64,
    modified: (i64, i64),
    /// The ranges that hold data, where whoever wrote the file knows them.
    known: Option<Vec<Extent>>,
}

impl Source {
    /// Opens `path`, which has to be a regular file with at least one byte.
    pub fn open(path: &Path) -> Result<Self> {
        let io = |action| move |source| Error::Io { action, path: path.to_owned(), source };
        let metadata = std::fs::metadata(path).map_err(io("open"))?;
        // Looked at before opening: opening a FIFO for reading would wait for a writer for ever.
        if metadata.is_dir() {
            return Err(Error::NotAFile { path: path.to_owned(), what: "a directory" });
        }
        if !metadata.is_file() {
            return Err(Error::NotAFile { path: path.to_owned(), what: "a device, a pipe or a socket" });
        }
        let file = File::open(path).map_err(io("open"))?;
        let metadata = file.metadata().map_err(io("read the size of"))?;
        let length = metadata.len();
        if length == 0 {
            return Err(Error::Empty { path: path.to_owned() });
        }
        let modified = (metadata.mtime(), metadata.mtime_nsec());
        Ok(Self { file, path: path.to_owned(), length, modified, known: None })
    }

    /// What was unpacked from `path` into `file`, whose data is in `extents`.
    pub fn unpacked(file: File, path: &Path, length: u64, extents: Vec<Extent>) -> Result<Self> {
        let io = |source| Error::Io { action: "unpack", path: path.to_owned(), source };
        let metadata = file.metadata().map_err(io)?;
        let modified = (metadata.mtime(), metadata.mtime_nsec());
        Ok(Self { file, path: path.to_owned(), length, modified, known: Some(extents) })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn length(&self) -> u64 {
        self.length
    }

    /// Fills `buffer` from `offset`; an end of file inside it is an error.
    pub fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
        self.file.read_exact_at(buffer, offset).map_err(|source| {
            let path = self.path.clone();
            // All that is asked for was there when the file was opened.
            let is_shorter =
                source.kind() == std::io::ErrorKind::UnexpectedEof && offset + buffer.len() as u64 <= self.length;
            if is_shorter { Error::Changed { path } } else { Error::Io { action: "read", path, source } }
        })
    }

    /// As many bytes as the file has from `offset`, at most `length`.
    pub fn read_up_to(&self, offset: u64, length: usize) -> Result<Vec<u8>> {
        let available = self.length.saturating_sub(offset).min(length as u64);
        let mut bytes = vec![0; usize::try_from(available).unwrap_or(length)];
        self.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }

    /// The ranges of the file that are not holes, sorted. A file system that cannot tell is taken to have none.
    pub fn data(&self) -> Result<Vec<Extent>> {
        if let Some(known) = &self.known {
            return Ok(known.clone());
        }
        let mut ranges = Vec::new();
        let mut at = 0;
        while at < self.length {
            let start = match rustix::fs::seek(&self.file, SeekFrom::Data(at)) {
                Ok(start) => start,
                Err(Errno::NXIO) => break,
                Err(Errno::INVAL | Errno::NOTSUP) => return Ok(Extent::between(0, self.length).into_iter().collect()),
                Err(error) => return Err(self.seek_error(error)),
            };
            let end = rustix::fs::seek(&self.file, SeekFrom::Hole(start)).map_err(|e| self.seek_error(e))?;
            // The file may have grown since it was measured; what was appended is not part of the image.
            let Some(range) = Extent::between(start, end.min(self.length)) else { break };
            push_joined(&mut ranges, range);
            at = end;
        }
        Ok(ranges)
    }

    /// That the file is as long and as old as it was when it was opened.
    pub fn check_unchanged(&self) -> Result<()> {
        let io = |source| Error::Io { action: "look again at", path: self.path.clone(), source };
        let now = self.file.metadata().map_err(io)?;
        if (now.len(), now.mtime(), now.mtime_nsec()) == (self.length, self.modified.0, self.modified.1) {
            return Ok(());
        }
        Err(Error::Changed { path: self.path.clone() })
    }

    fn seek_error(&self, error: Errno) -> Error {
        Error::Io { action: "find the data of", path: self.path.clone(), source: error.into() }
    }
}
