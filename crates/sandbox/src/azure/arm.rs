//! The Resource Manager: which resource a path names, and what every kind of resource has in common.

use http::Method;
use serde_json::{Value, json};

use super::{
    disks,
    error::{ArmError, arm, invalid},
    galleries, groups, images, locations, operations,
    operations::Operation,
    resource::{Kind, Resource},
    sharing, token, versions,
};
use crate::{
    environment::{SUBSCRIPTION, TENANT},
    message::{Call, Reply},
    server::World,
};

/// What a path names.
#[derive(Clone, Debug)]
pub struct Path {
    pub kind: Kind,
    /// The id as the client wrote it, without an action.
    pub id: String,
    /// Names along the path: group, then resource, then its children.
    pub names: Vec<String>,
    /// What is asked of the resource, as `beginGetAccess`.
    pub action: Option<String>,
    /// Whether the path names all resources of the kind.
    pub collection: bool,
}

impl Path {
    /// The key under which the state has it.
    pub fn key(&self) -> String {
        self.id.to_lowercase()
    }

    /// The key of what it lies in.
    pub fn parent(&self) -> String {
        let key = self.key();
        let cut = if self.names.len() == 2 { "/providers/" } else { "/" };
        let end = key.rfind(cut).unwrap_or(key.len());
        let parent = &key[..end];
        if self.names.len() > 2 { parent[..parent.rfind('/').unwrap_or(end)].to_owned() } else { parent.to_owned() }
    }

    pub fn name(&self) -> &str {
        self.names.last().map(String::as_str).unwrap_or_default()
    }

    /// Reads `/subscriptions/{s}/resourceGroups/{g}[/providers/Microsoft.Compute/…]`.
    fn parse(call: &Call) -> Option<Self> {
        let lower: Vec<_> = call.segments.iter().map(|segment| segment.to_lowercase()).collect();
        let lower: Vec<_> = lower.iter().map(String::as_str).collect();
        let names = |indexes: &[usize]| indexes.iter().map(|index| call.segments[*index].clone()).collect::<Vec<_>>();
        let path = |kind, indexes: &[usize], length: usize, collection| {
            let action = call.segments.get(length).cloned();
            Some(Self {
                kind,
                id: format!("/{}", call.segments[..length.min(call.segments.len())].join("/")),
                names: names(indexes),
                action,
                collection,
            })
        };
        match &lower[..] {
            ["subscriptions", _, "resourcegroups"] => path(Kind::Group, &[], 3, true),
            ["subscriptions", _, "resourcegroups", _] => path(Kind::Group, &[3], 4, false),
            ["subscriptions", _, "resourcegroups", _, "providers", "microsoft.compute", rest @ ..] => match rest {
                ["disks"] => path(Kind::Disk, &[3], 7, true),
                ["disks", ..] => path(Kind::Disk, &[3, 7], 8, false),
                ["images"] => path(Kind::Image, &[3], 7, true),
                ["images", ..] => path(Kind::Image, &[3, 7], 8, false),
                ["galleries"] => path(Kind::Gallery, &[3], 7, true),
                ["galleries", _] => path(Kind::Gallery, &[3, 7], 8, false),
                ["galleries", _, "images"] => path(Kind::Definition, &[3, 7], 9, true),
                ["galleries", _, "images", _] => path(Kind::Definition, &[3, 7, 9], 10, false),
                ["galleries", _, "images", _, "versions"] => path(Kind::Version, &[3, 7, 9], 11, true),
                ["galleries", _, "images", _, "versions", _] => path(Kind::Version, &[3, 7, 9, 11], 12, false),
                ["galleries", _, ..] => path(Kind::Gallery, &[3, 7], 8, false),
                _ => None,
            },
            _ => None,
        }
    }
}

/// The name by which faults and counts know a call.
pub fn operation(call: &Call) -> &'static str {
    let Some(path) = Path::parse(call) else {
        let polls = call.segments.iter().any(|segment| segment == "capsOperations");
        return if polls {
            "PollOperation"
        } else if call.is_read() {
            "ReadSubscription"
        } else {
            "Unknown"
        };
    };
    match (&call.method, path.action.as_deref(), path.kind) {
        (_, Some("beginGetAccess"), _) => "BeginGetAccess",
        (_, Some("endGetAccess"), _) => "EndGetAccess",
        (&Method::POST, Some("share"), _) => "ShareGallery",
        (&Method::GET | &Method::HEAD, ..) => "Read",
        (&Method::DELETE, _, Kind::Group) => "DeleteResourceGroup",
        (&Method::DELETE, _, Kind::Disk) => "DeleteDisk",
        (&Method::DELETE, _, Kind::Image) => "DeleteImage",
        (&Method::DELETE, _, Kind::Gallery) => "DeleteGallery",
        (&Method::DELETE, _, Kind::Definition) => "DeleteImageDefinition",
        (&Method::DELETE, _, Kind::Version) => "DeleteImageVersion",
        (_, None, Kind::Group) => "PutResourceGroup",
        (_, None, Kind::Disk) => "PutDisk",
        (_, None, Kind::Image) => "PutImage",
        (_, None, Kind::Gallery) => "PutGallery",
        (_, None, Kind::Definition) => "PutImageDefinition",
        (_, None, Kind::Version) => "PutImageVersion",
        _ => "Unknown",
    }
}

pub fn answer(world: &World, call: &Call) -> Reply {
    if !token::is_authorized(world, call) {
        return Reply::from(arm(401, "ExpiredAuthenticationToken", "The access token is missing, invalid or expired."))
            .with("www-authenticate", format!("Bearer authorization_uri=\"{}/{TENANT}\"", call.origin));
    }
    world.azure.requests.note(call);
    handle(world, call).unwrap_or_else(Reply::from)
}

fn handle(world: &World, call: &Call) -> Result<Reply, ArmError> {
    if call.param("api-version").is_none() {
        return Err(arm(
            400,
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required.",
        ));
    }
    let segments: Vec<_> = call.segments.iter().map(String::as_str).collect();
    if let ["subscriptions", subscription, ..] = &*segments
        && *subscription != SUBSCRIPTION
    {
        let message = format!("The subscription '{subscription}' could not be found.");
        return Err(arm(404, "SubscriptionNotFound", message));
    }
    let subscription = json!({
        "id": format!("/subscriptions/{SUBSCRIPTION}"), "subscriptionId": SUBSCRIPTION, "tenantId": TENANT,
        "displayName": "Sandbox", "state": "Enabled",
    });
    match &*segments {
        ["subscriptions"] => return Ok(Reply::json(200, &json!({"value": [subscription]}))),
        ["subscriptions", _] => return Ok(Reply::json(200, &subscription)),
        ["subscriptions", _, "locations"] => return Ok(Reply::json(200, &locations::list(SUBSCRIPTION))),
        ["subscriptions", _, "providers", "Microsoft.Compute", "locations", _, "capsOperations", id] => {
            return operations::look(world, call, id);
        }
        _ => {}
    }
    let Some(path) = Path::parse(call) else {
        return Err(arm(404, "InvalidResourceType", "The resource type could not be found in the namespace."));
    };
    match (&call.method, path.action.as_deref()) {
        (&Method::GET | &Method::HEAD, None) if path.collection => list(world, &path),
        (&Method::GET | &Method::HEAD, None) => get(world, call, &path),
        (&Method::PUT, None) => put(world, call, &path),
        (&Method::DELETE, None) => delete(world, call, &path),
        (&Method::POST, Some("beginGetAccess")) if path.kind == Kind::Disk => disks::begin_access(world, call, &path),
        (&Method::POST, Some("endGetAccess")) if path.kind == Kind::Disk => disks::end_access(world, call, &path),
        (&Method::POST, Some("share")) if path.kind == Kind::Gallery => sharing::share(world, call, &path),
        _ => Err(arm(405, "MethodNotAllowed", "The requested operation is not supported for this resource.")),
    }
}

fn list(world: &World, path: &Path) -> Result<Reply, ArmError> {
    let state = world.azure.state();
    let prefix = format!("{}/", path.key());
    let inside = |key: &str| key.strip_prefix(&prefix).is_some_and(|rest| !rest.contains('/'));
    let found: Vec<_> = state.resources.iter().filter(|(key, _)| inside(key)).map(|(_, r)| r.view(world)).collect();
    Ok(Reply::json(200, &json!({"value": found})))
}

fn get(world: &World, call: &Call, path: &Path) -> Result<Reply, ArmError> {
    let state = world.azure.state();
    let resource = state.resources.get(&path.key()).ok_or_else(|| absent(&state.resources, path))?;
    let mut view = resource.view(world);
    if call.param("$expand") == Some("ReplicationStatus") {
        view["properties"]["replicationStatus"] = versions::replication_status(world, resource);
    }
    let expands = |what: &str| call.param("$expand").is_some_and(|given| given.eq_ignore_ascii_case(what));
    if path.kind == Kind::Gallery && !expands("SharingProfile/Groups") {
        sharing::hide_groups(&mut view);
    }
    Ok(Reply::json(200, &view))
}

/// What is said of a resource that is not there depends on whether its group is.
fn absent(resources: &std::collections::BTreeMap<String, Resource>, path: &Path) -> ArmError {
    let group = path.key().split('/').take(5).collect::<Vec<_>>().join("/");
    if path.kind == Kind::Group || !resources.contains_key(&group) {
        let name = path.names.first().map(String::as_str).unwrap_or_default();
        return arm(404, "ResourceGroupNotFound", format!("Resource group '{name}' could not be found."));
    }
    let kind = path.kind.type_name();
    let names = path.names[1..].join("/");
    arm(404, "ResourceNotFound", format!("The Resource '{kind}/{names}' was not found."))
}

fn put(world: &World, call: &Call, path: &Path) -> Result<Reply, ArmError> {
    let body = call.json();
    let location = body["location"].as_str().and_then(locations::find).ok_or_else(|| {
        let message = format!(
            "The provided location {} is not available for resource type '{}'.",
            body["location"],
            path.kind.type_name()
        );
        arm(400, "LocationNotAvailableForResourceType", message)
    })?;
    if path.kind != Kind::Group && !world.azure.state().resources.contains_key(&path.parent()) {
        let parent = Path { id: path.parent(), names: path.names[..path.names.len() - 1].to_vec(), ..path.clone() };
        return Err(absent(&world.azure.state().resources, &parent));
    }
    let mut resource = Resource {
        id: path.id.clone(),
        kind: path.kind,
        name: path.name().to_owned(),
        location,
        tags: if body["tags"].is_null() { json!({}) } else { body["tags"].clone() },
        sku: body["sku"].clone(),
        properties: if body["properties"].is_null() { json!({}) } else { body["properties"].clone() },
        ready_at: world.clock.now() + world.pace.arm,
        content: None,
        sas: None,
        validated: false,
        is_elsewhere: false,
        replicas: Vec::new(),
    };
    let existing = world.azure.state().resources.get(&path.key()).cloned();
    let error = match path.kind {
        Kind::Group => groups::put(&mut resource, existing.as_ref()).map(|()| None),
        Kind::Disk => disks::put(world, &mut resource, existing.as_ref()).map(|()| None),
        Kind::Image => images::put(world, &mut resource, existing.as_ref()).map(|()| None),
        Kind::Gallery => galleries::put_gallery(&mut resource, existing.as_ref()).map(|()| None),
        Kind::Definition => {
            galleries::put_definition(world, &mut resource, existing.as_ref(), &path.parent()).map(|()| None)
        }
        Kind::Version => versions::put(world, &mut resource, existing.as_ref(), &path.parent()),
    }?;
    let ready_at = resource.ready_at;
    let view = resource.view(world);
    world.azure.state().resources.insert(path.key(), resource);
    let status = match (path.kind, existing.is_some()) {
        (Kind::Group, true) | (Kind::Gallery | Kind::Definition | Kind::Version, true) => 200,
        (Kind::Disk | Kind::Image, _) => 202,
        _ => 201,
    };
    let reply = Reply::json(status, &view);
    if path.kind == Kind::Group {
        return Ok(reply);
    }
    let operation = Operation { ready_at, resource: Some(path.key()), output: None, error };
    Ok(operations::follow(world, call, reply, operation))
}

fn delete(world: &World, call: &Call, path: &Path) -> Result<Reply, ArmError> {
    let key = path.key();
    let mut state = world.azure.state();
    let Some(resource) = state.resources.get(&key) else {
        return Ok(Reply::empty(204));
    };
    let inside = format!("{key}/");
    let children = || state.resources.keys().any(|other| other.starts_with(&inside));
    match path.kind {
        Kind::Disk if resource.sas.is_some() => {
            let message = "There is an active shared access signature outstanding for disk. Call EndGetAccess before deleting it.";
            return Err(arm(409, "OperationNotAllowed", message));
        }
        Kind::Gallery if sharing::is_public(resource) => {
            return Err(arm(
                409,
                "OperationNotAllowed",
                "Reset the sharing of a community gallery before deleting it.",
            ));
        }
        Kind::Gallery | Kind::Definition if children() => {
            return Err(arm(
                409,
                "CannotDeleteResource",
                "Can not delete resource before nested resources are deleted.",
            ));
        }
        _ => {}
    }
    let in_use = matches!(path.kind, Kind::Image | Kind::Disk)
        && state
            .resources
            .values()
            .any(|other| other.kind == Kind::Version && !other.is_ready(world) && versions::source(other) == key);
    if in_use {
        return Err(arm(409, "OperationNotAllowed", "The resource is being copied to an image version."));
    }
    // Deleting a group deletes all that is in it.
    state.resources.retain(|other, _| *other != key && !(path.kind == Kind::Group && other.starts_with(&inside)));
    drop(state);
    let operation =
        Operation { ready_at: world.clock.now() + world.pace.arm, resource: None, output: None, error: None };
    Ok(operations::follow(world, call, Reply::empty(202), operation))
}

/// A value at a JSON pointer, as text.
pub fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer)?.as_str()
}

/// A value that has to be there.
pub fn required<'a>(value: &'a Value, pointer: &str) -> Result<&'a str, ArmError> {
    text(value, pointer).ok_or_else(|| {
        invalid(format!(
            "Required parameter '{}' is missing (null).",
            pointer.trim_start_matches('/').replace('/', ".")
        ))
    })
}
