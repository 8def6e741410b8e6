//! The variables that point a client at the sandbox.

use std::{collections::BTreeMap, env};

use crate::Result;

/// Variables by name.
pub type Environment = BTreeMap<String, String>;

/// A variable that the benchmark has set for itself as one of its contestants.
pub fn variable(name: &str) -> Result<String> {
    env::var(name).map_err(|_| format!("{name} is not set").into())
}
