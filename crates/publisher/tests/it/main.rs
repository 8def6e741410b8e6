//! The pipeline over a backend whose every step can be made to fail.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod pipeline;
mod scripted;
