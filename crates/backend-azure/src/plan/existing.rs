//! What is there already, and whether it is what we would make.

use publisher::{Cx, Error, Kind, Result};
use serde_json::Value;

use super::Shape;
use crate::{
    Azure, Destination, Registered, Undo,
    client::versions,
    import,
    origin::Origin,
    register::{Version as RegisteredVersion, features},
    tags,
    version::Version,
};

/// A gallery that is there has to be open to whom the configuration says: Azure lets a gallery's permissions be chosen
/// when it is made, and not changed (Compute Gallery, "Share images", limitations).
pub async fn check_gallery(azure: &Azure, cx: &Cx<Undo>) -> Result<()> {
    let Some(sharing) = &azure.config.sharing else { return Ok(()) };
    let id = azure.names.gallery();
    let Some(gallery) = cx.retry("reading the gallery", || azure.arm.find(&id, versions::GALLERIES)).await? else {
        return Ok(());
    };
    let found = gallery["properties"]["sharingProfile"]["permissions"].as_str().unwrap_or("Private");
    let wanted = sharing.permissions();
    if found.eq_ignore_ascii_case(wanted) {
        return Ok(());
    }
    let text =
        format!("the permissions of gallery {} are {found}, and azure.sharing needs {wanted}", azure.names.gallery);
    Err(Error::new(Kind::Conflict, text)
        .with_hint("a gallery's permissions cannot be changed: name another one with azure.gallery, and it is made so"))
}

/// A definition that is there has to be the one we would make: nothing is changed under others' feet. Tells whether one is.
pub async fn check_definition(azure: &Azure, cx: &Cx<Undo>, shape: &Shape) -> Result<bool> {
    let id = azure.names.definition();
    let there = cx.retry("reading the image definition", || azure.arm.find(&id, versions::GALLERIES)).await?;
    let Some(there) = there else { return Ok(false) };
    let differences = differences(azure, shape, &there["properties"]);
    if differences.is_empty() {
        return Ok(true);
    }
    let text = format!("the image definition {} is another: {}", azure.names.definition, differences.join("; "));
    Err(Error::new(Kind::Conflict, text)
        .with_hint("name another one with azure.definition, or correct the configuration"))
}

/// What a definition has otherwise than the image and the configuration need it, field by field.
fn differences(azure: &Azure, shape: &Shape, found: &Value) -> Vec<String> {
    let config = &azure.config;
    let by_image = [
        ("/osType", "Linux"),
        ("/osState", "Generalized"),
        ("/hyperVGeneration", &shape.generation),
        ("/architecture", &shape.architecture),
    ];
    // Who has not said what these are has nothing against those of whoever made the definition.
    let by_configuration = [
        ("/identifier/publisher", &config.publisher),
        ("/identifier/offer", &config.offer),
        ("/identifier/sku", &config.sku),
    ];
    let by_configuration = by_configuration
        .into_iter()
        .filter_map(|(field, wanted)| Some((field, wanted.as_deref()?, "configuration says")));
    let mut differences = Vec::new();
    // What Azure takes a definition for that says neither, as those did that are older than the fields.
    let without_field = |field: &str| match field {
        "/hyperVGeneration" => "V1",
        "/architecture" => "x64",
        _ => "not set",
    };
    for (field, wanted, who) in
        by_image.map(|(field, wanted)| (field, wanted, "image needs")).into_iter().chain(by_configuration)
    {
        let found = found.pointer(field).and_then(Value::as_str).unwrap_or(without_field(field));
        if !found.eq_ignore_ascii_case(wanted) {
            differences.push(format!("{} is {found}, the {who} {wanted}", field[1..].replace('/', ".")));
        }
    }
    for (name, wanted) in features(config, shape) {
        let feature = found["features"].as_array().into_iter().flatten().find(|feature| feature["name"] == name);
        let value = feature.and_then(|feature| feature["value"].as_str());
        if normal(value.unwrap_or_else(|| without(name))) != normal(&wanted) {
            differences.push(format!("{name} is {}, the configuration says {wanted}", value.unwrap_or("not set")));
        }
    }
    differences
}

/// What a definition is taken for that lacks a feature, as one made with an api-version before 2025-03-03 may.
fn without(feature: &str) -> &'static str {
    match feature {
        "SecurityType" => "Standard",
        "DiskControllerTypes" => "SCSI",
        _ => "False",
    }
}

/// A feature's value without what makes no difference: case, blanks, and the order of a list.
fn normal(value: &str) -> Vec<String> {
    let mut parts: Vec<_> = value.split(',').map(|part| part.trim().to_ascii_lowercase()).collect();
    parts.sort_unstable();
    parts
}

/// A managed image that is to stay has a name that others can have taken.
pub async fn check_managed_image(azure: &Azure, cx: &Cx<Undo>, version: Version) -> Result<()> {
    let id = azure.names.managed_image(&version.to_string());
    let there = cx.retry("looking for the managed image", || azure.arm.find(&id, versions::IMAGES)).await?;
    match there {
        Some(image) if !tags::is_of_run(&image, cx.run()) => Err(import::taken(&id)),
        _ => Ok(()),
    }
}

/// Everything of the image that is there: versions of the definition, or managed images of its name.
pub async fn all(azure: &Azure, cx: &Cx<Undo>) -> Result<Vec<(Version, Value)>> {
    let gallery = azure.config.destination() == Destination::Gallery;
    let (what, id, api) = if gallery {
        ("reading the image versions", azure.names.versions(), versions::GALLERIES)
    } else {
        ("reading the managed images", azure.names.managed_images(), versions::IMAGES)
    };
    let list = cx.retry(what, || azure.arm.list(&id, api)).await?;
    let version = |name: &str| if gallery { Version::parse(name) } else { azure.names.version_of_managed_image(name) };
    let read = |entry: Value| Some((version(entry["name"].as_str().unwrap_or_default())?, entry));
    Ok(list.into_iter().filter_map(read).collect())
}

/// The version to make, or the one that holds this content already.
pub fn choose_version(
    azure: &Azure,
    all: Vec<(Version, Value)>,
    digest: &str,
    disk_size: u64,
) -> Result<(Version, Option<Value>)> {
    let holds_it = |entry: &Value| tags::holds(entry, digest, disk_size);
    let Some(wanted) = azure.version() else {
        let highest = all.iter().map(|(version, _)| *version).max();
        let found = all.into_iter().filter(|(_, entry)| holds_it(entry)).max_by_key(|(version, _)| *version);
        return Ok(found.map_or((Version::after(highest), None), |(version, entry)| (version, Some(entry))));
    };
    match all.into_iter().find(|(version, _)| *version == wanted) {
        None => Ok((wanted, None)),
        Some((_, entry)) if holds_it(&entry) => Ok((wanted, Some(entry))),
        Some(_) => {
            let text = format!("version {wanted} of {} is there and holds another image", azure.names.definition);
            Err(Error::new(Kind::Conflict, text).with_hint(
                "versions are never overwritten: publish under a new one, or leave --version out for the next",
            ))
        }
    }
}

/// What an earlier run registered.
pub async fn registered(azure: &Azure, cx: &Cx<Undo>, entry: &Value) -> Result<Registered> {
    let id = entry["id"].as_str().unwrap_or_default().to_owned();
    if azure.config.destination() == Destination::ManagedImage {
        return Ok(Registered::ManagedImage { id });
    }
    let origin = cx.retry("looking for what the version was made from", || Origin::of(azure, entry)).await?;
    Ok(Registered::Version(RegisteredVersion { id, origin, operation: None }))
}
