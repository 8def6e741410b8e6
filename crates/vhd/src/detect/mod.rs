//! What a file is, by its content and never by its name.

mod foreign;
mod misplaced;

pub use foreign::Foreign;

use crate::{
    Error, Result, SECTOR, Warning, bat,
    footer::{self, BadField, DiskType, FOOTER_SIZE, Footer},
    source::Source,
};

/// Bytes of a footer as Virtual PC wrote it before 2004 (VHD spec, "Hard Disk Footer Format").
const LEGACY_FOOTER: u64 = 511;

/// What a file is, and how the disk in it is to be read.
#[derive(Debug)]
pub(crate) enum Found {
    /// A disk byte for byte.
    Raw,
    /// A fixed VHD whose footer is at byte `end`.
    Fixed { footer: Footer, end: u64 },
    /// A dynamic VHD whose blocks end by byte `end`, where its footer is.
    Dynamic { footer: Footer, end: u64 },
    /// A dynamic VHD that has no footer at its end: its blocks may fill the file.
    Unfinished { footer: Footer },
    /// A VHD, fixed or dynamic, with bytes behind its footer, which is at byte `at`.
    Buried { footer: Footer, at: u64 },
}

/// What the file is. Warnings are added to `warnings`.
///
/// # Errors
/// Formats that are recognised and not read, differencing VHDs, and footers that are damaged or cut off.
pub(crate) fn detect(source: &Source, warnings: &mut Vec<Warning>) -> Result<Found> {
    let head = source.read_up_to(0, foreign::HEAD)?;
    if let Some(found) = Foreign::of(&head) {
        return Err(Error::Foreign { path: source.path().to_owned(), found, inside: None });
    }
    let copy = leading_footer(&head);
    match trailing_footer(source, warnings)? {
        Trailing::Good(footer, end) => with_footer(source, footer, end, copy, warnings),
        Trailing::Bad(bad) => match copy {
            Some(Ok(copy)) => without_footer(source, copy, bad.problem(), warnings),
            _ => Err(bad.of(source.path(), "VHD footer")),
        },
        Trailing::None => match copy {
            Some(Ok(copy)) => without_footer(source, copy, "there is none".to_owned(), warnings),
            Some(Err(bad)) => Err(bad.of(source.path(), "VHD footer copy at byte 0")),
            None => no_footer_at_all(source),
        },
    }
}

/// The ordinary case: the file ends with a footer.
fn with_footer(
    source: &Source,
    footer: Footer,
    end: u64,
    copy: Option<Result<Footer, BadField>>,
    warnings: &mut Vec<Warning>,
) -> Result<Found> {
    match footer.disk_type {
        // What a fixed disk starts with is its own business, even if it is a VHD.
        DiskType::Fixed => return Ok(Found::Fixed { footer, end }),
        DiskType::Differencing => return Err(Error::Differencing { path: source.path().to_owned() }),
        DiskType::Dynamic => {}
    }
    match copy {
        Some(Ok(copy)) => {
            if let Some(bad) = footer.contradiction(&copy) {
                return Err(bad.of(source.path(), "VHD footer copy at byte 0"));
            }
        }
        Some(Err(bad)) => warnings.push(Warning::DamagedCopy { problem: bad.problem() }),
        None => warnings.push(Warning::DamagedCopy { problem: "there is none".to_owned() }),
    }
    Ok(Found::Dynamic { footer, end })
}

/// A file that starts with the copy of a footer and does not end with one.
fn without_footer(source: &Source, copy: Footer, problem: String, warnings: &mut Vec<Warning>) -> Result<Found> {
    match copy.disk_type {
        DiskType::Differencing => return Err(Error::Differencing { path: source.path().to_owned() }),
        // Only dynamic disks start with a copy.
        DiskType::Fixed => {
            return Err(BadField::new(
                "disk type",
                "2 (fixed)".to_owned(),
                "3 (dynamic), the only kind with a copy there",
            )
            .of(source.path(), "VHD footer copy at byte 0"));
        }
        DiskType::Dynamic => {}
    }
    if let Some((footer, at)) = misplaced::buried(source)? {
        return Ok(Found::Buried { footer, at });
    }
    warnings.push(Warning::RecoveredFooter { problem });
    Ok(Found::Unfinished { footer: copy })
}

/// A file with a footer at neither end: raw, or a fixed VHD whose footer was cut off or buried.
fn no_footer_at_all(source: &Source) -> Result<Found> {
    if let Some(error) = misplaced::truncated(source)? {
        return Err(error);
    }
    Ok(match misplaced::buried(source)? {
        Some((footer, at)) => Found::Buried { footer, at },
        None => Found::Raw,
    })
}

/// What the end of the file is.
enum Trailing {
    /// A footer, and where it starts.
    Good(Footer, u64),
    /// A footer by its cookie, and damaged.
    Bad(BadField),
    /// No footer.
    None,
}

fn trailing_footer(source: &Source, warnings: &mut Vec<Warning>) -> Result<Trailing> {
    for size in [SECTOR, LEGACY_FOOTER] {
        let Some(at) = source.length().checked_sub(size) else { continue };
        // Every other part of a VHD is whole sectors.
        if !at.is_multiple_of(SECTOR) && size == LEGACY_FOOTER {
            continue;
        }
        let mut bytes = [0; FOOTER_SIZE];
        source.read_exact_at(&mut bytes[..size as usize], at)?;
        match read_footer(&bytes) {
            Some(Ok(footer)) => {
                if size == LEGACY_FOOTER {
                    warnings.push(Warning::LegacyFooter);
                }
                return Ok(Trailing::Good(footer, at));
            }
            Some(Err(bad)) => return Ok(Trailing::Bad(bad)),
            None => {}
        }
    }
    Ok(Trailing::None)
}

/// The copy of the footer that a dynamic disk starts with; none where nothing says that there ever was one.
fn leading_footer(head: &[u8]) -> Option<Result<Footer, BadField>> {
    let bytes = head.first_chunk::<FOOTER_SIZE>()?;
    let before_a_header = || head[FOOTER_SIZE..].starts_with(bat::COOKIE);
    read_footer(bytes).or_else(|| before_a_header().then(|| Footer::parse(bytes)))
}

/// What 512 bytes are as a footer; none if they are none. A footer whose cookie is damaged is one all the same if its
/// checksum holds with the cookie mended: taken for data, it would make a raw disk of a VHD.
fn read_footer(bytes: &[u8; FOOTER_SIZE]) -> Option<Result<Footer, BadField>> {
    let mut mended = *bytes;
    mended[..footer::COOKIE.len()].copy_from_slice(footer::COOKIE);
    let is_footer = mended == *bytes || Footer::parse(&mended).is_ok();
    is_footer.then(|| Footer::parse(bytes))
}
