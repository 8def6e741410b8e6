use publisher::{Attempt, RunKey, TAG_ATTEMPT, TAG_DIGEST, TAG_INTERMEDIATE, TAG_RUN};
use serde_json::{Value, json};

use crate::{Azure, plan::Decided};

/// Tag with the size of the disk in bytes: the digest says nothing of the zeros at its end.
const TAG_SIZE: &str = "publish-disk-size";

/// Tag of a disk to which all of the image was sent: it was closed when it was whole, and not by an end in the middle.
const TAG_WHOLE: &str = "publish-whole";

/// The tags of everything that a run makes: the user's, and those by which a later run knows it.
pub fn tags(azure: &Azure, run: &RunKey, decided: &Decided) -> Value {
    let mut tags = json!(azure.spec.tags);
    tags[TAG_RUN] = run.as_str().into();
    tags[TAG_DIGEST] = decided.digest.as_str().into();
    tags[TAG_ATTEMPT] = azure.attempt.as_str().into();
    tags[TAG_SIZE] = decided.shape.disk_size.to_string().into();
    tags
}

/// The tags of what is needed on the way alone, or of what stays.
pub fn of_intermediate(azure: &Azure, run: &RunKey, decided: &Decided, stays: bool) -> Value {
    let mut tags = tags(azure, run, decided);
    if !stays {
        tags[TAG_INTERMEDIATE] = "true".into();
    }
    tags
}

/// The same tags, of a disk to which everything was sent.
pub fn of_whole(mut tags: Value) -> Value {
    tags[TAG_WHOLE] = "true".into();
    tags
}

/// Whether everything was sent to a disk.
pub fn is_whole(resource: &Value) -> bool {
    !resource["tags"][TAG_WHOLE].is_null()
}

/// Whether a resource was made by a run of this key.
pub fn is_of_run(resource: &Value, run: &RunKey) -> bool {
    resource["tags"][TAG_RUN] == run.as_str()
}

/// The attempt that made a resource or took it over; one of nobody, where none is named.
pub fn attempt_of(resource: &Value) -> Attempt {
    Attempt::of_tag(resource["tags"][TAG_ATTEMPT].as_str().unwrap_or_default())
}

/// Whether a resource is needed on the way alone.
pub fn is_intermediate(resource: &Value) -> bool {
    !resource["tags"][TAG_INTERMEDIATE].is_null()
}

/// Whether a resource holds this content, in a disk of this size.
pub fn holds(resource: &Value, digest: &str, disk_size: u64) -> bool {
    let tags = &resource["tags"];
    tags[TAG_DIGEST] == digest && tags[TAG_SIZE].as_str().is_none_or(|size| size == disk_size.to_string())
}
