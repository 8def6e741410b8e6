use std::path::PathBuf;

use publisher::{Error, Kind, PastRun, PastState, Result};
use serde_json::json;

use crate::{
    args::{Format, Runs, Selection},
    exit::Exit,
    render,
    settings::Settings,
};

pub fn runs(args: &Runs) -> Result<Exit> {
    let runs = publisher::runs(&state_dir(&Selection::default(), args.state_dir.clone())?)?;
    render::print(&match args.format {
        Format::Human if runs.is_empty() => "there are no journals of runs\n".to_owned(),
        Format::Human => human(&runs),
        Format::Json => format!("{:#}\n", json!({"schema": 1, "runs": runs})),
    });
    Ok(Exit::Done)
}

/// Where journals are kept.
///
/// # Errors
/// [`Kind::Config`] if nothing says where.
pub fn state_dir(selection: &Selection, given: Option<PathBuf>) -> Result<PathBuf> {
    let dir = match given {
        Some(dir) => Some(dir),
        None => Settings::select(selection)?.state_dir(),
    };
    dir.ok_or_else(|| Error::new(Kind::Config, "nothing says where journals are kept").with_hint("--state-dir DIR"))
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
        };
        text += &format!("{}  {:5}  {began:20}  {state:11}  {}\n", run.run, run.cloud, run.due);
    }
    text
}
