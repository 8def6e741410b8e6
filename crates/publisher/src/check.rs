use serde::Serialize;

use crate::{Error, ErrorReport, Result};

/// One thing that publishing needs, and how it stands with it.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// What was looked at, in a few words.
    pub what: String,
    /// How it stands.
    pub status: CheckStatus,
    /// What was found, where there is something to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// What is wrong, or what kept it from being looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorReport>,
}

/// How it stands with one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckStatus {
    /// It is as it has to be.
    Good,
    /// It could not be looked at, and may be well all the same.
    Unknown,
    /// Publishing would fail by it.
    Bad,
}

impl Check {
    /// What was found, or why publishing would fail.
    pub fn new(what: impl Into<String>, result: Result<String>) -> Self {
        match result {
            Ok(found) => Self { what: what.into(), status: CheckStatus::Good, found: Some(found), error: None },
            Err(error) => {
                Self { what: what.into(), status: CheckStatus::Bad, found: None, error: Some((&error).into()) }
            }
        }
    }

    /// Something that could not be looked at.
    pub fn unknown(what: impl Into<String>, why: &Error) -> Self {
        Self { what: what.into(), status: CheckStatus::Unknown, found: None, error: Some(why.into()) }
    }
}
