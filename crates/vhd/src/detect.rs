//! What a file is, by its content and never by its name.

use std::{fmt, path::Path};

use crate::{
    Error, Extent, Result, SECTOR,
    footer::{self, DiskType, FOOTER_SIZE, Footer},
    image::Format,
    source::Source,
    zero::is_zero,
};

/// How far before the end of a file a misplaced footer is searched for: so many bytes of data, or sixteen times as many
/// of stored zeros, which is how a grown disk that lost its holes on the way looks.
const SEARCH: u64 = 64 << 20;
const ZEROS: u64 = 16;
/// Enough of a file's start to tell every format, the ISO 9660 descriptor at 32 KiB included.
const HEAD: usize = 0x8006;

/// A format that is recognised so that the error can say how to convert it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Foreign {
    Qcow,
    Vmdk,
    Vhdx,
    Vdi,
    Qed,
    Iso,
    Zstd,
    Gzip,
    Xz,
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Qcow => "a qcow2 image",
            Self::Vmdk => "a VMDK image",
            Self::Vhdx => "a VHDX image",
            Self::Vdi => "a VDI image",
            Self::Qed => "a QED image",
            Self::Iso => "an ISO 9660 image",
            Self::Zstd => "compressed with zstd",
            Self::Gzip => "compressed with gzip",
            Self::Xz => "compressed with xz",
        })
    }
}

impl Foreign {
    /// How to make a publishable image of it.
    pub(crate) fn cure(self, path: &Path) -> String {
        let path = path.display();
        let format = match self {
            Self::Qcow => "qcow2",
            Self::Vmdk => "vmdk",
            Self::Vhdx => "vhdx",
            Self::Vdi => "vdi",
            Self::Qed => "qed",
            Self::Iso => return "an installation medium is no disk; build a disk image instead".into(),
            Self::Zstd => return format!("decompress it: zstd -d '{path}' -o disk.vhd"),
            Self::Gzip => return format!("decompress it: gzip -dc '{path}' > disk.vhd"),
            Self::Xz => return format!("decompress it: xz -dc '{path}' > disk.vhd"),
        };
        format!("convert it: qemu-img convert -f {format} -O vpc -o subformat=dynamic,force_size=on '{path}' disk.vhd")
    }

    fn of(head: &[u8]) -> Option<Self> {
        let signatures: [(usize, &[u8], Self); 11] = [
            (0, b"QFI\xfb", Self::Qcow),
            (0, b"KDMV", Self::Vmdk),
            (0, b"COWD", Self::Vmdk),
            (0, b"# Disk DescriptorFile", Self::Vmdk),
            (0, b"vhdxfile", Self::Vhdx),
            (0x40, b"\x7f\x10\xda\xbe", Self::Vdi),
            (0, b"QED\0", Self::Qed),
            (0x8001, b"CD001", Self::Iso),
            (0, b"\x28\xb5\x2f\xfd", Self::Zstd),
            (0, b"\x1f\x8b\x08", Self::Gzip),
            (0, b"\xfd7zXZ\0", Self::Xz),
        ];
        signatures.into_iter().find(|(at, magic, _)| head.get(*at..).is_some_and(|h| h.starts_with(magic))).map(|s| s.2)
    }
}

/// What the file is, with its footer where it has one.
///
/// # Errors
/// Formats that cannot be published, and VHDs whose footer is not the end of the file.
pub(crate) fn detect(source: &Source) -> Result<(Format, Option<Footer>)> {
    let path = || source.path().to_owned();
    let head = source.read_up_to(0, HEAD)?;
    if let Some(found) = Foreign::of(&head) {
        return Err(Error::Foreign { path: path(), found });
    }
    if let Some(footer) = trailing_footer(source)? {
        return match footer.disk_type {
            DiskType::Fixed => Ok((Format::FixedVhd, Some(footer))),
            DiskType::Dynamic => Ok((Format::DynamicVhd, Some(footer))),
            DiskType::Differencing => Err(Error::Differencing { path: path() }),
        };
    }
    // No footer at the end. A dynamic disk has a copy at its start; otherwise the file may be raw.
    if head.starts_with(footer::COOKIE) {
        let copy = leading_footer(source)?;
        if copy.disk_type == DiskType::Differencing {
            return Err(Error::Differencing { path: path() });
        }
        return Err(misplaced_footer(source)?.unwrap_or(Error::TruncatedFooter {
            path: path(),
            found: 0,
            length: source.length(),
        }));
    }
    match misplaced_footer(source)? {
        Some(error) => Err(error),
        None => Ok((Format::Raw, None)),
    }
}

/// The footer in the last 512 bytes; none if its cookie is not there.
fn trailing_footer(source: &Source) -> Result<Option<Footer>> {
    let Some(at) = source.length().checked_sub(SECTOR) else { return Ok(None) };
    let mut bytes = [0; FOOTER_SIZE];
    source.read_exact_at(&mut bytes, at)?;
    if !bytes.starts_with(footer::COOKIE) {
        return Ok(None);
    }
    Footer::parse(&bytes).map(Some).map_err(|bad| bad.of(source.path(), "VHD footer"))
}

fn leading_footer(source: &Source) -> Result<Footer> {
    let mut bytes = [0; FOOTER_SIZE];
    let available = source.read_up_to(0, FOOTER_SIZE)?;
    bytes[..available.len()].copy_from_slice(&available);
    Footer::parse(&bytes).map_err(|bad| bad.of(source.path(), "VHD footer copy at byte 0"))
}

/// A footer that was cut off, or that has bytes behind it, among the last data of the file.
fn misplaced_footer(source: &Source) -> Result<Option<Error>> {
    let length = source.length();
    let tail_at = length.saturating_sub(SECTOR - 1);
    let tail = source.read_up_to(tail_at, FOOTER_SIZE - 1)?;
    if let Some(at) = tail.windows(footer::COOKIE.len()).rposition(|window| window == footer::COOKIE) {
        let found = (tail.len() - at) as u64;
        return Ok(Some(Error::TruncatedFooter { path: source.path().to_owned(), found, length }));
    }
    // Cut so short that not even the cookie is whole.
    let partial = (length % SECTOR) as usize;
    if (1..footer::COOKIE.len()).contains(&partial) && tail.ends_with(&footer::COOKIE[..partial]) {
        return Ok(Some(Error::TruncatedFooter { path: source.path().to_owned(), found: partial as u64, length }));
    }
    let mut left = SEARCH * ZEROS;
    for range in source.data()?.into_iter().rev() {
        if let Some(footer) = search_backwards(source, range, &mut left)? {
            let trailing = length - footer - SECTOR;
            return Ok(Some(Error::TrailingBytes { path: source.path().to_owned(), footer, trailing }));
        }
        if left == 0 {
            break;
        }
    }
    Ok(None)
}

/// The last sector in `range` that is the footer of a VHD which starts where this file starts. `left` says how far to look,
/// counted in zeros.
fn search_backwards(source: &Source, range: Extent, left: &mut u64) -> Result<Option<u64>> {
    const STEP: u64 = 1 << 20;
    let mut end = range.end();
    while end > range.offset && *left > 0 {
        let start = (end.saturating_sub(STEP) / SECTOR * SECTOR).max(range.offset / SECTOR * SECTOR);
        let bytes = source.read_up_to(start, (end - start) as usize)?;
        let (sectors, _) = bytes.as_chunks::<FOOTER_SIZE>();
        for (index, sector) in sectors.iter().enumerate().rev() {
            let at = start + index as u64 * SECTOR;
            if sector.starts_with(footer::COOKIE) && at > 0 && ends_a_disk(source, sector, at)? {
                return Ok(Some(at));
            }
        }
        let cost = if is_zero(&bytes) { 1 } else { ZEROS };
        *left = left.saturating_sub(bytes.len() as u64 * cost);
        end = start;
    }
    Ok(None)
}

/// Whether the footer at byte `at` belongs to this file and not to a VHD that is stored on the disk.
fn ends_a_disk(source: &Source, bytes: &[u8; FOOTER_SIZE], at: u64) -> Result<bool> {
    let Ok(footer) = Footer::parse(bytes) else { return Ok(false) };
    Ok(match footer.disk_type {
        DiskType::Fixed => footer.current_size == at,
        DiskType::Dynamic | DiskType::Differencing => {
            let copy = source.read_up_to(0, FOOTER_SIZE)?;
            !is_zero(&copy) && copy == bytes
        }
    })
}
