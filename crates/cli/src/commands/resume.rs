use std::path::Path;

use clap::Parser;
use publisher::{CommandLine, Error, Kind, PastRun, PastState, Result};

use super::{publish, runs};
use crate::{
    args::{Args, Clouds, Command, Publish, Resume},
    backends,
    exit::Exit,
};

/// Goes on with a run: what was typed is done again, from where it was typed and for that cloud alone, if it is still the same
/// run. What is in the environment is the environment's of now.
pub async fn resume(args: &Resume) -> Result<Exit> {
    let (_, dir) = runs::settings(&args.journals)?;
    let run = one(runs::named(publisher::runs(&dir)?, &args.run)?)?;
    let cloud = backends::named(&run.cloud)
        .ok_or_else(|| Error::new(Kind::Config, format!("this program knows no cloud called {}", run.cloud)))?;
    let command = run.command.clone().ok_or_else(|| {
        Error::new(Kind::NotFound, format!("the journal of run {} does not say what was typed", run.run))
            .with_hint("publish the same image again: what the run has made is found")
    })?;
    let (typed, clouds) = parse(&command)?;
    // The journals' place may have been relative to where that was.
    let dir = std::path::absolute(&dir).unwrap_or(dir);
    enter(&command.dir)?;
    let typed = Publish { state_dir: Some(dir), format: args.journals.format, ..typed };
    publish::publish_as(&typed, backends::of(clouds), command, Some((cloud, run.run))).await
}

fn one(mut found: Vec<PastRun>) -> Result<PastRun> {
    let (Some(run), true) = (found.pop(), found.is_empty()) else {
        return Err(Error::new(Kind::Config, "that is more than one run").with_hint("publish runs lists them"));
    };
    match run.state {
        PastState::Running => Err(Error::new(Kind::Conflict, format!("run {} is under way", run.run))),
        PastState::Unreadable => {
            Err(Error::new(Kind::Local, format!("the journal of run {} is of another version", run.run))
                .with_hint("finish that run with the program that began it"))
        }
        _ => Ok(run),
    }
}

fn parse(command: &CommandLine) -> Result<(Publish, Clouds)> {
    let unusable = || {
        Error::new(Kind::Config, format!("what was typed is no publishing: {}", command.args.join(" ")))
            .with_hint("publish the same image again: what the run has made is found")
    };
    match Args::try_parse_from(&command.args).map_err(|error| unusable().caused_by(error))?.command {
        Command::Azure(typed) => Ok((typed, Clouds::Azure)),
        Command::Aws(typed) => Ok((typed, Clouds::Aws)),
        Command::All(typed) => Ok((typed, Clouds::All)),
        _ => Err(unusable()),
    }
}

fn enter(dir: &Path) -> Result<()> {
    std::env::set_current_dir(dir).map_err(|error| {
        Error::new(Kind::Local, format!("the run was begun in {}, which cannot be entered", dir.display()))
            .caused_by(error)
    })
}
