use std::{collections::BTreeMap, fmt, path::PathBuf};

use serde::{Deserialize, Deserializer, Serialize, de};

/// What is said of an image for every cloud alike.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageSpec {
    /// Its name; a backend turns it into what its cloud takes.
    pub name: String,
    /// Its version, where one is given.
    pub version: Option<String>,
    /// A sentence about it.
    pub description: Option<String>,
    /// Tags for everything that is made.
    pub tags: BTreeMap<String, String>,
    /// Certificate authorities to trust in addition to the system's, as a PEM file.
    pub ca_file: Option<PathBuf>,
}

/// Tag with the key of the run that made a resource.
pub const TAG_RUN: &str = "publish-run";
/// Tag with what the image is called, without its version.
pub const TAG_NAME: &str = "publish-name";
/// Tag with the digest of the content that a resource holds.
pub const TAG_DIGEST: &str = "publish-digest";
/// Tag with the attempt that made a resource, or took it over: a process of its own.
pub const TAG_ATTEMPT: &str = "publish-attempt";
/// Tag of what is needed on the way alone, and goes when the run has ended well.
pub const TAG_INTERMEDIATE: &str = "publish-intermediate";

/// A list of names. It can be written as a list, or as one string with commas, as an environment variable has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Names(pub Vec<String>);

impl Names {
    /// Splits a text at its commas.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        Self(text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect())
    }
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;

        impl<'de> de::Visitor<'de> for List {
            type Value = Names;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of names, or names separated by commas")
            }

            fn visit_str<E>(self, text: &str) -> Result<Names, E> {
                Ok(Names::parse(text))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Names, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = list.next_element()? {
                    names.push(name);
                }
                Ok(Names(names))
            }
        }

        deserializer.deserialize_any(List)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_and_a_string_say_the_same() {
        let read = |json: &str| serde_json::from_str::<Names>(json).map(|names| names.0);
        assert_eq!(read(r#"["a", "b c"]"#).unwrap(), ["a", "b c"]);
        assert_eq!(read(r#""a, b c,""#).unwrap(), ["a", "b c"]);
        assert!(read("7").unwrap_err().to_string().contains("a list of names"));
    }
}
