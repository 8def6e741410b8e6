use azure_storage_blob::models::HttpRange;
use futures::{StreamExt, TryStreamExt, stream};
use publisher::{Cx, Result};

use super::pages::{Door, Pages};
use crate::{Undo, error};

/// Clears that are on their way at the same time.
const AT_ONCE: usize = 16;

impl Pages {
    /// Clears everything that was written to the disk before, so that pages of zeros need not be sent to it any more than to
    /// a new one.
    ///
    /// # Errors
    /// What Azure answers.
    pub async fn clear(&self, cx: &Cx<Undo>) -> Result<()> {
        let door = self.door(None).await?;
        let written = cx.retry("reading what was written to the disk", || written(&door)).await?;
        let clear = |range: HttpRange| {
            let door = door.clone();
            async move {
                let send = || async { door.client.clear_pages(range.clone(), None).await.map_err(error::from_sdk) };
                cx.retry("clearing what was written to the disk", send).await.map(drop)
            }
        };
        stream::iter(written).map(clear).buffer_unordered(AT_ONCE).try_collect().await
    }
}

/// The ranges that hold pages (Blob service, "Get Page Ranges").
async fn written(door: &Door) -> Result<Vec<HttpRange>> {
    let mut pages = door.client.list_page_ranges(None).map_err(error::from_sdk)?;
    let mut ranges = Vec::new();
    while let Some(page) = pages.try_next().await.map_err(error::from_sdk)? {
        let page = page.into_model().map_err(error::from_sdk)?;
        let range = |(start, end): (i64, i64)| {
            let (start, end) = (u64::try_from(start).ok()?, u64::try_from(end).ok()?);
            Some(HttpRange::new(start, end.checked_sub(start)?.checked_add(1)?))
        };
        ranges.extend(page.page_ranges.iter().filter_map(|found| found.start.zip(found.end).and_then(range)));
    }
    Ok(ranges)
}
