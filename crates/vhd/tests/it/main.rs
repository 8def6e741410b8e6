//! The crate against files, and against `qemu-img`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod bad_input;
mod disk;
mod facts;
mod qemu;
