//! What a test or a curious user may see and do from outside: `/_sandbox/…`.

use std::{sync::Arc, time::Duration};

use http::Method;
use serde_json::{Value, json};

use crate::{
    Cut, Fault,
    content::Content,
    message::{Call, Reply},
    server::World,
};

/// Disks of both clouds are a whole number of these.
const DISK_UNIT: u64 = 1 << 20;

pub async fn answer(world: &World, call: &Call) -> Reply {
    if call.method == Method::GET && call.path == "/_sandbox/cut" {
        // Answered when the client has come there, or another cut is set.
        return Reply::json(200, &json!({"reached": world.cuts.is_reached().await}));
    }
    act(world, call)
}

fn act(world: &World, call: &Call) -> Reply {
    let segments: Vec<_> = call.segments.iter().map(String::as_str).collect();
    match (&call.method, &segments[1..]) {
        (&Method::GET, ["state"]) => Reply::json(200, &state(world)),
        (&Method::GET, ["requests"]) => Reply::json(200, &json!(world.azure.requests())),
        (&Method::POST, ["elsewhere"]) => match call.json()["url"].as_str() {
            Some(url) => {
                world.azure.lead_elsewhere(url.to_owned());
                Reply::empty(204)
            }
            None => Reply::json(400, &json!({"error": "url is the address of a page blob"})),
        },
        (&Method::GET | &Method::HEAD, ["content", ..]) => match content(world, &call.path) {
            Some(content) => bytes(call, content),
            None => Reply::json(404, &json!({"error": "no disk has this content path"})),
        },
        (&Method::POST, ["faults"]) => match serde_json::from_slice::<Fault>(&call.body) {
            Ok(fault) => {
                world.faults.add(fault);
                Reply::empty(204)
            }
            Err(error) => Reply::json(400, &json!({"error": error.to_string()})),
        },
        (&Method::POST, ["cut"]) => match serde_json::from_slice::<Option<Cut>>(&call.body) {
            Ok(cut) => {
                world.cuts.set_from_outside(cut);
                Reply::empty(204)
            }
            Err(error) => Reply::json(400, &json!({"error": error.to_string()})),
        },
        (&Method::DELETE, ["faults"]) => {
            world.faults.clear();
            Reply::empty(204)
        }
        (&Method::POST, ["clock"]) => {
            world.clock.advance(Duration::from_secs(call.json()["advance_seconds"].as_u64().unwrap_or_default()));
            Reply::empty(204)
        }
        _ => Reply::json(
            404,
            &json!({"error": "the sandbox has state, requests, content, faults, cut, clock and elsewhere"}),
        ),
    }
}

/// Every resource of both clouds, and what was asked of them.
pub fn state(world: &World) -> Value {
    let traffic = world.traffic.snapshot();
    let requests: u64 = traffic.values().map(|count| count.requests).sum();
    let mutations: u64 = traffic.values().filter(|count| count.mutates).map(|count| count.requests).sum();
    json!({
        "azure": world.azure.audit(world),
        "aws": world.aws.audit(world),
        "traffic": traffic,
        "requests": requests,
        "mutations": mutations,
    })
}

/// The disk behind `/_sandbox/content/{cloud}/{id}`.
pub fn content(world: &World, path: &str) -> Option<Arc<Content>> {
    let (cloud, id) = path.strip_prefix("/_sandbox/content/")?.split_once('/')?;
    match cloud {
        "azure" => world.azure.content(&format!("/{id}")),
        "aws" => world.aws.content(id),
        _ => None,
    }
}

/// The disk, raw: what Azure keeps behind a disk, its footer, is not part of it.
fn bytes(call: &Call, content: Arc<Content>) -> Reply {
    let length = content.length() / DISK_UNIT * DISK_UNIT;
    let range = call.header("range").and_then(|range| range.strip_prefix("bytes=")).and_then(|range| {
        let (start, end) = range.split_once('-')?;
        Some((start.parse::<u64>().ok()?, end.parse::<u64>().ok().map_or(u64::MAX, |end| end.saturating_add(1))))
    });
    let (start, end) = range.unwrap_or((0, length));
    let end = end.min(length);
    if start >= end {
        return Reply::empty(416).with("content-range", format!("bytes */{length}"));
    }
    let mut reply = Reply::of(if range.is_some() { 206 } else { 200 }, "application/octet-stream", "");
    reply.disk = Some((content, start..end));
    let reply = reply.with("content-length", (end - start).to_string()).with("accept-ranges", "bytes");
    if range.is_none() { reply } else { reply.with("content-range", format!("bytes {start}-{}/{length}", end - 1)) }
}
