use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{Error, Kind, Result};

/// The identity of a run: a hash over the image's digest and everything that decides what is registered. The same
/// inputs give the same key, so a rerun finds what an earlier run made.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunKey(String);

impl RunKey {
    /// Hashes named inputs. Names and values are length-prefixed, so no two lists give the same bytes.
    #[must_use]
    pub fn new<'a>(inputs: impl IntoIterator<Item = (&'a str, String)>) -> Self {
        let mut hash = Sha256::new();
        for (name, value) in inputs {
            for part in [name, &value] {
                hash.update((part.len() as u64).to_le_bytes());
                hash.update(part);
            }
        }
        Self(hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect())
    }

    /// Thirty-two hexadecimal digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first twelve digits, for names.
    #[must_use]
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

impl FromStr for RunKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Ok(Self(text.to_owned()));
        }
        Err(Error::new(Kind::Config, format!("\"{text}\" is no run: a run is thirty-two hexadecimal digits")))
    }
}

impl fmt::Display for RunKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RunKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_inputs_give_the_same_key_and_others_another() {
        let key = |inputs: &[(&'static str, &str)]| RunKey::new(inputs.iter().map(|(n, v)| (*n, (*v).to_owned())));
        assert_eq!(key(&[("name", "a"), ("region", "b")]), key(&[("name", "a"), ("region", "b")]));
        assert_ne!(key(&[("name", "a"), ("region", "b")]), key(&[("name", "ar"), ("egion", "b")]));
        assert_ne!(key(&[("name", "a")]), key(&[("name", "b")]));
        assert_eq!(key(&[]).as_str().len(), 32);
    }
}
