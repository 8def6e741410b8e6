//! Azure: a disk that is created to be uploaded to, a managed image of it, and a Compute Gallery version in many regions.
//!
//! ```text
//! preflight  image, names and regions against Azure's rules; the definition and the versions that are there
//! upload     resource group ─► disk (createOption Upload) ─► write access (SAS) ─► Put Page, checksummed
//! import     end the access (Azure validates the VHD here) ─► managed image, where Azure takes one
//! register   gallery ─► image definition ─► image version, with all its target regions at once
//! replicate  watch each region until it has the version
//! ```
//!
//! There is no storage account and no key in it: a disk's own shared access signature is all that the bytes need.
//! Request shapes are those of the Azure REST API specifications at the api-versions named in `client::versions`.

mod azure;
mod client;
mod config;
mod doctor;
mod error;
mod import;
mod names;
mod origin;
mod plan;
mod register;
mod replicate;
mod sharing;
mod status;
mod tags;
mod takeover;
mod undo;
mod upload;
mod version;

pub use azure::{Azure, shape};
pub use config::{Cloud, Community, Config, CredentialSource, Destination, Endpoints, RegionConfig, Sharing, Source};
pub use import::Imported;
pub use origin::{Origin, OriginKind};
pub use register::{Registered, Version};
pub use replicate::Replica;
pub use undo::Undo;
pub use upload::Uploaded;
