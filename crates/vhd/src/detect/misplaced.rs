//! Footers that are not where they have to be: cut off, or with bytes behind them.

use crate::{
    Error, Extent, Result, SECTOR,
    footer::{self, DiskType, FOOTER_SIZE, Footer},
    format::fixed,
    source::Source,
    zero::is_zero,
};

/// How far before the end of a file a misplaced footer is searched for: so many bytes of data, or sixteen times as many
/// of stored zeros, which is how a grown disk that lost its holes on the way looks.
const SEARCH: u64 = 64 << 20;
const ZEROS: u64 = 16;

/// The error for a file that ends inside a footer.
pub fn truncated(source: &Source) -> Result<Option<Error>> {
    let length = source.length();
    let error = |found| Error::TruncatedFooter { path: source.path().to_owned(), found, length };
    let tail = source.read_up_to(length.saturating_sub(SECTOR - 1), FOOTER_SIZE - 1)?;
    if let Some(at) = tail.windows(footer::COOKIE.len()).rposition(|window| window == footer::COOKIE) {
        return Ok(Some(error((tail.len() - at) as u64)));
    }
    // Cut so short that not even the cookie is whole.
    let partial = (length % SECTOR) as usize;
    let cut = (1..footer::COOKIE.len()).contains(&partial) && tail.ends_with(&footer::COOKIE[..partial]);
    Ok(cut.then(|| error(partial as u64)))
}

/// A footer of this file that bytes follow, and where it is.
pub fn buried(source: &Source) -> Result<Option<(Footer, u64)>> {
    let mut left = SEARCH * ZEROS;
    for range in source.data()?.into_iter().rev() {
        if let Some(found) = search_backwards(source, range, &mut left)? {
            return Ok(Some(found));
        }
        if left == 0 {
            break;
        }
    }
    Ok(None)
}

/// The last sector in `range` that is the footer of a VHD which starts where this file starts. `left` says how far to look,
/// counted in zeros.
fn search_backwards(source: &Source, range: Extent, left: &mut u64) -> Result<Option<(Footer, u64)>> {
    const STEP: u64 = 1 << 20;
    // An extent may end inside a footer whose rest is zeros.
    let mut end = range.end().next_multiple_of(SECTOR);
    while end > range.offset && *left > 0 {
        let start = (end.saturating_sub(STEP) / SECTOR * SECTOR).max(range.offset / SECTOR * SECTOR);
        let bytes = source.read_up_to(start, (end - start) as usize)?;
        let (sectors, _) = bytes.as_chunks::<FOOTER_SIZE>();
        for (index, sector) in sectors.iter().enumerate().rev() {
            let at = start + index as u64 * SECTOR;
            if sector.starts_with(footer::COOKIE)
                && at > 0
                && let Some(footer) = ending_a_disk(source, sector, at)?
            {
                return Ok(Some((footer, at)));
            }
        }
        let cost = if is_zero(&bytes) { 1 } else { ZEROS };
        *left = left.saturating_sub(bytes.len() as u64 * cost);
        end = start;
    }
    Ok(None)
}

/// The footer at byte `at`, if it belongs to this file and not to a VHD that is stored on the disk.
fn ending_a_disk(source: &Source, bytes: &[u8; FOOTER_SIZE], at: u64) -> Result<Option<Footer>> {
    let Ok(footer) = Footer::parse(bytes) else { return Ok(None) };
    let ours = match footer.disk_type {
        DiskType::Fixed => fixed::ends_at(&footer, at),
        DiskType::Dynamic | DiskType::Differencing => {
            let copy = source.read_up_to(0, FOOTER_SIZE)?;
            !is_zero(&copy) && copy == bytes
        }
    };
    Ok(ours.then_some(footer))
}
