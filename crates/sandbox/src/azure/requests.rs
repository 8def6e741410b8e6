//! What the Resource Manager was sent, for those who want to check it against what Azure has published of its resources.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use serde_json::{Value, json};

use crate::message::Call;

/// Older ones are forgotten: a sandbox may run for long.
const MOST: usize = 1000;

#[derive(Debug, Default)]
pub struct Requests(Mutex<VecDeque<Value>>);

impl Requests {
    /// Keeps a request that has a body.
    pub fn note(&self, call: &Call) {
        let body = call.json();
        if body.is_null() {
            return;
        }
        let mut requests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if requests.len() == MOST {
            requests.pop_front();
        }
        requests.push_back(json!({
            "method": call.method.as_str(),
            "path": call.path,
            "api_version": call.param("api-version"),
            "body": body,
        }));
    }

    pub fn list(&self) -> Vec<Value> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}
