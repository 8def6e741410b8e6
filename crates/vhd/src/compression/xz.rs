use std::{
    io::{self, BufRead, Read},
    thread,
};

use liblzma::{
    bufread::XzDecoder,
    stream::{MtStreamBuilder, Stream},
};

/// The streams of an .xz file, one after the other. The blocks of a stream are unpacked side by side as far as `memory`
/// allows: `xz -T` writes blocks, and a stream of one block unpacks on one thread.
pub struct Streams<R> {
    /// None once there are no more.
    current: Option<XzDecoder<R>>,
    memory: u64,
}

impl<R: BufRead> Streams<R> {
    /// `input` has to begin with a stream.
    pub fn new(input: R, memory: u64) -> io::Result<Self> {
        Ok(Self { current: Some(XzDecoder::new_stream(input, stream(memory)?)), memory })
    }

    /// The stream behind the one that has ended, if there is one. Streams may be padded with zeros (.xz file format,
    /// section 2.2).
    fn next(&self, mut input: R) -> io::Result<Option<XzDecoder<R>>> {
        loop {
            let rest = input.fill_buf()?;
            let zeros = rest.iter().take_while(|byte| **byte == 0).count();
            let (more, all) = (zeros < rest.len(), rest.is_empty());
            input.consume(zeros);
            if all {
                return Ok(None);
            }
            if more {
                return Ok(Some(XzDecoder::new_stream(input, stream(self.memory)?)));
            }
        }
    }
}

impl<R: BufRead> Read for Streams<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(decoder) = &mut self.current {
            let read = decoder.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let ended = self.current.take().map(XzDecoder::into_inner);
            self.current = ended.map(|input| self.next(input)).transpose()?.flatten();
        }
        Ok(0)
    }
}

/// A decoder that takes as many threads as fit in `memory`, and refuses a file that needs more for one.
fn stream(memory: u64) -> io::Result<Stream> {
    let threads = thread::available_parallelism().map_or(1, |threads| threads.get() as u32);
    Ok(MtStreamBuilder::new().threads(threads).memlimit_threading(memory).memlimit_stop(memory).decoder()?)
}
