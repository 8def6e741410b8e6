//! Which ranges of a disk hold data, and where in the file that data is.

use crate::{Extent, Result, extent, source::Source, zero::is_zero};

/// A run of disk bytes that are stored one after the other in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// First byte on the disk.
    pub disk: u64,
    /// The file's byte that holds it.
    pub file: u64,
    /// Number of bytes, never 0.
    pub length: u64,
}

impl Run {
    fn end(&self) -> u64 {
        self.disk + self.length
    }
}

/// A sorted list of runs. What no run covers reads as zeros.
#[derive(Debug, Default)]
pub struct Map {
    runs: Vec<Run>,
    extents: Vec<Extent>,
}

impl Map {
    /// A disk that is stored in the file byte for byte: `data` are the file's ranges that are not holes.
    pub fn identity(data: &[Extent], virtual_size: u64) -> Self {
        let mut map = Self::default();
        for range in data {
            if let Some(range) = Extent::between(range.offset, range.end().min(virtual_size)) {
                map.push(Run { disk: range.offset, file: range.offset, length: range.length });
            }
        }
        map
    }

    /// Adds a run behind all others.
    pub fn push(&mut self, run: Run) {
        extent::push_joined(&mut self.extents, Extent { offset: run.disk, length: run.length });
        match self.runs.last_mut() {
            Some(last) if last.end() == run.disk && last.file + last.length == run.file => last.length += run.length,
            _ => self.runs.push(run),
        }
    }

    /// The disk ranges that are stored, sorted and joined.
    pub fn extents(&self) -> &[Extent] {
        &self.extents
    }

    /// Whether any byte from `offset` on is not zero.
    pub fn has_data_from(&self, source: &Source, offset: u64) -> Result<bool> {
        const STEP: u64 = 256 << 10;
        let mut buffer = vec![0; STEP as usize];
        let tail = Extent { offset, length: u64::MAX - offset };
        for range in self.extents.iter().filter_map(|extent| extent.intersect(&tail)) {
            let mut at = range.offset;
            while at < range.end() {
                let step = STEP.min(range.end() - at);
                let piece = &mut buffer[..step as usize];
                self.read_at(source, piece, at)?;
                if !is_zero(piece) {
                    return Ok(true);
                }
                at += step;
            }
        }
        Ok(false)
    }

    /// Forgets everything from `end` on.
    pub fn truncate(&mut self, end: u64) {
        self.runs.retain_mut(|run| {
            run.length = run.length.min(end.saturating_sub(run.disk));
            run.length > 0
        });
        self.extents.retain_mut(|extent| {
            extent.length = extent.length.min(end.saturating_sub(extent.offset));
            extent.length > 0
        });
    }

    /// Fills `buffer` with the disk's bytes from `offset`, zeros where nothing is stored.
    pub fn read_at(&self, source: &Source, buffer: &mut [u8], offset: u64) -> Result<()> {
        let end = offset.saturating_add(buffer.len() as u64);
        let first = self.runs.partition_point(|run| run.end() <= offset);
        let mut filled = offset;
        let index = |disk: u64| (disk - offset) as usize;
        for run in self.runs[first..].iter().take_while(|run| run.disk < end) {
            let (from, to) = (run.disk.max(offset), run.end().min(end));
            buffer[index(filled)..index(from)].fill(0);
            source.read_exact_at(&mut buffer[index(from)..index(to)], run.file + (from - run.disk))?;
            filled = to;
        }
        buffer[index(filled)..].fill(0);
        Ok(())
    }
}
