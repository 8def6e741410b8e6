use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};

use super::versions::Replica;
use crate::{content::Content, server::World};

/// The kinds of resource the sandbox has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Group,
    Disk,
    Image,
    Gallery,
    Definition,
    Version,
}

impl Kind {
    pub fn type_name(self) -> &'static str {
        match self {
            Self::Group => "Microsoft.Resources/resourceGroups",
            Self::Disk => "Microsoft.Compute/disks",
            Self::Image => "Microsoft.Compute/images",
            Self::Gallery => "Microsoft.Compute/galleries",
            Self::Definition => "Microsoft.Compute/galleries/images",
            Self::Version => "Microsoft.Compute/galleries/images/versions",
        }
    }
}

/// A resource of any kind.
#[derive(Clone, Debug)]
pub struct Resource {
    pub id: String,
    pub kind: Kind,
    pub name: String,
    pub location: &'static str,
    pub tags: Value,
    pub sku: Value,
    /// As the client gave them.
    pub properties: Value,
    /// When the operation that last changed it is over.
    pub ready_at: Duration,
    pub content: Option<Arc<Content>>,
    /// The disk's open access.
    pub sas: Option<Sas>,
    /// Whether what was uploaded to the disk has been validated.
    pub validated: bool,
    /// Whether it was written to on another server.
    pub is_elsewhere: bool,
    pub replicas: Vec<Replica>,
}

/// An open access to a disk.
#[derive(Clone, Debug)]
pub struct Sas {
    /// First segment of its path.
    pub name: String,
    pub signature: String,
    pub expires: Duration,
}

impl Resource {
    pub fn is_ready(&self, world: &World) -> bool {
        world.clock.now() >= self.ready_at
    }

    /// The resource as a GET answers it.
    pub fn view(&self, world: &World) -> Value {
        let mut properties = self.properties.clone();
        properties["provisioningState"] = self.provisioning_state(world).into();
        if self.kind == Kind::Disk {
            let size = self.content.as_ref().map_or(0, |content| content.length() - 512);
            properties["diskState"] = self.disk_state().into();
            properties["diskSizeBytes"] = size.into();
            properties["diskSizeGB"] = size.div_ceil(1 << 30).into();
        }
        let mut view = json!({
            "id": self.id,
            "name": self.name,
            "type": self.kind.type_name(),
            "location": self.location,
            "tags": self.tags,
            "properties": properties,
        });
        if !self.sku.is_null() {
            view["sku"] = self.sku.clone();
        }
        view
    }

    fn provisioning_state(&self, world: &World) -> &'static str {
        match (self.is_ready(world), self.replicas.iter().any(|replica| replica.failed)) {
            (false, _) => "Creating",
            (true, true) => "Failed",
            (true, false) => "Succeeded",
        }
    }

    /// Names of the disk's states are those of the `DiskState` enumeration.
    pub fn disk_state(&self) -> &'static str {
        match (self.validated, &self.sas) {
            (false, None) => "ReadyToUpload",
            (false, Some(_)) => "ActiveUpload",
            (true, None) => "Unattached",
            (true, Some(_)) => "ActiveSAS",
        }
    }

    /// The resource as the audit lists it.
    pub fn audit(&self, world: &World) -> Value {
        let state = if self.kind == Kind::Disk { self.disk_state() } else { self.provisioning_state(world) };
        json!({
            "id": self.id,
            "location": self.location,
            "tags": self.tags,
            "state": state,
            "content": self.content.as_ref().map(|_| format!("/_sandbox/content/azure{}", self.id)),
            "file": self.content.as_ref().map(|content| content.path()),
            "regions": self.replicas.iter().map(|replica| replica.region).collect::<Vec<_>>(),
            "properties": self.properties,
        })
    }
}
