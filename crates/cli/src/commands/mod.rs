//! One file for each command.

mod cleanup;
mod convert;
mod demo;
mod doctor;
mod inspect;
mod manual;
mod publish;
mod resume;
mod runs;
mod sandbox;
mod status;

use crate::{
    args::{Args, Command},
    backends::{AWS, AZURE},
    exit::Exit,
    failure,
};

/// Runs a command. A failure is shown before this returns.
pub async fn run(args: Args) -> Exit {
    let done = match &args.command {
        Command::Azure(args) => publish::publish(args, &[AZURE]).await,
        Command::Aws(args) => publish::publish(args, &[AWS]).await,
        Command::All(args) => publish::publish(args, &[AZURE, AWS]).await,
        Command::Status(args) => status::status(args).await,
        Command::Runs(args) => runs::runs(args),
        Command::Resume(args) => resume::resume(args).await,
        Command::Cleanup(args) => cleanup::cleanup(args).await,
        Command::Doctor(args) => doctor::doctor(args).await,
        Command::Demo(args) => demo::demo(args).await,
        Command::Inspect(args) => inspect::inspect(args).await,
        Command::Convert(args) => convert::convert(args).await,
        Command::Sandbox(args) => sandbox::sandbox(args).await,
        Command::Completions(args) => manual::completions(args),
        Command::Man(args) => manual::man(args),
    };
    done.unwrap_or_else(|error| failure::show(&error))
}
