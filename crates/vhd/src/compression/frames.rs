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
    /// Memory that unpacking it takes, in bytes.
    pub window: u64,
}

/// More frames than this are not worth a list of them: the file is unpacked from one end to the other.
const MOST: usize = 1 << 16;
/// A frame header is not longer than this, the magic number counted (RFC 8878, section 3.1.1.1).
const HEADER: usize = 18;
/// No file is longer than this.
const LONGEST: u64 = i64::MAX as u64;

/// The frames, if there are several and each says how long its content is; then they can be unpacked side by side.
/// None for a file that is damaged as well: the decoder says better in which way.
pub fn independent(source: &Source) -> Result<Option<Vec<Frame>>> {
    let mut bytes = Ahead { source, start: 0, bytes: Vec::new() };
    let (mut frames, mut at, mut offset) = (Vec::new(), 0, 0_u64);
    while at < source.length() {
        let head = bytes.at(at, HEADER)?.to_vec();
        let length = match &*head {
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, size @ ..] => match size.first_chunk() {
                Some(size) => 8 + u64::from(u32::from_le_bytes(*size)),
                None => return Ok(None),
            },
            [0x28, 0xb5, 0x2f, 0xfd, rest @ ..] => {
                let Some(header) = Header::parse(rest) else { return Ok(None) };
                let next = header.content.and_then(|content| offset.checked_add(content));
                let Some(next) = next.filter(|next| *next <= LONGEST && frames.len() < MOST) else { return Ok(None) };
                let Some(end) = end_of_blocks(&mut bytes, at + 4 + header.length)? else { return Ok(None) };
                let length = end + if header.checksum { 4 } else { 0 } - at;
                let packed = Extent { offset: at, length };
                frames.push(Frame { packed, offset, length: next - offset, window: header.window });
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
    window: u64,
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
        let window = match content {
            Some(content) if single_segment => content,
            // An exponent in the upper five bits, eighths of its power of two in the lower three.
            _ => {
                let byte = u64::from(*bytes.get(1)?);
                let base = 1 << (10 + (byte >> 3));
                base + base / 8 * (byte & 7)
            }
        };
        Some(Self { length: (at + content_size) as u64, content, window, checksum: descriptor & 4 != 0 })
    }
}

/// Where the blocks that begin at `at` end; none if the file ends before they do.
fn end_of_blocks(bytes: &mut Ahead<'_>, mut at: u64) -> Result<Option<u64>> {
    loop {
        let [low, middle, high] = *bytes.at(at, 3)? else { return Ok(None) };
        let header = u32::from_le_bytes([low, middle, high, 0]);
        // A run of one byte stores that byte; everything else stores what it says.
        let stored = if header >> 1 & 3 == 1 { 1 } else { u64::from(header >> 3) };
        at += 3 + stored;
        if header & 1 != 0 {
            return Ok((at <= bytes.source.length()).then_some(at));
        }
    }
}

/// A file that is read forwards in small pieces, which may lie close together.
struct Ahead<'a> {
    source: &'a Source,
    start: u64,
    bytes: Vec<u8>,
}

impl Ahead<'_> {
    /// As many of `length` bytes from `at` as the file has.
    fn at(&mut self, at: u64, length: usize) -> Result<&[u8]> {
        const STEP: usize = 4096;
        let has =
            |this: &Self| at.checked_sub(this.start).is_some_and(|skip| skip as usize + length <= this.bytes.len());
        if !has(self) {
            (self.start, self.bytes) = (at, self.source.read_up_to(at, STEP)?);
        }
        let skip = (at - self.start) as usize;
        Ok(&self.bytes[skip..self.bytes.len().min(skip + length)])
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn frames(parts: &[&[u8]]) -> Option<Vec<Frame>> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        parts.iter().for_each(|part| file.write_all(part).unwrap());
        independent(&Source::open(file.path()).unwrap()).unwrap()
    }

    fn packed(length: usize) -> Vec<u8> {
        zstd::bulk::compress(&vec![7; length], 3).unwrap()
    }

    #[test]
    fn several_frames_with_their_lengths_are_found() {
        let (first, second) = (packed(1000), packed(300_000));
        let found = frames(&[&first, b"\x50\x2a\x4d\x18\x03\0\0\0abc", &second]).unwrap();
        assert_eq!(found.iter().map(|f| (f.offset, f.length)).collect::<Vec<_>>(), [(0, 1000), (1000, 300_000)]);
        assert_eq!(found[0].packed, Extent { offset: 0, length: first.len() as u64 });
        assert_eq!(found[1].packed, Extent { offset: first.len() as u64 + 11, length: second.len() as u64 });
        assert_eq!(found[1].window, 300_000);
    }

    #[test]
    fn one_frame_or_one_that_lies_is_for_the_decoder() {
        assert_eq!(frames(&[&packed(1000)]), None);
        assert_eq!(frames(&[&packed(1000), &packed(10)[..5]]), None);
        // The first says that it has 2^64-1 bytes.
        let endless = b"\x28\xb5\x2f\xfd\xe0\xff\xff\xff\xff\xff\xff\xff\xff\x01\0\0";
        assert_eq!(frames(&[endless, b"\x28\xb5\x2f\xfd\x20\0\x01\0\0"]), None);
    }
}
