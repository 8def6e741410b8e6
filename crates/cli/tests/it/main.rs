//! The program as people run it, against a sandbox in a process of its own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says what it skips"
)]

mod bad_input;
mod cleanup;
mod configuration;
mod critical_path;
mod demo;
mod disks;
mod doctor;
mod flake;
mod full_disk;
mod identity;
mod identity_aws;
mod images;
mod interrupts;
mod kill;
mod manual;
mod memory;
mod publish_all;
mod resume;
mod secrets;
mod stage;
mod status;
mod trust;
