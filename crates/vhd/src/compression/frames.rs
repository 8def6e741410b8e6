//! Where the frames of a zstd file are (RFC 8878, section 3.1), found without unpacking any.

use crate::{Extent, Result, source::Source};

/// A frame that says how long its content is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The frame in the file.
    pub packed: Extent,
    /// Where its content begins, in what the whole file unpacks to.
    pub offset: u64,
    /// Length of its content in bytes.
    pub length: u64,
}

/// More frames than this are not worth a list of them: the file is unpacked from one end to the other.
const MOST: usize = 1 << 16;
/// A frame header is not longer than this (RFC 8878, section 3.1.1.1).
const HEADER: usize = 18;

/// The frames, if there are several and each says how long its content is; then they can be unpacked side by side.
/// None for a file that is damaged as well: the decoder says better in which way.
pub fn independent(source: &Source) -> Result<Option<Vec<Frame>>> {
    let (mut frames, mut at, mut offset) = (Vec::new(), 0, 0_u64);
    while at < source.length() {
        let head = source.read_up_to(at, HEADER)?;
        let length = match &*head {
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, size @ ..] => match size.first_chunk() {
                Some(size) => 8 + u64::from(u32::from_le_bytes(*size)),
                None => return Ok(None),
            },
            [0x28, 0xb5, 0x2f, 0xfd, rest @ ..] => {
                let Some(header) = Header::parse(rest) else { return Ok(None) };
                let (Some(content), Some(end)) = (header.content, end_of_blocks(source, at + 4 + header.length)?)
                else {
                    return Ok(None);
                };
                let length = end + if header.checksum { 4 } else { 0 } - at;
                let Some(next) = offset.checked_add(content).filter(|_| frames.len() < MOST) else { return Ok(None) };
                frames.push(Frame { packed: Extent { offset: at, length }, offset, length: content });
                offset = next;
                length
            }
            _ => return Ok(None),
        };
        at += length;
    }
    Ok((at == source.length() && frames.len() > 1).then_some(frames))
}

/// What matters of a frame's header.
struct Header {
    /// Its length, the magic number not counted.
    length: u64,
    content: Option<u64>,
    checksum: bool,
}

impl Header {
    /// Parses what follows the magic number.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let descriptor = *bytes.first()?;
        let single_segment = descriptor & 0x20 != 0;
        let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
        let content_size = match descriptor >> 6 {
            0 => usize::from(single_segment),
            flag => 1 << flag,
        };
        let at = 1 + usize::from(!single_segment) + dictionary;
        let field = bytes.get(at..at + content_size)?;
        let value = field.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte));
        let content = match content_size {
            0 => None,
            2 => Some(value + 256),
            _ => Some(value),
        };
        Some(Self { length: (at + content_size) as u64, content, checksum: descriptor & 4 != 0 })
    }
}

/// Where the blocks that begin at `at` end; none if the file ends before they do.
fn end_of_blocks(source: &Source, mut at: u64) -> Result<Option<u64>> {
    loop {
        let header = source.read_up_to(at, 3)?;
        let [low, middle, high] = *header else { return Ok(None) };
        let header = u32::from_le_bytes([low, middle, high, 0]);
        // A run of one byte stores that byte; everything else stores what it says.
        let stored = if header >> 1 & 3 == 1 { 1 } else { u64::from(header >> 3) };
        at += 3 + stored;
        if header & 1 != 0 {
            return Ok((at <= source.length()).then_some(at));
        }
    }
}
