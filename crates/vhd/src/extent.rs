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

/// What a sorted list has and another has not, sorted.
#[must_use]
pub fn subtract(from: &[Extent], other: &[Extent]) -> Vec<Extent> {
    let mut left = Vec::new();
    for extent in from {
        let mut at = extent.offset;
        let first = other.partition_point(|other| other.end() <= at);
        for hole in other[first..].iter().take_while(|hole| hole.offset < extent.end()) {
            left.extend(Extent::between(at, hole.offset));
            at = hole.end();
        }
        left.extend(Extent::between(at, extent.end()));
    }
    left
}

/// Any list, sorted and joined.
#[must_use]
pub fn joined(mut list: Vec<Extent>) -> Vec<Extent> {
    list.sort_unstable();
    let mut joined = Vec::new();
    for extent in list {
        push_joined(&mut joined, extent);
    }
    joined
}

/// Whether a sorted and joined list has all of a range.
#[must_use]
pub fn covers(list: &[Extent], range: &Extent) -> bool {
    let at = list.partition_point(|extent| extent.end() <= range.offset);
    list.get(at).is_some_and(|extent| extent.offset <= range.offset && extent.end() >= range.end())
}

/// The same in pieces, none of which reaches over a multiple of `longest` bytes.
pub fn split(list: &[Extent], longest: u64) -> impl Iterator<Item = Extent> {
    list.iter().flat_map(move |extent| {
        let next = move |at: &u64| Some((at / longest + 1) * longest).filter(|next| *next < extent.end());
        let starts = std::iter::successors(Some(extent.offset), next);
        starts.filter_map(move |at| Extent::between(at, extent.end().min((at / longest + 1) * longest)))
    })
}

/// Total number of bytes.
#[must_use]
pub fn total(extents: &[Extent]) -> u64 {
    extents.iter().map(|e| e.length).sum()
}

/// How full each of `columns` equal parts of `size` bytes is, from 0 to 1.
#[must_use]
pub fn density(extents: &[Extent], size: u64, columns: u32) -> Vec<f64> {
    // The borders of the columns lie within 2^64 × 2^32, and so in 128 bits.
    let border = |column: u32| (u128::from(size) * u128::from(column) / u128::from(columns)) as u64;
    let column = |column| {
        let range = Extent::between(border(column), border(column + 1))?;
        let first = extents.partition_point(|extent| extent.end() <= range.offset);
        let filled: u64 = extents[first..].iter().map_while(|extent| extent.intersect(&range)).map(|e| e.length).sum();
        Some(filled as f64 / range.length as f64)
    };
    (0..columns).map(|index| column(index).unwrap_or(0.0)).collect()
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

    #[test]
    fn subtraction_keeps_what_only_the_first_has() {
        let a = [e(0, 10), e(20, 30), e(40, 41)];
        assert_eq!(subtract(&a, &[e(5, 25), e(29, 50)]), [e(0, 5), e(25, 29)]);
        assert_eq!(
            subtract(&a, &[e(2, 3), e(4, 6), e(8, 9)]),
            [e(0, 2), e(3, 4), e(6, 8), e(9, 10), e(20, 30), e(40, 41)]
        );
        assert_eq!(subtract(&a, &[]), a);
        assert_eq!(subtract(&a, &a), []);
    }

    #[test]
    fn a_list_in_any_order_is_sorted_and_joined_and_says_what_it_covers() {
        let list = joined(vec![e(20, 30), e(0, 4), e(4, 8), e(25, 35)]);
        assert_eq!(list, [e(0, 8), e(20, 35)]);
        for (range, is_covered) in
            [(e(0, 8), true), (e(3, 5), true), (e(7, 9), false), (e(8, 20), false), (e(34, 35), true)]
        {
            assert_eq!(covers(&list, &range), is_covered, "{range:?}");
        }
    }

    #[test]
    fn pieces_end_at_multiples_of_the_longest() {
        assert_eq!(
            split(&[e(3, 9), e(12, 16), e(17, 18)], 4).collect::<Vec<_>>(),
            [e(3, 4), e(4, 8), e(8, 9), e(12, 16), e(17, 18)]
        );
    }

    #[test]
    fn density_is_the_filled_share_of_each_column() {
        assert_eq!(density(&[e(0, 10), e(15, 20), e(39, 40)], 40, 4), [1.0, 0.5, 0.0, 0.1]);
        assert_eq!(density(&[e(0, 4)], 4, 8), [0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0]);
        assert_eq!(density(&[], 0, 2), [0.0, 0.0]);
        assert_eq!(density(&[e(0, u64::MAX)], u64::MAX, 3), [1.0, 1.0, 1.0]);
    }
}
