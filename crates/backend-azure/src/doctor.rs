//! What publishing needs, looked at one thing after the other.

use publisher::{Check, Cx};

use crate::{
    Azure, Destination, Undo,
    plan::{existing, regions},
};

pub async fn doctor(azure: &Azure, cx: &Cx<Undo>) -> Vec<Check> {
    let named = regions::regions(azure, cx)
        .await
        .map(|(_, regions)| regions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
    let reaches = named.is_ok();
    let mut checks = vec![Check::new("identity, subscription and regions", named)];
    // Whoever cannot be recognised can ask for nothing else.
    if !reaches {
        return checks;
    }
    let all = existing::all(azure, cx).await;
    checks.push(Check::new("what is there already", all.map(|all| format!("{} of this image", all.len()))));
    if azure.config.destination() == Destination::Gallery {
        let gallery = existing::check_gallery(azure, cx).await;
        checks.push(Check::new("the gallery's sharing", gallery.map(|()| azure.names.gallery.clone())));
    }
    checks
}
