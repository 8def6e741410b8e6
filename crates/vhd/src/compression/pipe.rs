//! From a decoder into the spool.

use std::{io::Read, sync::mpsc, thread};

use super::spool::Spool;
use crate::{Error, Extent, Result};

/// Unpacked at a time.
const STEP: usize = 1 << 20;
/// Buffers under way between the two threads.
const DEPTH: usize = 4;

/// Unpacks all that `decoder` gives, to `offset` of the spool, and gives its length and where data is in it. Zeros are
/// found and the rest is written on a second thread, because decoding alone takes all of one.
pub fn run(
    decoder: impl Read,
    offset: u64,
    spool: &Spool,
    damaged: impl Fn(std::io::Error) -> Error,
) -> Result<(u64, Vec<Extent>)> {
    let (full, filled) = mpsc::sync_channel::<(u64, Vec<u8>)>(DEPTH);
    let (empty, emptied) = mpsc::channel();
    for _ in 0..DEPTH {
        // Both ends are alive.
        let _ = empty.send(vec![0; STEP]);
    }
    thread::scope(|scope| {
        let writer = scope.spawn(move || {
            let mut extents = Vec::new();
            for (at, bytes) in filled {
                spool.write_at(&bytes, at, &mut extents)?;
                // At the end nobody wants it back.
                let _ = empty.send(bytes);
            }
            Ok(extents)
        });
        let decoded =
            decode(decoder, offset, damaged, || emptied.recv().ok(), |at, bytes| full.send((at, bytes)).is_ok());
        drop(full);
        // A write that failed ends the decoding early, and is what went wrong.
        let extents = writer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        Ok((decoded?, extents))
    })
}

/// The same on this thread alone, for callers that are one of many.
pub fn run_here(
    decoder: impl Read,
    offset: u64,
    spool: &Spool,
    damaged: impl Fn(std::io::Error) -> Error,
) -> Result<(u64, Vec<Extent>)> {
    let mut extents = Vec::new();
    let mut decoder = decoder;
    let mut buffer = vec![0; STEP];
    let mut length = 0;
    loop {
        let read = fill(&mut decoder, &mut buffer).map_err(&damaged)?;
        spool.write_at(&buffer[..read], offset + length, &mut extents)?;
        length += read as u64;
        if read < STEP {
            return Ok((length, extents));
        }
    }
}

/// Decodes into buffers that `take` gives, and hands each to `give`, until either has no more.
fn decode(
    mut decoder: impl Read,
    offset: u64,
    damaged: impl Fn(std::io::Error) -> Error,
    take: impl Fn() -> Option<Vec<u8>>,
    give: impl Fn(u64, Vec<u8>) -> bool,
) -> Result<u64> {
    let mut length = 0;
    while let Some(mut buffer) = take() {
        buffer.resize(STEP, 0);
        let read = fill(&mut decoder, &mut buffer).map_err(&damaged)?;
        buffer.truncate(read);
        if !give(offset + length, buffer) {
            break;
        }
        length += read as u64;
        if read < STEP {
            break;
        }
    }
    Ok(length)
}

/// Reads until the buffer is full or there is no more.
fn fill(decoder: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match decoder.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
