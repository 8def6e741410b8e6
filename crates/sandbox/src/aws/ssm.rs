//! Systems Manager's parameters. One that names an AMI is taken only if the AMI is there, and that is looked at after the
//! answer.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use super::{json, region, state::ACCOUNT};
use crate::{
    message::{Call, Reply},
    server::World,
};

/// What a parameter holds.
#[derive(Clone, Debug)]
pub struct Parameter {
    pub value: String,
    pub kind: String,
    pub data_type: String,
    pub version: u64,
    pub tags: BTreeMap<String, String>,
    /// When this takes the place of what there was before.
    pub since: Duration,
    pub before: Option<Box<Parameter>>,
}

impl Parameter {
    /// One whose value is nobody's business.
    pub fn secret() -> Self {
        let (value, kind, data_type) = ("sandbox-secret".to_owned(), "SecureString".to_owned(), "text".to_owned());
        Self { value, kind, data_type, version: 1, tags: BTreeMap::new(), since: Duration::ZERO, before: None }
    }

    /// What there is at a time.
    pub fn at(&self, now: Duration) -> Option<&Self> {
        if now >= self.since { Some(self) } else { self.before.as_ref()?.at(now) }
    }
}

/// The longest name, and the most levels that it may have (PutParameter, "Name").
const LONGEST: usize = 1011;
const LEVELS: usize = 15;

pub fn answer(world: &World, call: &Call) -> Reply {
    let handled = match json::operation(call).as_str() {
        "GetParameter" => get(world, call),
        "PutParameter" => put(world, call),
        other => Err(json::error(400, "UnknownOperationException", other)),
    };
    handled.unwrap_or_else(|refusal| refusal)
}

fn name_of(body: &Value) -> Result<&str, Reply> {
    body["Name"].as_str().ok_or_else(|| json::error(400, "ValidationException", "Name is required"))
}

fn get(world: &World, call: &Call) -> Result<Reply, Reply> {
    let body = call.json();
    let name = name_of(&body)?;
    let region = region(call);
    let regions = world.aws.regions();
    let found = regions.get(&region).and_then(|region| region.parameters.get(name)?.at(world.clock.now()));
    let parameter = found.ok_or_else(|| json::error(400, "ParameterNotFound", ""))?;
    Ok(json::reply(
        200,
        &json!({"Parameter": {
            "Name": name, "Type": parameter.kind, "Value": parameter.value, "Version": parameter.version,
            "LastModifiedDate": 1_767_323_045.0, "DataType": parameter.data_type,
            "ARN": format!("arn:aws:ssm:{region}:{ACCOUNT}:parameter/{}", name.trim_start_matches('/')),
        }}),
    ))
}

fn put(world: &World, call: &Call) -> Result<Reply, Reply> {
    let body = call.json();
    let (name, text) = (name_of(&body)?, |field: &str| body[field].as_str().map(str::to_owned));
    check_name(name)?;
    let tags = json::tags(&body);
    let overwrites = body["Overwrite"].as_bool().unwrap_or_default();
    if overwrites && !tags.is_empty() {
        let message = "Invalid request: tags and overwrite can't be used together.";
        return Err(json::error(400, "ValidationException", message));
    }
    let mut regions = world.aws.regions();
    let region = regions.entry(region(call)).or_default();
    let now = world.clock.now();
    let there = region.parameters.get(name).and_then(|there| there.at(now)).cloned();
    if there.is_some() && !overwrites {
        return Err(json::error(400, "ParameterAlreadyExists", "The parameter already exists."));
    }
    let kind = text("Type").or_else(|| there.as_ref().map(|there| there.kind.clone()));
    let kind = kind.ok_or_else(|| json::error(400, "ValidationException", "A parameter type is required."))?;
    if there.as_ref().is_some_and(|there| there.kind != kind) {
        return Err(json::error(400, "HierarchyTypeMismatchException", "The type of a parameter cannot be changed."));
    }
    let parameter = Parameter {
        value: text("Value").unwrap_or_default(),
        kind,
        data_type: text("DataType").unwrap_or_else(|| "text".to_owned()),
        version: there.as_ref().map_or(1, |there| there.version + 1),
        tags: if tags.is_empty() { there.as_ref().map(|there| there.tags.clone()).unwrap_or_default() } else { tags },
        since: now,
        before: there.map(Box::new),
    };
    let reply = json::reply(200, &json!({"Version": parameter.version, "Tier": "Standard"}));
    // A value that names no available AMI of the region is answered well, and never takes its place (Parameter Store,
    // "Native parameter support for Amazon Machine Image IDs").
    let is_image = parameter.data_type == "aws:ec2:image";
    let available = region.images.get(&parameter.value).is_some_and(|image| image.state(world) == "available");
    if !is_image || available {
        let looked_at = if is_image { world.pace.parameter } else { Duration::ZERO };
        region.parameters.insert(name.to_owned(), Parameter { since: now + looked_at, ..parameter });
    }
    Ok(reply)
}

fn check_name(name: &str) -> Result<(), Reply> {
    let refuse = |message: &str| Err(json::error(400, "ValidationException", message));
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_.-/".contains(c);
    if name.is_empty() || name.len() > LONGEST || !name.chars().all(allowed) {
        return refuse(
            "Parameter name: can't be prefixed with \"ssm\" (case-insensitive). If formed as a path, it can consist of sub-paths divided by slash symbol; each sub-path can be formed as a mix of letters, numbers and the following 3 symbols .-_",
        );
    }
    if name.contains('/') && !name.starts_with('/') {
        return refuse("Parameter name must be a fully qualified name.");
    }
    if name.matches('/').count() > LEVELS {
        return Err(json::error(
            400,
            "HierarchyLevelLimitExceededException",
            "A hierarchy can have at most 15 levels.",
        ));
    }
    let first = name.trim_start_matches('/').to_lowercase();
    if first.starts_with("aws") || first.starts_with("ssm") {
        return refuse("No access to reserved parameter name.");
    }
    Ok(())
}
