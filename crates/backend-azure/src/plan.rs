//! What can be known before anything is changed.

use std::sync::Arc;

use publisher::{Cx, Error, Event, Kind, Plan, Region, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use vhd::{Architecture, FixedVhd, GIB, Generation, Image, MIB};

use crate::{
    Azure, Config, Registered, Undo,
    client::versions,
    config::{one_of, plain},
    register::features,
    tags,
    version::Version,
};

/// What a disk and a definition are told of the image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// `V1` or `V2`.
    pub generation: String,
    /// `x64` or `Arm64`.
    pub architecture: String,
    /// Bytes of the disk, a whole number of MiB.
    pub disk_size: u64,
}

/// Limits of a disk's `uploadSizeBytes`, its footer not counted, and of a gallery version's source (Compute Gallery,
/// "Limits").
const SMALLEST: u64 = 20 * MIB;
const LARGEST: u64 = 2 << 40;

impl Shape {
    /// From the configuration first, then from the image.
    pub fn of(config: &Config, image: &Image) -> Result<Self> {
        let facts = image.facts()?;
        let by_image = match facts.generation() {
            Generation::V1 => "V1",
            Generation::V2 => "V2",
        };
        let generation = one_of("generation", config.generation.as_deref(), &["V1", "V2"])?.unwrap_or(by_image);
        let found = facts.architecture().map(|architecture| match architecture {
            Architecture::X86_64 => "x64",
            Architecture::Arm64 => "Arm64",
        });
        let wanted = one_of("architecture", config.architecture.as_deref(), &["x64", "Arm64"])?;
        if let (Some(wanted), Some(found)) = (wanted, found)
            && wanted != found
        {
            return Err(Error::new(
                Kind::Config,
                format!("azure.architecture is {wanted}, and the image boots on {found}"),
            ));
        }
        let architecture = wanted.or(found).unwrap_or("x64");
        if architecture == "Arm64" && generation == "V1" {
            return Err(Error::new(Kind::Config, "Azure has no Arm64 machines of generation 1")
                .with_hint("an Arm64 image needs a GPT and an EFI system partition"));
        }
        let image_size = FixedVhd::aligned(image.virtual_size()).max(SMALLEST);
        let disk_size = config.disk_size_gib.map_or(image_size, |gib| u64::from(gib) * GIB);
        if disk_size < image_size {
            let (asked, has) = (disk_size / GIB, image_size.div_ceil(GIB));
            let text = format!("azure.disk_size_gib is {asked}, and the image needs at least {has}");
            return Err(Error::new(Kind::Config, text));
        }
        if disk_size > LARGEST {
            let gib = disk_size / GIB;
            return Err(Error::new(Kind::Image, format!("the disk has {gib} GiB, and a gallery version at most 2048")));
        }
        Ok(Self { generation: generation.to_owned(), architecture: architecture.to_owned(), disk_size })
    }
}

/// What the later stages work by.
#[derive(Clone, Debug)]
pub struct Decided {
    pub shape: Shape,
    pub location: String,
    pub regions: Vec<Region>,
    pub version: Version,
    pub digest: String,
}

pub async fn preflight(azure: &Azure, cx: &Cx<Undo>, image: &Arc<Image>) -> Result<Plan<Registered>> {
    let shape = Shape::of(&azure.config, image)?;
    let facts = image.facts()?;
    for problem in &facts.problems {
        cx.emit(Event::Warning { message: format!("the image: {problem}") });
    }
    if facts.boot_files.is_empty() && shape.generation == "V2" {
        let message = "the image has no EFI boot file at the removable-media path; it may not boot on Azure".to_owned();
        cx.emit(Event::Warning { message });
    }
    let (location, regions) = regions(azure, cx).await?;
    let digest = image.content()?.digest().to_string();

    let definition_id = azure.names.definition();
    let definition =
        cx.retry("reading the image definition", || azure.arm.find(&definition_id, versions::GALLERIES)).await?;
    if let Some(definition) = &definition {
        check_definition(azure, &shape, definition)?;
    }
    let list_id = azure.names.versions();
    let list = cx.retry("reading the image versions", || azure.arm.list(&list_id, versions::GALLERIES)).await?;
    let (version, found) = choose_version(azure, &list, &digest)?;
    if found.is_none() && shape.architecture == "x64" {
        check_managed_image(azure, cx, &version.to_string()).await?;
    }
    let decided = Decided { shape, location, regions, version, digest };
    let plan = Plan {
        steps: steps(azure, &decided, definition.is_some(), found.is_some(), image)?,
        regions: decided.regions.clone(),
        found,
    };
    azure.decided.set(decided).map_err(|_| Error::new(Kind::Local, "a backend publishes one image"))?;
    Ok(plan)
}

/// The home region and all regions, by programmatic name.
async fn regions(azure: &Azure, cx: &Cx<Undo>) -> Result<(String, Vec<Region>)> {
    let wanted = azure.config.regions.clone().unwrap_or_default().0;
    let home =
        azure.config.location.clone().or_else(|| wanted.first().cloned()).or_else(|| azure.home.clone()).ok_or_else(
            || {
                Error::new(Kind::Config, "no Azure region is given")
                    .with_hint("name at least one: --regions westus2,westus")
            },
        )?;
    let subscription = format!("/subscriptions/{}/locations", azure.names.subscription);
    let known = cx.retry("reading the regions", || azure.arm.list(&subscription, versions::SUBSCRIPTIONS)).await?;
    if known.is_empty() {
        return Err(Error::new(Kind::NotFound, format!("there is no subscription {}", azure.names.subscription))
            .with_hint("check azure.subscription, and that the identity has a role in it"));
    }
    let home = resolve(&home, &known)?;
    let mut regions = vec![home.clone()];
    for name in &wanted {
        let region = resolve(name, &known)?;
        if !regions.contains(&region) {
            regions.push(region);
        }
    }
    let is_among = |name: &str| regions.iter().any(|region| plain(&region.0) == plain(name));
    if let Some(other) = azure.config.per_region.keys().find(|name| !is_among(name)) {
        let all = regions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let text = format!("azure.per_region.{other} is configured, and the image goes to {all}");
        return Err(Error::new(Kind::Config, text).with_hint("add it to azure.regions, or take its table away"));
    }
    Ok((home.0, regions))
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

/// A definition that is there has to be the one we would make: nothing is changed under others' feet.
fn check_definition(azure: &Azure, shape: &Shape, definition: &Value) -> Result<()> {
    let properties = &definition["properties"];
    let mut wanted = vec![
        ("osType", "Linux".to_owned()),
        ("hyperVGeneration", shape.generation.clone()),
        ("architecture", shape.architecture.clone()),
    ];
    let given = features(&azure.config, shape);
    let feature = |name: &str| properties["features"].as_array().into_iter().flatten().find(|f| f["name"] == name);
    let mut differences = Vec::new();
    for (field, wanted) in wanted.drain(..) {
        let found = properties[field].as_str().unwrap_or("not set");
        if !found.eq_ignore_ascii_case(&wanted) {
            differences.push(format!("{field} is {found}, the image needs {wanted}"));
        }
    }
    for (name, wanted) in given {
        // A definition without the feature was made by other hands; what it lacks is decided by Azure's defaults.
        let Some(found) = feature(name).and_then(|feature| feature["value"].as_str()) else { continue };
        if !found.eq_ignore_ascii_case(&wanted) {
            differences.push(format!("{name} is {found}, the configuration says {wanted}"));
        }
    }
    if differences.is_empty() {
        return Ok(());
    }
    let text = format!("the image definition {} is another: {}", azure.names.definition, differences.join("; "));
    Err(Error::new(Kind::Conflict, text)
        .with_hint("name another one with azure.definition, or correct the configuration"))
}

/// A managed image of the name that ours will have is another's, unless the run's key is on it.
async fn check_managed_image(azure: &Azure, cx: &Cx<Undo>, version: &str) -> Result<()> {
    let id = azure.names.managed_image(version);
    let there = cx.retry("looking for the managed image", || azure.arm.find(&id, versions::IMAGES)).await?;
    match there {
        Some(image) if !tags::is_of_run(&image, cx.run()) => {
            Err(Error::new(Kind::Conflict, "a managed image of this name is there, and this run did not make it")
                .about(id)
                .with_hint("give the image another definition or version, or another resource group"))
        }
        _ => Ok(()),
    }
}

/// The version to make, or the one that holds this content already.
fn choose_version(azure: &Azure, list: &[Value], digest: &str) -> Result<(Version, Option<Registered>)> {
    let parsed = |entry: &Value| Version::parse(entry["name"].as_str().unwrap_or_default());
    let holds_it = |entry: &&Value| tags::digest_of(entry) == Some(digest);
    let found = match azure.version() {
        Some(wanted) => {
            let Some(there) = list.iter().find(|entry| parsed(entry) == Some(wanted)) else {
                return Ok((wanted, None));
            };
            if !holds_it(&there) {
                let text = format!("version {wanted} of {} is there and holds another image", azure.names.definition);
                return Err(Error::new(Kind::Conflict, text).with_hint(
                    "versions are never overwritten: publish under a new one, or leave --version out for the next",
                ));
            }
            there
        }
        None => match list.iter().filter(holds_it).max_by_key(|entry| parsed(entry)) {
            Some(there) => there,
            None => return Ok((Version::after(list.iter().filter_map(parsed).max()), None)),
        },
    };
    let version = parsed(found).unwrap_or(Version::after(None));
    Ok((version, Some(Registered::found(azure, found))))
}

fn steps(azure: &Azure, decided: &Decided, has_definition: bool, found: bool, image: &Image) -> Result<Vec<String>> {
    let version = format!("{}/{}", azure.names.definition, decided.version);
    let regions = decided.regions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if found {
        return Ok(vec![format!("bring version {version} to those of {regions} that do not have it")]);
    }
    let data = image.content()?.blocks().len() as u64 * vhd::CONTENT_BLOCK / MIB;
    let mut steps = vec![
        format!("make resource group {} in {}, if it is not there", azure.names.resource_group, decided.location),
        format!("upload at most {data} MiB to a new disk of {} MiB", decided.shape.disk_size / MIB),
    ];
    if decided.shape.architecture == "x64" {
        steps.push(format!("make managed image {}", azure.names.managed_image(&decided.version.to_string())));
    }
    if !has_definition {
        steps.push(format!(
            "make image definition {} ({}, {}) in gallery {}",
            azure.names.definition, decided.shape.generation, decided.shape.architecture, azure.names.gallery
        ));
    }
    steps.push(format!("make version {version} in {regions}"));
    steps.push("delete the disk".to_owned());
    Ok(steps)
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
