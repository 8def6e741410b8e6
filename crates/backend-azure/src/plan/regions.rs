//! Which regions are meant.

use publisher::{Cx, Error, Event, Kind, Region, Result};
use serde_json::Value;

use crate::{Azure, Destination, Undo, client::versions, config::plain};

/// The home region and all regions, by programmatic name.
pub async fn regions(azure: &Azure, cx: &Cx<Undo>) -> Result<(String, Vec<Region>)> {
    let wanted = azure.config.regions.clone().unwrap_or_default().0;
    let home =
        azure.config.location.clone().or_else(|| wanted.first().cloned()).or_else(|| azure.home.clone()).ok_or_else(
            || {
                Error::new(Kind::Config, "no Azure region is given")
                    .with_hint("name at least one: --regions westus2,westus")
            },
        )?;
    let known = known(azure, cx).await?;
    let home = resolve(&home, &known)?;
    let mut regions = vec![home.clone()];
    for name in &wanted {
        let region = resolve(name, &known)?;
        if !regions.contains(&region) {
            regions.push(region);
        }
    }
    if let Some(other) = regions.get(1)
        && azure.config.destination() == Destination::ManagedImage
    {
        let text = format!("a managed image is in one region, and besides {home} there is {other}");
        return Err(Error::new(Kind::Config, text)
            .with_hint("name one region, or publish to a gallery: azure.destination = \"gallery\""));
    }
    for name in azure.config.per_region.keys() {
        let other =
            resolve(name, &known).map_err(|error| error.context(format!("azure.per_region.{name} is no region's")))?;
        if !regions.contains(&other) {
            let message = format!("azure.per_region.{name} is configured, and the image does not go there");
            cx.emit(Event::Warning { message });
        }
    }
    Ok((home.0, regions))
}

/// The regions that are configured, by programmatic name; there may be none.
pub async fn named(azure: &Azure, cx: &Cx<Undo>) -> Result<Vec<Region>> {
    let wanted = azure.config.regions.clone().unwrap_or_default().0;
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let known = known(azure, cx).await?;
    wanted.iter().map(|name| resolve(name, &known)).collect()
}

/// All regions that the subscription has.
async fn known(azure: &Azure, cx: &Cx<Undo>) -> Result<Vec<Value>> {
    let subscription = format!("/subscriptions/{}/locations", azure.names.subscription);
    let known = cx.retry("reading the regions", || azure.arm.list(&subscription, versions::SUBSCRIPTIONS)).await?;
    if known.is_empty() {
        return Err(Error::new(Kind::NotFound, format!("there is no subscription {}", azure.names.subscription))
            .with_hint("check azure.subscription, and that the identity has a role in it"));
    }
    Ok(known)
}

/// A region by its programmatic or its display name.
fn resolve(name: &str, known: &[Value]) -> Result<Region> {
    let wanted = plain(name);
    let names = || known.iter().filter_map(|location| location["name"].as_str());
    if let Some(found) = names().find(|known| plain(known) == wanted) {
        return Ok(Region(found.to_owned()));
    }
    let start: String = wanted.chars().take(5).collect();
    let near: Vec<_> = names().filter(|known| known.contains(&start)).take(4).collect();
    let error = Error::new(Kind::Config, format!("Azure has no region \"{name}\""));
    Err(if near.is_empty() {
        error.with_hint("`az account list-locations --output table` lists them")
    } else {
        error.with_hint(format!("did you mean {}?", near.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn regions_are_known_by_both_names_and_a_wrong_one_suggests_others() {
        let known = [json!({"name": "westus2"}), json!({"name": "westus"}), json!({"name": "eastus"})];
        assert_eq!(resolve("West US 2", &known).unwrap().0, "westus2");
        assert_eq!(resolve("westus", &known).unwrap().0, "westus");
        let error = resolve("westus9", &known).unwrap_err();
        assert_eq!(error.to_string(), "Azure has no region \"westus9\"");
        assert_eq!(error.hint(), Some("did you mean westus2, westus?"));
        assert!(resolve("西日本", &known).is_err());
        assert!(resolve("mars", &known).unwrap_err().hint().unwrap().contains("list-locations"));
    }
}
