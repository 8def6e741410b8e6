use std::collections::BTreeMap;

use aws_sdk_ec2::types::{ResourceType, Tag, TagSpecification};
use publisher::{ImageSpec, RunKey, TAG_DIGEST, TAG_NAME, TAG_RUN};

/// The tags of everything that a run makes: the user's, a name for the console, and those by which a later run knows it.
pub fn all(spec: &ImageSpec, ami_name: &str, run: &RunKey, digest: &str) -> BTreeMap<String, String> {
    let mut tags = spec.tags.clone();
    tags.entry("Name".to_owned()).or_insert_with(|| ami_name.to_owned());
    tags.insert(TAG_NAME.to_owned(), spec.name.clone());
    tags.insert(TAG_RUN.to_owned(), run.to_string());
    tags.insert(TAG_DIGEST.to_owned(), digest.to_owned());
    tags
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
