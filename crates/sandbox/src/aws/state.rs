use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};

use super::{iam::Iam, ssm::Parameter};
use crate::{content::Content, environment::HOME_REGION, server::World};

pub const ACCOUNT: &str = "123456789012";
/// A bucket that is there from the start, in the home region.
pub const BUCKET: &str = "publish-sandbox";

pub type Tags = BTreeMap<String, String>;

/// What AWS holds.
#[derive(Debug)]
pub struct Aws {
    pub regions: Mutex<BTreeMap<String, Region>>,
    pub buckets: Mutex<BTreeMap<String, Bucket>>,
    pub iam: Mutex<Iam>,
    /// Who called in which region.
    pub callers: Mutex<BTreeMap<String, BTreeSet<String>>>,
}

/// One region's EC2.
#[derive(Debug)]
pub struct Region {
    pub snapshots: BTreeMap<String, Snapshot>,
    pub images: BTreeMap<String, Image>,
    pub imports: BTreeMap<String, Import>,
    /// What was made for a client token: its id.
    pub tokens: BTreeMap<String, String>,
    pub parameters: BTreeMap<String, Parameter>,
    /// Whether all new snapshots are encrypted.
    pub encrypts: bool,
    /// The key that they are encrypted with where none is named.
    pub default_key: String,
    /// Whether no image may be made public.
    pub blocks_public_images: bool,
    /// Whether no snapshot may be made public.
    pub blocks_public_snapshots: bool,
    /// How many images may be public.
    pub public_images: u32,
}

/// The key that is an account's own from the start, and cannot be shared.
pub const OWN_KEY: &str = "alias/aws/ebs";

impl Default for Region {
    fn default() -> Self {
        Self {
            snapshots: BTreeMap::new(),
            images: BTreeMap::new(),
            imports: BTreeMap::new(),
            tokens: BTreeMap::new(),
            parameters: BTreeMap::new(),
            encrypts: false,
            default_key: OWN_KEY.to_owned(),
            blocks_public_images: false,
            blocks_public_snapshots: false,
            // What an account begins with (EC2, "Service quotas", Public AMIs).
            public_images: 5,
        }
    }
}

impl Region {
    /// The key of a new snapshot, if it is to be encrypted: the one that is asked for, or the account's.
    pub fn key_for(&self, asked: Option<&str>, encrypted: bool) -> Option<String> {
        let default = || (encrypted || self.encrypts).then(|| self.default_key.clone());
        asked.map(str::to_owned).or_else(default)
    }
}

/// Who may use what is shared: the name of the field that says so, and its value.
pub type Who = (&'static str, String);

/// How a snapshot is getting on.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// Blocks are still being put.
    Open,
    /// It is complete at this time.
    At(Duration),
}

#[derive(Clone, Debug)]
pub struct Snapshot {
    pub id: String,
    pub volume_size: u64,
    pub description: String,
    pub tags: Tags,
    pub progress: Progress,
    /// The key that it is encrypted with, if it is.
    pub key: Option<String>,
    pub content: Arc<Content>,
    /// Who may make volumes of it.
    pub shared_with: BTreeSet<Who>,
    /// SHA-256 of each block put by EBS direct.
    pub blocks: BTreeMap<u32, [u8; 32]>,
}

impl Snapshot {
    pub fn is_encrypted(&self) -> bool {
        self.key.is_some()
    }

    pub fn state(&self, world: &World) -> &'static str {
        match self.progress {
            Progress::At(time) if world.clock.now() >= time => "completed",
            Progress::Open | Progress::At(_) => "pending",
        }
    }
}

/// A registered image. `fields` are what RegisterImage was given, by the names of DescribeImages.
#[derive(Clone, Debug)]
pub struct Image {
    pub id: String,
    pub name: String,
    pub fields: BTreeMap<&'static str, String>,
    pub snapshot: String,
    pub device: BTreeMap<&'static str, String>,
    /// Devices beside the root device, with their names.
    pub more_devices: BTreeMap<String, BTreeMap<&'static str, String>>,
    pub tags: Tags,
    /// Who may start instances of it.
    pub shared_with: BTreeSet<Who>,
    pub deprecation: Option<String>,
    pub created: Duration,
    pub ready_at: Duration,
    pub failed: Option<String>,
    pub source: Option<(String, String)>,
}

impl Image {
    pub fn is_public(&self) -> bool {
        self.shared_with.contains(&("group", "all".to_owned()))
    }

    pub fn state(&self, world: &World) -> &'static str {
        match (world.clock.now() >= self.ready_at, &self.failed) {
            (true, Some(_)) => "failed",
            (true, None) => "available",
            (false, _) => "pending",
        }
    }
}

#[derive(Clone, Debug)]
pub struct Import {
    pub id: String,
    pub bucket: String,
    pub key: String,
    pub format: String,
    pub description: String,
    pub tags: Tags,
    /// The tags that it was asked for with.
    pub asked: Tags,
    pub started: Duration,
    pub ready_at: Duration,
    /// The snapshot's id, or why there is none.
    pub result: Result<String, String>,
    /// Bytes of disk.
    pub size: u64,
    pub cancelled: bool,
}

#[derive(Debug)]
pub struct Bucket {
    pub region: String,
    pub objects: BTreeMap<String, Object>,
    pub uploads: BTreeMap<String, Upload>,
}

impl Bucket {
    pub fn new(region: &str) -> Self {
        Self { region: region.to_owned(), objects: BTreeMap::new(), uploads: BTreeMap::new() }
    }
}

/// An object's bytes in a file of its own, removed with the object.
#[derive(Debug)]
pub struct Object {
    pub path: PathBuf,
    pub length: u64,
    pub etag: String,
    /// Header name and value of its checksum.
    pub checksum: Option<(&'static str, String)>,
}

impl Object {
    pub fn open(&self) -> std::io::Result<File> {
        File::open(&self.path)
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

#[derive(Debug)]
pub struct Upload {
    pub key: String,
    pub parts: BTreeMap<u32, Object>,
}

impl Default for Aws {
    fn default() -> Self {
        let buckets = BTreeMap::from([(BUCKET.to_owned(), Bucket::new(HOME_REGION))]);
        Self {
            regions: Mutex::default(),
            buckets: Mutex::new(buckets),
            iam: Mutex::default(),
            callers: Mutex::default(),
        }
    }
}

impl Aws {
    pub fn regions(&self) -> MutexGuard<'_, BTreeMap<String, Region>> {
        self.regions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn buckets(&self) -> MutexGuard<'_, BTreeMap<String, Bucket>> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn iam(&self) -> MutexGuard<'_, Iam> {
        self.iam.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn callers(&self) -> MutexGuard<'_, BTreeMap<String, BTreeSet<String>>> {
        self.callers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes who calls in a region.
    pub fn note_caller(&self, region: &str, who: String) {
        self.callers().entry(region.to_owned()).or_default().insert(who);
    }

    /// The disk of `{region}/{snapshot or image}`.
    pub fn content(&self, path: &str) -> Option<Arc<Content>> {
        let (region, id) = path.split_once('/')?;
        let regions = self.regions();
        let region = regions.get(region)?;
        let snapshot = region.images.get(id).map_or(id, |image| image.snapshot.as_str());
        Some(region.snapshots.get(snapshot)?.content.clone())
    }

    pub fn audit(&self, world: &World) -> Value {
        let mut audit = serde_json::Map::new();
        for (name, region) in self.regions().iter() {
            let content = |id: &str| format!("/_sandbox/content/aws/{name}/{id}");
            let snapshots = region.snapshots.values().map(|snapshot| {
                json!({"id": snapshot.id, "tags": snapshot.tags, "state": snapshot.state(world), "volume_size": snapshot.volume_size,
                    "encrypted": snapshot.is_encrypted(), "key": snapshot.key, "shared_with": snapshot.shared_with, "description": snapshot.description, "content": content(&snapshot.id), "file": snapshot.content.path()})
            });
            let file = |snapshot: &str| region.snapshots.get(snapshot).map(|snapshot| snapshot.content.path());
            let images = region.images.values().map(|image| {
                json!({"id": image.id, "name": image.name, "tags": image.tags, "state": image.state(world), "snapshot": image.snapshot,
                    "shared_with": image.shared_with, "deprecation": image.deprecation, "fields": image.fields, "device": image.device, "more_devices": image.more_devices, "source": image.source, "content": content(&image.id), "file": file(&image.snapshot)})
            });
            let now = world.clock.now();
            let parameters = region.parameters.iter().filter_map(|(name, parameter)| Some((name, parameter.at(now)?)));
            let parameters = parameters.map(|(name, parameter)| {
                json!({"id": name, "value": parameter.value, "data_type": parameter.data_type, "version": parameter.version,
                    "tags": parameter.tags, "state": "present", "content": null})
            });
            let entry = json!({"snapshots": snapshots.collect::<Vec<_>>(), "images": images.collect::<Vec<_>>(), "s3_objects": [], "uploads": [],
                "parameters": parameters.collect::<Vec<_>>(), "callers": self.callers().get(name)});
            audit.insert(name.clone(), entry);
        }
        for (name, bucket) in self.buckets().iter() {
            let empty = json!({"snapshots": [], "images": [], "s3_objects": [], "uploads": []});
            let entry = audit.entry(bucket.region.clone()).or_insert(empty);
            for (list, keys) in [
                ("s3_objects", bucket.objects.keys().collect::<Vec<_>>()),
                ("uploads", bucket.uploads.values().map(|upload| &upload.key).collect()),
            ] {
                if let Some(list) = entry[list].as_array_mut() {
                    list.extend(keys.into_iter().map(
                        |key| json!({"id": format!("{name}/{key}"), "tags": {}, "state": "present", "content": null}),
                    ));
                }
            }
        }
        Value::Object(audit)
    }
}
