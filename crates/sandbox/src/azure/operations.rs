//! Long-running operations, in both of the ways that Azure reports them.

use std::time::Duration;

use serde_json::{Value, json};

use super::error::{ArmError, arm};
use crate::{
    environment::SUBSCRIPTION,
    ids,
    message::{Call, Reply},
    server::World,
};

/// Something that takes a while.
#[derive(Clone, Debug)]
pub struct Operation {
    pub ready_at: Duration,
    /// The resource that it works on, by key.
    pub resource: Option<String>,
    /// What it answers in the end, where that is not the resource.
    pub output: Option<Value>,
    pub error: Option<ArmError>,
}

/// Adds the headers by which a client follows `operation` to a reply.
pub fn follow(world: &World, call: &Call, reply: Reply, operation: Operation) -> Reply {
    let id = ids::random();
    world.azure.state().operations.insert(id.clone(), operation);
    let version = call.param("api-version").unwrap_or_default();
    let url = format!(
        "{}/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Compute/locations/eastus/capsOperations/{id}?api-version={version}",
        call.origin
    );
    let reply = reply.with("location", format!("{url}&monitor=true")).with("azure-asyncoperation", url);
    pause(world, reply)
}

/// Tells the client when to come back.
fn pause(world: &World, reply: Reply) -> Reply {
    match world.pace.retry_after {
        Some(seconds) => reply.with("retry-after", seconds.to_string()),
        None => reply,
    }
}

/// `GET …/capsOperations/{id}`, as a status document or, with `monitor=true`, as the result itself.
pub fn look(world: &World, call: &Call, id: &str) -> Result<Reply, ArmError> {
    let Some(operation) = world.azure.state().operations.get(id).cloned() else {
        return Err(arm(404, "OperationNotFound", format!("The operation {id} is not found.")));
    };
    let over = world.clock.now() >= operation.ready_at;
    if call.param("monitor").is_some() {
        return monitor(world, operation, over);
    }
    let mut body = json!({"name": id, "status": if over { "Succeeded" } else { "InProgress" }});
    match (over, operation.error, operation.output) {
        (true, Some(error), _) => {
            body["status"] = "Failed".into();
            body["error"] = json!({"code": error.code, "message": error.message});
        }
        (true, None, Some(output)) => body["properties"] = json!({"output": output}),
        _ => {}
    }
    Ok(pause(world, Reply::json(200, &body)))
}

fn monitor(world: &World, operation: Operation, over: bool) -> Result<Reply, ArmError> {
    if !over {
        return Ok(pause(world, Reply::empty(202)));
    }
    if let Some(error) = operation.error {
        return Err(error);
    }
    if let Some(output) = operation.output {
        return Ok(Reply::json(200, &output));
    }
    let state = world.azure.state();
    let resource = operation.resource.and_then(|key| state.resources.get(&key));
    Ok(resource.map_or_else(|| Reply::empty(204), |resource| Reply::json(200, &resource.view(world))))
}
