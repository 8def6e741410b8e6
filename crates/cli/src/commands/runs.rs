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
