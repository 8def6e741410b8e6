use vhd::{CONTENT_BLOCK, Extent, Layout, extent};

use super::Cut;

/// The reads that cover everything a layout has to send, in order: none longer than a chunk may be, and none that only
/// holes lie in.
pub fn reads(layout: &dyn Layout, cut: Cut) -> Vec<Extent> {
    let length = layout.length();
    match cut {
        Cut::Spans { longest, .. } => spans(layout.extents(), length, longest),
        Cut::Blocks { size, skip_zeros: true } => blocks(layout.extents(), size),
        Cut::Blocks { size, skip_zeros: false } => grid(length, size, size),
        Cut::Parts { size } => grid(length, size, 1),
    }
}

/// Reads along the data, in whole blocks of content, which alone can be compared with what the image held when it was first
/// read. The zeros in them are found when they are there.
fn spans(extents: &[Extent], length: u64, longest: u64) -> Vec<Extent> {
    let mut runs = Vec::new();
    for extent in extents {
        let start = extent.offset / CONTENT_BLOCK * CONTENT_BLOCK;
        let end = extent.end().next_multiple_of(CONTENT_BLOCK).min(length);
        extent::push_joined(&mut runs, Extent { offset: start, length: end - start });
    }
    extent::split(&runs, longest).collect()
}

/// Whole blocks that data touches, each once.
fn blocks(extents: &[Extent], size: u64) -> Vec<Extent> {
    let mut reads: Vec<Extent> = Vec::new();
    for extent in extents {
        let first = extent.offset / size * size;
        let mut at = reads.last().map_or(first, |last| first.max(last.end()));
        while at < extent.end() {
            reads.push(Extent { offset: at, length: size });
            at += size;
        }
    }
    reads
}

/// Everything, in pieces of `size`; the last one ends at a multiple of `padding`.
fn grid(length: u64, size: u64, padding: u64) -> Vec<Extent> {
    let end = length.next_multiple_of(padding);
    (0..end).step_by(size as usize).map(|offset| Extent { offset, length: size.min(end - offset) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn e(offset: u64, end: u64) -> Extent {
        Extent::between(offset, end).unwrap()
    }

    #[test]
    fn spans_are_whole_blocks_of_content_and_split_what_is_long() {
        const B: u64 = CONTENT_BLOCK;
        let plan = |extents: &[Extent]| spans(extents, 100 * B, 8 * B);
        assert_eq!(plan(&[e(0, 100), e(1000, 1100)]), [e(0, B)], "the same block once");
        assert_eq!(plan(&[e(B - 1, B + 1), e(4 * B, 5 * B)]), [e(0, 2 * B), e(4 * B, 5 * B)]);
        assert_eq!(
            plan(&[e(3 * B, 4 * B), e(4 * B + 9, 17 * B)]),
            [e(3 * B, 8 * B), e(8 * B, 16 * B), e(16 * B, 17 * B)]
        );
        assert_eq!(plan(&[]), []);
    }

    #[test]
    fn a_span_never_passes_the_end() {
        assert_eq!(spans(&[e(512, 1000)], 1000, 4096), [e(0, 1000)]);
    }

    #[test]
    fn blocks_are_whole_and_unique() {
        assert_eq!(blocks(&[e(10, 20), e(30, 130), e(310, 311)], 100), [e(0, 100), e(100, 200), e(300, 400)]);
    }

    #[test]
    fn a_grid_covers_everything() {
        assert_eq!(grid(250, 100, 1), [e(0, 100), e(100, 200), e(200, 250)]);
        assert_eq!(grid(250, 100, 100), [e(0, 100), e(100, 200), e(200, 300)]);
    }
}
