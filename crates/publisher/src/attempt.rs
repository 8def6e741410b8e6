//! Who is at a run: one process, told from every other, in words that mean something to people too.

use std::{fmt, process};

use serde::{Deserialize, Serialize};

/// One process's attempt at a run, as a tag of what it makes: `HOST/PID/NONCE`. What another attempt has made, or has taken
/// over, is not this one's to take back.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Attempt(String);

impl Attempt {
    /// A new one of this process.
    #[must_use]
    pub fn new() -> Self {
        Self(format!("{}/{}/{:016x}", host(), process::id(), fastrand::u64(..)))
    }

    /// One that a tag tells of.
    #[must_use]
    pub fn of_tag(tag: &str) -> Self {
        Self(tag.to_owned())
    }

    /// The value of the tag. Both clouds take its characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What no other attempt has, for client tokens.
    #[must_use]
    pub fn nonce(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }
}

impl Default for Attempt {
    fn default() -> Self {
        Self::new()
    }
}

/// In words: `process 4242 on ci-7`.
impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.split('/').collect::<Vec<_>>()[..] {
            [host, process, _] => write!(f, "process {process} on {host}"),
            _ => write!(f, "attempt \"{}\"", self.0),
        }
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// This machine's name, with nothing in it that a tag could not hold.
fn host() -> String {
    let name = rustix::system::uname();
    let name = name.nodename().to_string_lossy();
    let kept: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || "-._".contains(*c)).take(63).collect();
    if kept.is_empty() { "unknown".to_owned() } else { kept }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_is_told_from_every_other_and_says_who_it_is() {
        let (one, other) = (Attempt::new(), Attempt::new());
        assert_ne!(one, other);
        assert_ne!(one.nonce(), other.nonce());
        let said = one.to_string();
        assert!(said.starts_with(&format!("process {} on ", process::id())), "{said}");
        assert_eq!(Attempt::of_tag(one.as_str()), one);
        assert_eq!(Attempt::of_tag("d00d").to_string(), "attempt \"d00d\"");
    }
}
