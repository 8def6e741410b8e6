//! Talking to Azure: credentials, one HTTP transport for everything, and the Resource Manager.

mod arm;
mod certificate;
mod credential;
mod github;
mod operation;
mod transport;

pub use arm::Arm;
pub use credential::Credential;
pub use operation::{Accepted, DEADLINE, End, LONGEST_WAIT};
pub use transport::transport;

/// The api-version of each kind of resource.
pub mod versions {
    pub const SUBSCRIPTIONS: &str = "2022-12-01";
    pub const RESOURCE_GROUPS: &str = "2025-04-01";
    pub const DISKS: &str = "2025-01-02";
    pub const IMAGES: &str = "2024-07-01";
    /// Later versions change what a definition without a SecurityType means.
    pub const GALLERIES: &str = "2024-03-03";
}
