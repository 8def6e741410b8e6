//! Finding zeros quickly.

use crate::Extent;

/// Whether every byte is zero.
#[must_use]
pub fn is_zero(bytes: &[u8]) -> bool {
    // Sixty-four bytes at a time without a branch inside: the compiler turns the inner fold into vector code.
    let (blocks, rest) = bytes.as_chunks::<64>();
    blocks.iter().all(|block| block.iter().fold(0, |seen, byte| seen | byte) == 0) && rest.iter().all(|byte| *byte == 0)
}

/// The ranges of `bytes` that hold data, in whole pages of `page` bytes, as offsets into `bytes`. Runs of zero pages no
/// longer than `bridge` bytes are kept inside a range, because one larger request is cheaper than two.
#[must_use]
pub fn data_spans(bytes: &[u8], page: usize, bridge: u64) -> Vec<Extent> {
    let mut spans: Vec<Extent> = Vec::new();
    for (index, chunk) in bytes.chunks(page).enumerate() {
        if is_zero(chunk) {
            continue;
        }
        let (offset, length) = ((index * page) as u64, chunk.len() as u64);
        match spans.last_mut() {
            Some(last) if offset - last.end() <= bridge => last.length = offset + length - last.offset,
            _ => spans.push(Extent { offset, length }),
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_byte_anywhere_is_noticed() {
        for size in [1, 63, 64, 65, 200] {
            let mut bytes = vec![0; size];
            assert!(is_zero(&bytes));
            for at in 0..size {
                bytes[at] = 1;
                assert!(!is_zero(&bytes), "byte {at} of {size}");
                bytes[at] = 0;
            }
        }
        assert!(is_zero(&[]));
    }

    #[test]
    fn spans_bridge_small_gaps_and_trim_both_ends() {
        let mut bytes = vec![0; 10 * 512];
        for page in [2, 4, 8] {
            bytes[page * 512 + 7] = 1;
        }
        let spans = data_spans(&bytes, 512, 512);
        assert_eq!(spans, [Extent { offset: 1024, length: 3 * 512 }, Extent { offset: 8 * 512, length: 512 }]);
        assert_eq!(data_spans(&bytes, 512, 0).len(), 3);
        assert_eq!(data_spans(&[0; 4096], 512, 0), []);
    }

    #[test]
    fn a_short_last_page_is_kept_short() {
        assert_eq!(data_spans(&[1; 700], 512, 0), [Extent { offset: 0, length: 700 }]);
    }
}
