use std::collections::BTreeMap;

use publisher::{RunKey, TAG_DIGEST, TAG_RUN};
use serde_json::{Value, json};

/// The tags of everything that a run makes: the user's, and the two by which a later run knows it.
pub fn tags(own: &BTreeMap<String, String>, run: &RunKey, digest: &str) -> Value {
    let mut tags = json!(own);
    tags[TAG_RUN] = run.as_str().into();
    tags[TAG_DIGEST] = digest.into();
    tags
}

/// Whether a resource was made by a run of this key.
pub fn is_of_run(resource: &Value, run: &RunKey) -> bool {
    resource["tags"][TAG_RUN] == run.as_str()
}

/// The digest in a resource's tags.
pub fn digest_of(resource: &Value) -> Option<&str> {
    resource["tags"][TAG_DIGEST].as_str()
}
