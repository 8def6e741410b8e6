//! A disk's bytes in a sparse file, with a record of what was ever written.

use std::{
    collections::BTreeMap,
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use vhd::Extent;

/// A disk's bytes.
#[derive(Debug)]
pub struct Content {
    file: File,
    path: PathBuf,
    length: u64,
    /// Where each written range starts, and where it ends; joined.
    written: Mutex<BTreeMap<u64, u64>>,
}

impl Content {
    /// An empty disk of `length` bytes in a new file.
    pub fn create(dir: &Path, length: u64) -> io::Result<Self> {
        let path = dir.join(crate::ids::random());
        let file = File::options().read(true).write(true).create_new(true).open(&path)?;
        file.set_len(length)?;
        Ok(Self { file, path, length, written: Mutex::default() })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn length(&self) -> u64 {
        self.length
    }

    /// Writes; blocks of zeros stay holes.
    pub fn write(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        for (index, piece) in bytes.chunks(4096).enumerate() {
            let at = offset + index as u64 * 4096;
            if !vhd::zero::is_zero(piece) || self.was_written(at, piece.len() as u64) {
                self.file.write_all_at(piece, at)?;
            }
        }
        self.mark(offset, offset + bytes.len() as u64);
        Ok(())
    }

    /// Writes the end of `start..end`, and records all of it as written.
    pub fn write_end(&self, bytes: &[u8], start: u64, end: u64) -> io::Result<()> {
        self.write(bytes, end - bytes.len() as u64)?;
        self.mark(start, end);
        Ok(())
    }

    /// Makes a range read as zeros, and as never written.
    pub fn clear(&self, offset: u64, length: u64) -> io::Result<()> {
        let zeros = vec![0; 1 << 20];
        let mut at = offset;
        while at < offset + length {
            let step = (offset + length - at).min(zeros.len() as u64);
            if self.was_written(at, step) {
                self.file.write_all_at(&zeros[..step as usize], at)?;
            }
            at += step;
        }
        self.unmark(offset, offset + length);
        Ok(())
    }

    pub fn read(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }

    /// What was written and not cleared, sorted and joined.
    pub fn written(&self) -> Vec<Extent> {
        self.lock().iter().filter_map(|(start, end)| Extent::between(*start, *end)).collect()
    }

    fn was_written(&self, offset: u64, length: u64) -> bool {
        self.lock().range(..offset + length).next_back().is_some_and(|(_, end)| *end > offset)
    }

    fn mark(&self, mut start: u64, mut end: u64) {
        let mut written = self.lock();
        while let Some((first, last)) = written.range(..=end).next_back().map(|(s, e)| (*s, *e)) {
            if last < start {
                break;
            }
            written.remove(&first);
            (start, end) = (start.min(first), end.max(last));
        }
        written.insert(start, end);
    }

    fn unmark(&self, start: u64, end: u64) {
        let mut written = self.lock();
        while let Some((first, last)) = written.range(..end).next_back().map(|(s, e)| (*s, *e)) {
            if last <= start {
                break;
            }
            written.remove(&first);
            if first < start {
                written.insert(first, start);
            }
            if last > end {
                written.insert(end, last);
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, u64>> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Content {
    fn drop(&mut self) {
        // Nobody refers to this disk any more. That its file stays if this fails, harms nothing.
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_ranges_are_joined_and_cleared() {
        let dir = tempfile::tempdir().unwrap();
        let content = Content::create(dir.path(), 1 << 20).unwrap();
        let ranges = || content.written().iter().map(|e| (e.offset, e.end())).collect::<Vec<_>>();
        content.write(&[1; 512], 0).unwrap();
        content.write(&[1; 512], 1024).unwrap();
        assert_eq!(ranges(), [(0, 512), (1024, 1536)]);
        content.write(&[2; 512], 512).unwrap();
        assert_eq!(ranges(), [(0, 1536)]);
        content.clear(512, 512).unwrap();
        assert_eq!(ranges(), [(0, 512), (1024, 1536)]);
        assert_eq!(content.read(512, 512).unwrap(), [0; 512]);
        content.clear(0, 1 << 20).unwrap();
        assert_eq!(ranges(), []);
        assert_eq!(content.read(0, 2048).unwrap(), [0; 2048]);
    }

    #[test]
    fn zeros_overwrite_data() {
        let dir = tempfile::tempdir().unwrap();
        let content = Content::create(dir.path(), 8192).unwrap();
        content.write(&[1; 8192], 0).unwrap();
        content.write(&[0; 4096], 4096).unwrap();
        assert_eq!(content.read(4096, 4096).unwrap(), [0; 4096]);
    }
}
