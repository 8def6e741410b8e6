use vhd::{Extent, Layout};

use super::Cut;

/// The reads that cover everything a layout has to send, in order: none longer than a chunk may be, and none that only
/// holes lie in.
pub fn reads(layout: &dyn Layout, cut: Cut) -> Vec<Extent> {
    let length = layout.length();
    match cut {
        Cut::Spans { longest, page, bridge } => spans(layout.extents(), length, longest, page, bridge),
        Cut::Blocks { size, skip_zeros: true } => blocks(layout.extents(), size),
        Cut::Blocks { size, skip_zeros: false } => grid(length, size, size),
        Cut::Parts { size } => grid(length, size, 1),
    }
}

/// Reads along the data: neighbours a short hole apart are read together.
fn spans(extents: &[Extent], length: u64, longest: u64, page: u64, bridge: u64) -> Vec<Extent> {
    let mut reads: Vec<Extent> = Vec::new();
    for extent in extents {
        let mut start = extent.offset / page * page;
        let end = extent.end().next_multiple_of(page).min(length);
        if let Some(last) = reads.last_mut() {
            start = start.max(last.end());
            let joined = end.min(last.offset + longest);
            if start.saturating_sub(last.end()) <= bridge && joined > last.end() {
                last.length = joined - last.offset;
                start = joined;
            }
        }
        while start < end {
            let next = end.min(start + longest);
            reads.push(Extent { offset: start, length: next - start });
            start = next;
        }
    }
    reads
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
    fn spans_join_neighbours_and_split_what_is_long() {
        let plan = |extents: &[Extent]| spans(extents, 1 << 20, 4096, 512, 1024);
        assert_eq!(plan(&[e(0, 100), e(1000, 1100)]), [e(0, 1536)]);
        assert_eq!(plan(&[e(0, 100), e(4000, 4100)]), [e(0, 512), e(3584, 4608)]);
        assert_eq!(plan(&[e(512, 10_000)]), [e(512, 4608), e(4608, 8704), e(8704, 10_240)]);
        assert_eq!(plan(&[e(0, 4000), e(4100, 6000)]), [e(0, 4096), e(4096, 6144)]);
        assert_eq!(plan(&[e(0, 4000), e(4010, 4020)]), [e(0, 4096)], "the same page twice");
        assert_eq!(plan(&[]), []);
    }

    #[test]
    fn a_span_never_passes_the_end() {
        assert_eq!(spans(&[e(512, 1000)], 1000, 4096, 512, 0), [e(512, 1000)]);
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
