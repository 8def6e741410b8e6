use std::{
    fmt,
    io::{self, Read},
    sync::atomic::{AtomicU64, Ordering},
};

use crate::{Extent, Progress, source::Source};

/// Counts what was read of a file, and says so.
pub struct Meter<'a> {
    done: AtomicU64,
    total: u64,
    report: Option<&'a (dyn Fn(Progress) + Sync)>,
}

impl<'a> Meter<'a> {
    pub fn new(total: u64, report: Option<&'a (dyn Fn(Progress) + Sync)>) -> Self {
        Self { done: AtomicU64::new(0), total, report }
    }

    pub fn add(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if let Some(report) = self.report {
            report(Progress { done, total: self.total });
        }
    }
}

impl fmt::Debug for Meter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meter").field("done", &self.done).field("total", &self.total).finish_non_exhaustive()
    }
}

/// A part of a file as the standard trait that decoders read from.
pub struct Reader<'a> {
    source: &'a Source,
    left: Extent,
    meter: &'a Meter<'a>,
}

impl<'a> Reader<'a> {
    pub fn new(source: &'a Source, range: Extent, meter: &'a Meter<'a>) -> Self {
        Self { source, left: range, meter }
    }
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = self.left.length.min(buffer.len() as u64);
        self.source.read_exact_at(&mut buffer[..wanted as usize], self.left.offset).map_err(io::Error::other)?;
        self.left = Extent { offset: self.left.offset + wanted, length: self.left.length - wanted };
        self.meter.add(wanted);
        Ok(wanted as usize)
    }
}
