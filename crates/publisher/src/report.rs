//! What a run ends with, in a form that programs read: fields are added to it, and never renamed.

use std::{collections::BTreeMap, path::PathBuf};

use serde::Serialize;
use vhd::Image;

use crate::{CloudName, Error, Kind, Result};

/// Version of the report's schema.
const SCHEMA: u32 = 1;

/// How a target ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Nothing was to be done but to look.
    Planned,
    /// The image is everywhere it was asked for, and something was made.
    Published,
    /// The image was everywhere already.
    Unchanged,
    /// The cloud has accepted everything and is still at it.
    Pending,
    /// Some regions have it and some failed.
    Partial,
    /// It failed.
    Failed,
    /// The user ended it.
    Interrupted,
}

/// The whole report.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Version of this schema.
    pub schema: u32,
    /// What was published; none where no image was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageReport>,
    /// One entry for each cloud.
    pub targets: Vec<TargetReport>,
}

impl Report {
    /// A report on one image, or on what is there of it.
    #[must_use]
    pub fn new(image: Option<ImageReport>, targets: Vec<TargetReport>) -> Self {
        Self { schema: SCHEMA, image, targets }
    }
}

/// What was published.
#[derive(Clone, Debug, Serialize)]
pub struct ImageReport {
    /// The file.
    #[serde(serialize_with = "vhd::path::lossy")]
    pub path: PathBuf,
    /// How it stores the disk.
    pub format: vhd::Format,
    /// What the file is compressed with; null if it is not.
    pub compression: Option<vhd::Compression>,
    /// Size of the file in bytes.
    pub file_size: u64,
    /// Size of the disk in bytes.
    pub virtual_size: u64,
    /// Bytes in blocks that are not all zeros.
    pub data_size: u64,
    /// Identity of the content.
    pub digest: String,
    /// `V1` or `V2`, as Azure calls them; null if the disk holds nothing that firmware would start.
    pub generation: Option<vhd::Generation>,
    /// The architecture of the boot files, if there are any.
    pub architecture: Option<vhd::Architecture>,
    /// How long it took to read all of the data and find its identity, in seconds.
    pub read_seconds: f64,
    /// What is not as it should be in the file, and did not keep it from being read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<vhd::Warning>,
}

impl ImageReport {
    /// Reads what there is to say of an image.
    ///
    /// # Errors
    /// [`Kind::Image`] if the file cannot be read.
    pub fn of(image: &Image) -> Result<Self> {
        let began = std::time::Instant::now();
        let (content, facts) = (image.content()?, image.facts()?);
        let read_seconds = began.elapsed().as_secs_f64();
        Ok(Self {
            path: image.path(),
            format: image.format(),
            compression: image.compression(),
            file_size: image.file_size(),
            virtual_size: image.virtual_size(),
            data_size: content.blocks().len() as u64 * vhd::CONTENT_BLOCK,
            digest: content.digest().to_string(),
            generation: facts.firmware().map(|_| facts.generation()),
            architecture: facts.architecture(),
            read_seconds,
            warnings: image.warnings().to_vec(),
        })
    }
}

/// How one cloud ended.
#[derive(Clone, Debug, Serialize)]
pub struct TargetReport {
    /// The cloud.
    pub cloud: CloudName,
    /// The key of the run.
    pub run: String,
    /// How it ended.
    pub status: Status,
    /// What exists in the home region: what it is, and its id.
    pub resources: BTreeMap<&'static str, String>,
    /// One entry for each region.
    pub regions: Vec<RegionReport>,
    /// What was sent.
    pub transfer: TransferReport,
    /// Where the time went: the stages, one after the other.
    pub stages: Vec<StageReport>,
    /// What would be done, of a plan.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub plan: Vec<String>,
    /// What of a plan the identity may not do, as the cloud names its actions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub denied: Vec<String>,
    /// Why it failed.
    pub error: Option<ErrorReport>,
}

impl TargetReport {
    /// A cloud that could not even be begun with.
    #[must_use]
    pub fn failed(cloud: CloudName, error: &Error) -> Self {
        Self {
            cloud,
            run: String::new(),
            status: Status::Failed,
            resources: BTreeMap::new(),
            regions: Vec::new(),
            transfer: TransferReport::default(),
            stages: Vec::new(),
            plan: Vec::new(),
            denied: Vec::new(),
            error: Some(error.into()),
        }
    }
}

/// What became of one region.
#[derive(Clone, Debug, Serialize)]
pub struct RegionReport {
    /// The region's programmatic name.
    pub region: String,
    /// The image's id there.
    pub id: Option<String>,
    /// `available`, `pending` or `failed`.
    pub status: &'static str,
    /// Whether the run has failed if the region has.
    pub required: bool,
    /// How far it is, where it is pending and the cloud tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
    /// Why it failed.
    pub error: Option<ErrorReport>,
}

/// What was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct TransferReport {
    /// Bytes of image in requests that succeeded.
    pub bytes_sent: u64,
    /// Bytes of the disk that did not have to be sent because they are zeros.
    pub bytes_skipped: u64,
    /// Requests with image bytes that succeeded.
    pub requests: u64,
    /// Such requests that had to be sent again.
    pub retries: u64,
    /// From the first byte to the last, in seconds.
    pub seconds: f64,
}

/// Where the time of a stage went.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StageReport {
    /// `preflight`, `upload`, `import`, `register`, `replicate`, or `cleanup` at the end.
    pub stage: &'static str,
    /// How long it took.
    pub seconds: f64,
    /// What it waited for the cloud to do, the longest first. Waits for several regions go beside each other.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waits: Vec<WaitReport>,
}

/// What a stage waited for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WaitReport {
    /// What the cloud did meanwhile, as in "importing the snapshot".
    pub what: String,
    /// How long.
    pub seconds: f64,
}

/// A failure.
#[derive(Clone, Debug, Serialize)]
pub struct ErrorReport {
    /// What sort of failure.
    pub kind: Kind,
    /// The stage it happened in.
    pub stage: Option<crate::Stage>,
    /// What failed.
    pub message: String,
    /// Why, nearest first.
    pub causes: Vec<String>,
    /// The next thing to do.
    pub hint: Option<String>,
}

impl From<&Error> for ErrorReport {
    fn from(error: &Error) -> Self {
        Self {
            kind: error.kind(),
            stage: error.stage(),
            message: error.to_string(),
            causes: error.causes(),
            hint: error.hint().map(str::to_owned),
        }
    }
}
