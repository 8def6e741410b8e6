//! Builds with Nix, and asks it. What it says while it builds is shown; what goes wrong becomes one error.

mod build;
mod command;
mod failure;
mod log;
mod reference;

pub use self::{
    build::{Build, build},
    command::file_path,
    reference::Reference,
};
