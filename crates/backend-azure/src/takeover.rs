use publisher::{Cx, Kind, Result};
use serde_json::Value;

use crate::{Azure, Undo};

/// Makes what an earlier attempt of the run made this attempt's own, by making it again as it is: tags are all that changes. Whether
/// Azure allows that; where it does not, the caller begins anew.
///
/// # Errors
/// What may pass and did not, and what the identity may not do: it could not begin anew either.
pub async fn take_over(
    azure: &Azure,
    cx: &Cx<Undo>,
    kind: &str,
    id: &str,
    api_version: &str,
    body: &Value,
) -> Result<bool> {
    let what = format!("taking over the {kind}");
    let taken = match cx.retry(&what, || azure.arm.put(id, api_version, body)).await {
        Ok(accepted) => azure.arm.finish(cx, &what, accepted).await.map(drop),
        Err(error) => Err(error),
    };
    match taken {
        Err(error) if matches!(error.kind(), Kind::Conflict | Kind::Invalid) => Ok(false),
        taken => taken.map(|()| true),
    }
}
