use publisher::{Attempt, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Azure, Undo, client::versions, tags};

/// What a version is copied from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    pub kind: OriginKind,
    /// The resource's id.
    pub id: String,
    /// The attempt that made it.
    pub attempt: Attempt,
    /// Whether it stays when the version is everywhere.
    pub stays: bool,
}

/// The kinds of resource that a version can be copied from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OriginKind {
    Disk,
    ManagedImage,
}

impl Origin {
    /// What a version that is there was copied from, if that is still there.
    pub async fn of(azure: &Azure, version: &Value) -> Result<Option<Self>> {
        let profile = &version["properties"]["storageProfile"];
        let id = profile["source"]["id"].as_str().or_else(|| profile["osDiskImage"]["source"]["id"].as_str());
        let Some(id) = id else { return Ok(None) };
        let lower = id.to_lowercase();
        let (kind, api) = if lower.contains("/images/") && !lower.contains("/galleries/") {
            (OriginKind::ManagedImage, versions::IMAGES)
        } else if lower.contains("/disks/") {
            (OriginKind::Disk, versions::DISKS)
        } else {
            return Ok(None);
        };
        let there = azure.arm.find(id, api).await?;
        Ok(there.map(|resource| Self {
            kind,
            id: id.to_owned(),
            attempt: tags::attempt_of(&resource),
            stays: !tags::is_intermediate(&resource),
        }))
    }

    /// What the report calls it.
    pub fn name(&self) -> &'static str {
        match (self.kind, self.stays) {
            (OriginKind::Disk, true) => "disk",
            (OriginKind::Disk, false) => "intermediate_disk",
            (OriginKind::ManagedImage, true) => "managed_image",
            (OriginKind::ManagedImage, false) => "intermediate_image",
        }
    }

    /// What deletes it.
    pub fn undo(&self) -> Undo {
        let (id, attempt) = (self.id.clone(), self.attempt.clone());
        match self.kind {
            OriginKind::Disk => Undo::DeleteDisk { disk: id, attempt },
            OriginKind::ManagedImage => Undo::DeleteImage { image: id, attempt },
        }
    }
}
