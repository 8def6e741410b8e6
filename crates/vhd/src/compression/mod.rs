//! Images inside zstd, gzip or xz: unpacked once, into a file that never holds zeros and that no exit leaves behind.

mod frames;
mod pipe;
mod reader;
mod spool;
mod xz;

use std::{
    fmt,
    io::{self, BufReader, Read},
};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use self::{frames::Frame, reader::Reader, spool::Spool};
use crate::{Error, Extent, OpenOptions, Result, extent::push_joined, source::Source};

/// What an image is compressed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Zstandard (RFC 8878).
    Zstd,
    /// GZIP (RFC 1952).
    Gzip,
    /// The .xz file format, version 1.2.
    Xz,
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.program())
    }
}

/// Read from the file at a time.
const INPUT: usize = 256 << 10;

impl Compression {
    /// The program that people have for it.
    pub(crate) fn program(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
            Self::Xz => "xz",
        }
    }

    /// What the file is compressed with, by its first bytes.
    pub(crate) fn of(source: &Source) -> Result<Option<Self>> {
        let head = source.read_up_to(0, 6)?;
        // A skippable frame may come first: pzstd and seekable files have them.
        let skippable = matches!(*head, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]);
        Ok(match &*head {
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstd),
            _ if skippable => Some(Self::Zstd),
            [0x1f, 0x8b, 8, ..] => Some(Self::Gzip),
            [0xfd, b'7', b'z', b'X', b'Z', 0] => Some(Self::Xz),
            _ => None,
        })
    }

    /// Unpacks `source`.
    pub(crate) fn unpack(self, source: &Source, options: &OpenOptions<'_>) -> Result<Source> {
        // What is compressed does not get smaller than this by being unpacked, zeros apart.
        let spool = Spool::create(options.spool_dir(), source)?;
        let unpacked = self.decode(source, &spool, options).and_then(|(length, extents)| {
            source.check_unchanged()?;
            if length == 0 {
                return Err(Error::Empty { path: source.path().to_owned() });
            }
            spool.finish(source.path(), length, extents)
        })?;
        match Self::of(&unpacked)? {
            None => Ok(unpacked),
            Some(inner) => Err(Error::CompressedTwice { path: source.path().to_owned(), outer: self, inner }),
        }
    }

    /// The unpacked length, and where data is in it.
    fn decode(self, source: &Source, spool: &Spool, options: &OpenOptions<'_>) -> Result<(u64, Vec<Extent>)> {
        let progress = reader::Meter::new(source.length(), options.progress);
        let whole = Extent { offset: 0, length: source.length() };
        let input = BufReader::with_capacity(INPUT, Reader::new(source, whole, &progress));
        match self {
            Self::Gzip => pipe::run(flate2::bufread::MultiGzDecoder::new(input), 0, spool, |e| self.error(source, e)),
            Self::Xz => {
                pipe::run(xz::Streams::new(input, options.memory).map_err(|e| self.error(source, e))?, 0, spool, |e| {
                    self.error(source, e)
                })
            }
            Self::Zstd => match frames::independent(source)? {
                Some(frames) => self.decode_frames(&frames, source, spool, &progress, options.memory),
                None => {
                    let decoder = zstd_decoder(input, options.memory).map_err(|e| self.error(source, e))?;
                    pipe::run(decoder, 0, spool, |e| self.error(source, e))
                }
            },
        }
    }

    /// Frames that say how long they are unpack side by side.
    fn decode_frames(
        self,
        frames: &[Frame],
        source: &Source,
        spool: &Spool,
        progress: &reader::Meter<'_>,
        memory: u64,
    ) -> Result<(u64, Vec<Extent>)> {
        // As many at a time as there is memory for. One that alone wants more is refused by its decoder.
        let widest = frames.iter().map(|frame| frame.window).max().unwrap_or(0).max(1);
        let at_once = (memory / widest).clamp(1, rayon::current_num_threads() as u64) as usize;
        let decode = |frame: &Frame| {
            let input = BufReader::with_capacity(INPUT, Reader::new(source, frame.packed, progress));
            let decoder = zstd_decoder(input, memory).map_err(|e| self.error(source, e))?;
            // One byte more than promised, so that a frame that is longer is noticed.
            let (length, extents) =
                pipe::run_here(decoder.take(frame.length + 1), frame.offset, spool, |e| self.error(source, e))?;
            if length != frame.length {
                let text = format!("the frame at byte {} unpacks to another length than it says", frame.packed.offset);
                return Err(self.error(source, io::Error::new(io::ErrorKind::InvalidData, text)));
            }
            Ok(extents)
        };
        let mut all = Vec::new();
        for some in frames.chunks(at_once) {
            for extent in some.par_iter().map(decode).collect::<Result<Vec<_>>>()?.into_iter().flatten() {
                push_joined(&mut all, extent);
            }
        }
        Ok((frames.last().map_or(0, |frame| frame.offset + frame.length), all))
    }

    fn error(self, source: &Source, error: io::Error) -> Error {
        Error::Compressed { path: source.path().to_owned(), compression: self, source: error }
    }
}

/// A decoder that refuses a window of more than `memory` bytes.
fn zstd_decoder<R: io::BufRead>(input: R, memory: u64) -> io::Result<zstd::Decoder<'static, R>> {
    let mut decoder = zstd::Decoder::with_buffer(input)?;
    decoder.window_log_max(memory.max(1024).ilog2().min(31))?;
    Ok(decoder)
}
