//! Going on with an upload: what is on the disk already, and what of it can stay.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use publisher::{Attempt, Cx, Event, Result};
use vhd::{Extent, Layout, extent};

use super::{
    pages::{LONGEST, Pages},
    verify::{self, Compared},
};
use crate::Undo;

/// Clears that are on their way at the same time.
const AT_ONCE: usize = 16;

impl Pages {
    /// Finds what of the image an earlier attempt has brought, so that it is not sent again, and clears all else that was
    /// written to the disk: pages of zeros need not be sent to it then any more than to a new one.
    ///
    /// What the journal says that the attempt sent, is there; of the rest, which another machine has sent or whoever else
    /// could open the disk, it is read back whether it is the image.
    ///
    /// # Errors
    /// What Azure answers.
    pub async fn resume(&mut self, layout: &Arc<dyn Layout>, earlier: &Attempt) -> Result<()> {
        let door = self.door(None).await?;
        let listed = self.cx.retry("reading what was written to the disk", || door.written()).await?;
        let sent = extent::joined(self.cx.sent(earlier.as_str()).await);
        let known = extent::intersect(&listed, &sent);
        let unknown: Vec<_> = extent::split(&extent::subtract(&listed, &sent), LONGEST).collect();
        let (mut there, mut foreign) = (known, Vec::new());
        for (range, compared) in verify::compare_all(&self.cx, self, layout, unknown).await? {
            match compared {
                Compared::Same => there.push(range),
                Compared::Different | Compared::Unreadable(_) => foreign.push(range),
            }
        }
        self.there = extent::joined(there);
        self.clear(&foreign).await?;
        // The disk is this attempt's now, and the next one may have to go on from here.
        for range in &self.there {
            self.cx.note_sent(&self.owner, *range).await?;
        }
        let (stays, cleared) = (extent::total(&self.there), extent::total(&foreign));
        self.cx.emit(Event::Resumed { bytes: stays, discarded: cleared });
        Ok(())
    }

    async fn clear(&self, ranges: &[Extent]) -> Result<()> {
        let (door, cx): (_, &Cx<Undo>) = (self.door(None).await?, &self.cx);
        let clear = |range: &Extent| {
            let (door, range) = (door.clone(), *range);
            async move { cx.retry("clearing what was written to the disk", || door.clear(&range)).await }
        };
        stream::iter(ranges).map(clear).buffer_unordered(AT_ONCE).try_collect().await
    }
}
