//! The backend against the sandbox, over HTTPS and the real SDK.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod coldsnap;
mod doctor;
mod endurance;
mod faults;
mod parameters;
mod publish;
mod refusals;
mod regions;
mod registration;
mod resume;
mod sharing;
mod snapshots;
mod stage;
#[path = "../../../publisher/tests/trials/mod.rs"]
mod trials;
