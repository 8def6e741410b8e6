//! The sandbox and the program against programs that nobody here wrote. `.ci/clients` installs them into target/clients; what
//! is not there is said and skipped, and in CI it fails.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../it/disks.rs"]
#[allow(dead_code, reason = "these tests need less of it than the others")]
mod disks;
#[path = "../it/stage.rs"]
#[allow(dead_code, reason = "these tests need less of it than the others")]
mod stage;

mod aws;
mod az;
mod azurite;
mod bench;
mod moto;
mod proxy;
mod relay;
mod service;
mod typed;
