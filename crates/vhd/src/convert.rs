//! A layout as a file.

use std::{
    fs::{File, Permissions},
    io,
    ops::ControlFlow,
    os::unix::fs::{FileExt, PermissionsExt},
    path::Path,
    sync::{
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
};

use rayon::prelude::*;

use crate::{Error, Extent, Layout, Progress, Result, zero::data_spans};

/// Copied at a time: enough for the calls not to matter, and little enough for the processor's cache.
const STEP: u64 = 512 << 10;
/// Written between two flushes.
const FLUSH: u64 = 128 << 20;
/// What a file system allocates at least; a page of zeros of this size stays a hole.
const PAGE: usize = 4096;

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Converted {
    /// Length of the file in bytes.
    pub length: u64,
    /// Bytes of it that were written; the rest are holes.
    pub written: u64,
}

/// That a file can be written to `path`, as far as can be told before: [`convert`] begins with it, and whoever has to unpack an
/// image first asks before that.
///
/// # Errors
/// [`Error::Exists`] if there is a file and `overwrite` is false, [`Error::NotAFile`] for a directory or a device.
pub fn check_output(path: &Path, overwrite: bool) -> Result<()> {
    match path.metadata() {
        Ok(there) if there.is_dir() => Err(Error::NotAFile { path: path.to_owned(), what: "a directory" }),
        // A new name would take the place of the device itself.
        Ok(there) if !there.is_file() => {
            Err(Error::NotAFile { path: path.to_owned(), what: "a device, a pipe or a socket" })
        }
        _ if !overwrite && path.symlink_metadata().is_ok() => Err(Error::Exists { path: path.to_owned() }),
        _ => Ok(()),
    }
}

/// Writes a layout to `path`: sparse, on all cores, and all or nothing. The file has another name until it is complete and on
/// the disk; `report` is told how far the copy is, from several threads, and may end it.
///
/// # Errors
/// [`Error::Exists`] if there is a file and `overwrite` is false, [`Error::Interrupted`] if `report` breaks,
/// [`Error::Changed`] if the image is written to meanwhile, [`Error::Io`] for the image and [`Error::Output`] for the file.
pub fn convert(
    layout: &dyn Layout,
    path: &Path,
    overwrite: bool,
    report: &(dyn Fn(Progress) -> ControlFlow<()> + Sync),
) -> Result<Converted> {
    let io = |action| move |source| Error::Output { action, path: path.to_owned(), source };
    check_output(path, overwrite)?;
    // In the same folder, because a file is renamed only within a file system.
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let part = tempfile::Builder::new()
        .prefix(".publish-")
        .suffix(".part")
        // What every new file gets; the user's umask takes its share.
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)
        .map_err(io("write"))?;
    let written = copy(layout, part.as_file(), report, &io("write"))?;
    // What was copied has to be what was looked at before.
    layout.check_unchanged()?;
    part.as_file().sync_all().map_err(io("write"))?;
    let persisted = if overwrite { part.persist(path) } else { part.persist_noclobber(path) };
    persisted.map_err(|failed| match failed.error.kind() {
        io::ErrorKind::AlreadyExists => Error::Exists { path: path.to_owned() },
        _ => io("write")(failed.error),
    })?;
    // The new name too has to outlive a power failure.
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io("write"))?;
    Ok(Converted { length: layout.length(), written })
}

fn copy(
    layout: &dyn Layout,
    file: &File,
    report: &(dyn Fn(Progress) -> ControlFlow<()> + Sync),
    failed: &(dyn Fn(io::Error) -> Error + Sync),
) -> Result<u64> {
    file.set_len(layout.length()).map_err(failed)?;
    let pieces: Vec<_> = layout.extents().iter().flat_map(|extent| pieces(*extent)).collect();
    let total = layout.extents().iter().map(|extent| extent.length).sum();
    let (done, written) = (AtomicU64::new(0), AtomicU64::new(0));
    let (filled, flushes) = mpsc::sync_channel(1);
    thread::scope(|scope| {
        // What is written goes to the disk while the rest is read and copied; at the end only the last of it is waited
        // for.
        let flushing = scope.spawn(move || flushes.iter().try_for_each(|()| file.sync_data()));
        let copied = pieces.into_par_iter().try_for_each_init(
            || (vec![0; STEP as usize], filled.clone()),
            |(buffer, filled), piece| {
                let bytes = &mut buffer[..piece.length as usize];
                layout.read_at(bytes, piece.offset)?;
                for span in data_spans(bytes, PAGE, 0) {
                    let data = &bytes[span.offset as usize..span.end() as usize];
                    file.write_all_at(data, piece.offset + span.offset).map_err(failed)?;
                    let before = written.fetch_add(span.length, Ordering::Relaxed);
                    if before / FLUSH != (before + span.length) / FLUSH {
                        // One that is still to begin takes this along.
                        let _ = filled.try_send(());
                    }
                }
                let done = done.fetch_add(piece.length, Ordering::Relaxed) + piece.length;
                match report(Progress { done, total }) {
                    ControlFlow::Continue(()) => Ok(()),
                    ControlFlow::Break(()) => Err(Error::Interrupted),
                }
            },
        );
        // The last sender: the flushing thread ends. An error of the disk is told once, and so has to be heard here.
        drop(filled);
        let flushed = flushing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        copied.and(flushed.map_err(failed))
    })?;
    Ok(written.into_inner())
}

/// An extent in pieces of at most [`STEP`] bytes that end where pages do.
fn pieces(extent: Extent) -> impl Iterator<Item = Extent> {
    let mut at = extent.offset;
    std::iter::from_fn(move || {
        let next = ((at / STEP + 1) * STEP).min(extent.end());
        let piece = Extent::between(at, next);
        at = next;
        piece
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_end_on_a_step_and_leave_nothing_out() {
        let all: Vec<_> = pieces(Extent { offset: STEP - 1, length: STEP + 2 }).collect();
        let at = |offset, length| Extent { offset, length };
        assert_eq!(all, [at(STEP - 1, 1), at(STEP, STEP), at(2 * STEP, 1)]);
    }
}
