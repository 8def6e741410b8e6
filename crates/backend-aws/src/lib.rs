//! AWS: a snapshot of the image's content, an AMI on it, and a copy of the AMI in every other region.
//!
//! ```text
//!            S3 route                              EBS direct route
//! upload     multipart upload of a dynamic VHD     StartSnapshot, PutSnapshotBlock
//! import     ImportSnapshot, poll, delete object   CompleteSnapshot, poll
//! register   RegisterImage                         RegisterImage
//! replicate  CopyImage to every other region, all at once, each waited for and compared; then deprecate,
//!            share, make public, write parameters
//! ```
//!
//! A bucket in the configuration means the S3 route, none means EBS direct, and `route` decides otherwise. Both give a
//! snapshot of the same content. The VHD of the S3 route is laid out while it is sent: no zeros, and no temporary file.

mod arn;
mod aws;
mod client;
mod config;
mod declared;
mod deprecation;
mod doctor;
mod error;
mod find;
mod identity;
mod import;
mod parameters;
mod permissions;
mod plan;
mod quota;
mod register;
mod replicate;
mod sharing;
mod status;
mod tags;
mod undo;
mod upload;

pub use aws::{Aws, shape};
pub use config::{BlockDevice, Config, RegionConfig, Route, Sharing};
pub use doctor::setup;
pub use import::Imported;
pub use register::Registered;
pub use replicate::Replica;
pub use undo::Undo;
pub use upload::Uploaded;
