//! `publish`: one disk image in, the same image on every cloud out. This crate reads arguments and settings, and shows
//! what happens; everything else is in the libraries.

mod args;
mod backends;
mod commands;
mod demo_disk;
mod exit;
mod failure;
mod image;
mod interrupt;
mod nix;
mod render;
mod settings;

use std::process::ExitCode;

use clap::Parser;

use crate::{args::Args, exit::Exit};

fn main() -> ExitCode {
    let args = Args::parse();
    let filter = std::env::var("PUBLISH_LOG").unwrap_or_else(|_| "off".to_owned());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let exit = match runtime {
        Ok(runtime) => {
            let exit = runtime.block_on(commands::run(args));
            // A thread that reads an image nobody wants any more is not waited for.
            runtime.shutdown_background();
            exit
        }
        Err(error) => {
            render::message::error("cannot start", &[error.to_string()], None);
            Exit::Failed
        }
    };
    exit.into()
}
