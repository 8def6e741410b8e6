use publisher::{Cx, Error, Kind, Poll, Result, Schedule};

use crate::{
    Azure, Undo,
    client::{DEADLINE, LONGEST_WAIT, versions},
};

/// Waits until a managed image is made: one that an earlier run began may not be.
pub async fn wait(azure: &Azure, cx: &Cx<Undo>, id: &str) -> Result<()> {
    let look = || async {
        let image = azure.arm.get(id, versions::IMAGES, &[]).await?;
        match image["properties"]["provisioningState"].as_str() {
            None | Some("Succeeded") => Ok(Poll::Ready(())),
            Some("Failed" | "Canceled") => {
                Err(Error::new(Kind::Conflict, "the managed image that is there has failed")
                    .about(id)
                    .with_hint("delete it (az image delete --ids …) and publish again"))
            }
            Some(_) => Ok(Poll::Pending { percent: None, retry_after: None }),
        }
    };
    cx.poll("waiting for the managed image", Schedule::new(LONGEST_WAIT, DEADLINE), look).await
}
