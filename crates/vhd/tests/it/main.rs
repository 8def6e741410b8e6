//! The crate against files, and against `qemu-img`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod bad_input;
mod compressed;
mod convert;
mod corpus;
mod disk;
mod facts;
mod footers;
mod formats;
mod handmade;
mod image_info;
mod layout;
mod qemu;
mod repair;
