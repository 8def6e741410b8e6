use std::path::PathBuf;

use publisher::{Error, Kind, PastRun, PastState, Result};
use serde_json::json;

use crate::{
    args::{Format, Journals, Runs},
    exit::Exit,
    render,
    settings::Settings,
};

pub fn runs(args: &Runs) -> Result<Exit> {
    let (_, dir) = settings(&args.journals)?;
    let runs = publisher::runs(&dir)?;
    render::print(&match args.journals.format {
        Format::Human if runs.is_empty() => "there are no journals of runs\n".to_owned(),
        Format::Human => human(&runs),
        Format::Json => format!("{:#}\n", json!({"schema": 1, "runs": runs})),
    });
    Ok(Exit::Done)
}

/// The settings that runs published by, and where their journals are.
///
/// # Errors
/// What is wrong with the settings, or [`Kind::Config`] if nothing says where.
pub fn settings(journals: &Journals) -> Result<(Settings, PathBuf)> {
    let settings = Settings::load(&journals.configuration)?;
    let dir = journals.state_dir.clone().or_else(|| settings.state_dir());
    let none = || Error::new(Kind::Config, "nothing says where journals are kept").with_hint("--state-dir DIR");
    Ok((settings, dir.ok_or_else(none)?))
}

fn human(runs: &[PastRun]) -> String {
    let mut text = format!("{:32}  {:5}  {:20}  {:11}  to take back\n", "run", "cloud", "began", "state");
    for run in runs {
        let began = run.began.map(|began| began.strftime("%Y-%m-%d %H:%M UTC").to_string()).unwrap_or_default();
        let state = match run.state {
            PastState::Running => "running",
            PastState::CutOff => "cut off",
            PastState::Done => "done",
            PastState::Failed => "failed",
            PastState::Interrupted => "interrupted",
            PastState::CleanedUp => "cleaned up",
            PastState::Unreadable => "unreadable",
        };
        text += &format!("{}  {:5}  {began:20}  {state:11}  {}\n", run.run, run.cloud, run.due);
    }
    text
}

/// The journals of the run whose key begins with `named`: one for each cloud that it is of.
///
/// # Errors
/// [`Kind::NotFound`] if there is none, [`Kind::Config`] if it may be one of several.
pub fn named(runs: Vec<PastRun>, named: &str) -> Result<Vec<PastRun>> {
    if named.is_empty() {
        return Err(
            Error::new(Kind::Config, "the run that is named is an empty text").with_hint("publish runs lists them")
        );
    }
    let found: Vec<_> = runs.into_iter().filter(|run| run.run.as_str().starts_with(named)).collect();
    let Some(first) = found.first() else {
        return Err(Error::new(Kind::NotFound, format!("there is no journal of a run {named}"))
            .with_hint("publish runs lists those that there are"));
    };
    match found.iter().find(|run| run.run != first.run) {
        None => Ok(found),
        Some(other) => {
            let text = format!("{named} begins more than one run: {} and {}", first.run, other.run);
            Err(Error::new(Kind::Config, text).with_hint("give more digits"))
        }
    }
}
