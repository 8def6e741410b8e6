//! That a disk holds what was read from the image.
//!
//! Each page comes with the checksum of bytes that are what the image held when its digest was found, and Azure refuses any other.
//! Then the disk says which pages it has. With `--verify full` it is read back as well, when it is closed.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use publisher::{Cx, Error, Event, Kind, Result};
use vhd::{Extent, Layout, extent};

use super::{
    access::Access,
    disk,
    pages::{LONGEST, Pages},
};
use crate::{Azure, Undo};

/// Ranges that are read at the same time.
const AT_ONCE: usize = 8;

/// What a range of a disk is to the image.
pub enum Compared {
    Same,
    Different,
    /// It cannot be told.
    Unreadable(Error),
}

/// Before the disk is closed: that it has all pages that were sent, and none beside them but zeros.
pub async fn all_is_there(cx: &Cx<Undo>, layout: &Arc<dyn Layout>, pages: &Pages) -> Result<()> {
    let door = pages.door(None).await?;
    let listed = match cx.retry("reading which pages the disk has", || door.written()).await {
        Ok(listed) => listed,
        // Each page was taken with its checksum all the same.
        Err(error) if matches!(error.kind(), Kind::Denied | Kind::Invalid | Kind::NotFound) => {
            let message = format!("cannot compare which pages the disk has: {}", error.in_full());
            cx.emit(Event::Warning { message });
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    // What only one of both has may be zeros that were written, or not listed.
    let held = pages.held();
    let other = [extent::subtract(&held, &listed), extent::subtract(&listed, &held)].concat();
    let other = extent::split(&extent::joined(other), LONGEST).collect();
    for (range, compared) in compare_all(cx, pages, layout, other).await? {
        match compared {
            Compared::Same => {}
            Compared::Unreadable(error) if extent::covers(&listed, &range) => {
                let message = format!("the disk has pages that were not sent to it, which cannot be read: {error}");
                cx.emit(Event::Warning { message });
            }
            Compared::Different | Compared::Unreadable(_) => return Err(differs(range.offset)),
        }
    }
    Ok(())
}

/// Reads a closed disk back, and compares all of it with the image.
pub async fn read_back(azure: &Azure, cx: &Cx<Undo>, id: &str) -> Result<()> {
    cx.emit(Event::Waiting { what: "reading the disk back".to_owned(), percent: None });
    let layout = azure.decided()?.layout()?;
    let (closing, access) = Access::to_read(azure, cx, id).await?;
    let pages = Pages::open(azure, cx, access).await?;
    let door = pages.door(None).await?;
    let listed = cx.retry("reading which pages the disk has", || door.written()).await?;
    let all = extent::joined([listed, layout.extents().to_vec()].concat());
    let all = extent::split(&all, LONGEST).collect();
    for (range, compared) in compare_all(cx, &pages, &layout, all).await? {
        match compared {
            Compared::Same => {}
            Compared::Different => return Err(differs(range.offset)),
            Compared::Unreadable(error) => return Err(error.context("the disk cannot be read back")),
        }
    }
    disk::end_access(azure, cx, id).await.map_err(|error| error.context("cannot close the disk again"))?;
    cx.settle([closing]).await
}

fn differs(offset: u64) -> Error {
    Error::new(Kind::Invalid, format!("the disk in Azure is not the image: it differs at byte {offset}"))
        .with_hint("publish again; nothing was registered")
}

/// Compares ranges of the disk with those of the image, each short enough for one request.
pub async fn compare_all(
    cx: &Cx<Undo>,
    pages: &Pages,
    layout: &Arc<dyn Layout>,
    ranges: Vec<Extent>,
) -> Result<Vec<(Extent, Compared)>> {
    let compare = |range: Extent| {
        let layout = layout.clone();
        async move { compare(cx, pages, layout, range).await.map(|compared| (range, compared)) }
    };
    stream::iter(ranges).map(compare).buffer_unordered(AT_ONCE).try_collect().await
}

async fn compare(cx: &Cx<Undo>, pages: &Pages, layout: Arc<dyn Layout>, range: Extent) -> Result<Compared> {
    // A signature lasts for so long, and reading a large disk may take longer.
    let read = || async { pages.door(None).await?.read(&range).await };
    let found = match cx.retry("reading the disk back", read).await {
        Ok(found) => found,
        Err(error) if matches!(error.kind(), Kind::Denied | Kind::Invalid | Kind::NotFound) => {
            return Ok(Compared::Unreadable(error));
        }
        Err(error) => return Err(error),
    };
    let same = tokio::task::spawn_blocking(move || {
        let mut wanted = vec![0; range.length as usize];
        layout.read_at(&mut wanted, range.offset).map(|()| found == wanted)
    });
    let same = same.await.map_err(|error| Error::new(Kind::Local, "reading the image failed").caused_by(error))??;
    Ok(if same { Compared::Same } else { Compared::Different })
}
