//! The backend against the sandbox, over HTTPS and the real SDK.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod client;
mod credentials;
mod definitions;
mod destinations;
mod endurance;
mod faults;
mod publish;
mod refusals;
mod regions;
mod resume;
mod sharing;
mod stage;
#[path = "../../../publisher/tests/trials/mod.rs"]
mod trials;
mod upload;
