use std::collections::BTreeMap;

use aws_sdk_ec2::types::{ResourceType, Tag, TagSpecification};
use publisher::{Attempt, ImageSpec, RunKey, TAG_ATTEMPT, TAG_DIGEST, TAG_NAME, TAG_RUN};

/// The tags of everything that a run makes: the user's, a name for the console, and those by which a later run knows it.
pub fn all(
    spec: &ImageSpec,
    ami_name: &str,
    run: &RunKey,
    attempt: &Attempt,
    digest: &str,
) -> BTreeMap<String, String> {
    let mut tags = spec.tags.clone();
    tags.entry("Name".to_owned()).or_insert_with(|| ami_name.to_owned());
    tags.insert(TAG_NAME.to_owned(), spec.name.clone());
    tags.insert(TAG_RUN.to_owned(), run.to_string());
    tags.insert(TAG_ATTEMPT.to_owned(), attempt.as_str().to_owned());
    tags.insert(TAG_DIGEST.to_owned(), digest.to_owned());
    tags
}

/// The same, whichever attempt makes it.
pub fn without_attempt(tags: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    tags.iter().filter(|(key, _)| *key != TAG_ATTEMPT).map(|(key, value)| (key.clone(), value.clone())).collect()
}

pub fn ec2(tags: &BTreeMap<String, String>) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

pub fn specification(kind: ResourceType, tags: &BTreeMap<String, String>) -> TagSpecification {
    TagSpecification::builder().resource_type(kind).set_tags(Some(ec2(tags))).build()
}

/// The value of a tag.
pub fn value<'a>(tags: &'a [Tag], key: &str) -> Option<&'a str> {
    tags.iter().find(|tag| tag.key() == Some(key)).and_then(Tag::value)
}

/// The attempt that made something or took it over; one of nobody, where none is named.
pub fn attempt_of(tags: &[Tag]) -> Attempt {
    Attempt::of_tag(value(tags, TAG_ATTEMPT).unwrap_or_default())
}
