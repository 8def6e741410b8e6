//! Azure: tokens, the Resource Manager's compute resources, and page blobs behind disk access signatures.

mod arm;
mod disks;
mod error;
mod galleries;
mod groups;
mod images;
mod locations;
mod operations;
mod pages;
mod requests;
mod resource;
mod sharing;
mod token;
mod versions;

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::Method;
use serde_json::{Value, json};

use self::{
    operations::Operation,
    requests::Requests,
    resource::{Kind, Resource},
};
use crate::{
    content::Content,
    message::Call,
    server::{Handler, Refuse, Route, World},
};

/// What Azure holds.
#[derive(Debug, Default)]
pub struct Azure {
    state: Mutex<State>,
    tokens: Mutex<HashSet<String>>,
    requests: Requests,
    /// The page blob of another server that accesses to disks lead to, with its signature.
    elsewhere: Mutex<Option<String>>,
}

#[derive(Debug, Default)]
struct State {
    /// By id in lower case: Azure's ids ignore case.
    resources: BTreeMap<String, Resource>,
    operations: BTreeMap<String, Operation>,
}

impl Azure {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tokens(&self) -> MutexGuard<'_, HashSet<String>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends every access to a disk, or every token.
    pub fn expire(&self, accesses: bool) {
        if !accesses {
            self.tokens().clear();
            return;
        }
        for sas in self.state().resources.values_mut().filter_map(|resource| resource.sas.as_mut()) {
            sas.expires = Duration::ZERO;
        }
    }

    /// Has every access to write to a disk lead to a page blob of another server. What is written there the sandbox never
    /// sees, nor looks at when the access ends.
    pub fn lead_elsewhere(&self, url: String) {
        *self.elsewhere.lock().unwrap_or_else(PoisonError::into_inner) = Some(url);
    }

    fn elsewhere(&self) -> Option<String> {
        self.elsewhere.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The last requests to the Resource Manager that had a body.
    pub fn requests(&self) -> Vec<Value> {
        self.requests.list()
    }

    /// The disk that a resource has, by its id.
    pub fn content(&self, id: &str) -> Option<Arc<Content>> {
        self.state().resources.get(&id.to_lowercase())?.content.clone()
    }

    pub fn audit(&self, world: &World) -> Value {
        let state = self.state();
        let list = |kind: Kind| -> Vec<Value> {
            let of_kind = state.resources.values().filter(|resource| resource.kind == kind);
            of_kind.map(|resource| resource.audit(world)).collect()
        };
        let open: Vec<_> = state.resources.values().filter(|r| r.sas.is_some()).map(|r| r.audit(world)).collect();
        json!({
            "resource_groups": list(Kind::Group),
            "disks": list(Kind::Disk),
            "images": list(Kind::Image),
            "galleries": list(Kind::Gallery),
            "image_definitions": list(Kind::Definition),
            "image_versions": list(Kind::Version),
            "open_sas": open,
        })
    }
}

/// Which operation a call is.
pub fn route(call: &Call) -> Route {
    let segments: Vec<_> = call.segments.iter().map(String::as_str).collect();
    let (operation, handler, refuse): (&str, Handler, Refuse) = match &*segments {
        [_, "oauth2", "v2.0", "token"] => ("Token", token::issue, error::refuse_arm),
        [_, "v2.0", ".well-known", "openid-configuration"] => {
            ("OpenIdConfiguration", token::configuration, error::refuse_arm)
        }
        ["msi", "token"] => ("IdentityToken", token::of_managed_identity, error::refuse_arm),
        ["metadata", "endpoints"] => ("MetadataEndpoints", token::endpoints, error::refuse_arm),
        // At an IP address azcopy takes the first name for an account's, and wants a container's before the blob's.
        [disk, _] | [disk, _, _] if disk.starts_with("md-") => {
            (pages::operation(call), pages::answer, error::refuse_storage)
        }
        _ => (arm::operation(call), arm::answer, error::refuse_arm),
    };
    Route {
        operation: operation.to_owned(),
        region: None,
        mutates: !call.is_read() && operation != "Token",
        carries_image: operation == "PutPage" && call.method == Method::PUT,
        handler,
        refuse,
    }
}
