//! Byte ranges, and the few set operations the rest of the crate is made of.

use std::ops::Range;

/// A non-empty range of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Extent {
    /// First byte.
    pub offset: u64,
    /// Number of bytes, never 0.
    pub length: u64,
}

impl Extent {
    /// The extent from `start` up to, not including, `end`; none when that is empty.
    #[must_use]
    pub fn between(start: u64, end: u64) -> Option<Self> {
        (start < end).then(|| Self { offset: start, length: end - start })
    }

    /// The first byte after the extent.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.offset + self.length
    }

    /// The same as a standard range.
    #[must_use]
    pub fn range(&self) -> Range<u64> {
        self.offset..self.end()
    }

    /// What both have in common.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Option<Self> {
        Self::between(self.offset.max(other.offset), self.end().min(other.end()))
    }
}

/// Adds `next` to a sorted list, joining it with the last extent when the two touch or overlap.
pub fn push_joined(list: &mut Vec<Extent>, next: Extent) {
    match list.last_mut() {
        Some(last) if last.end() >= next.offset => last.length = last.length.max(next.end() - last.offset),
        _ => list.push(next),
    }
}

/// What two sorted lists have in common, sorted.
#[must_use]
pub fn intersect(a: &[Extent], b: &[Extent]) -> Vec<Extent> {
    let (mut i, mut j, mut common) = (0, 0, Vec::new());
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        common.extend(x.intersect(y));
        if x.end() <= y.end() { i += 1 } else { j += 1 }
    }
    common
}

/// Total number of bytes.
#[must_use]
pub fn total(extents: &[Extent]) -> u64 {
    extents.iter().map(|e| e.length).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn e(offset: u64, end: u64) -> Extent {
        Extent::between(offset, end).unwrap()
    }

    #[test]
    fn touching_extents_are_joined_and_distant_ones_are_not() {
        let mut list = Vec::new();
        for next in [e(0, 4), e(4, 8), e(6, 7), e(9, 10)] {
            push_joined(&mut list, next);
        }
        assert_eq!(list, [e(0, 8), e(9, 10)]);
    }

    #[test]
    fn intersection_keeps_only_what_both_have() {
        let a = [e(0, 10), e(20, 30), e(40, 41)];
        let b = [e(5, 25), e(29, 50)];
        assert_eq!(intersect(&a, &b), [e(5, 10), e(20, 25), e(29, 30), e(40, 41)]);
        assert_eq!(intersect(&b, &a), intersect(&a, &b));
        assert_eq!(intersect(&a, &[]), []);
    }
}
