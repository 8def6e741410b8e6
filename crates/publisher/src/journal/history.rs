use std::{
    fs::{File, TryLockError},
    io::Read,
    path::Path,
};

use serde::Serialize;
use serde_json::Value;

use super::{CommandLine, Journal, folder, whole_lines};
use crate::{Error, Kind, Result, RunKey};

/// How a run that a journal tells of has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PastState {
    /// It has not: a process is at it.
    Running,
    /// Its process was killed.
    CutOff,
    /// The image was published.
    Done,
    /// It failed.
    Failed,
    /// The user ended it.
    Interrupted,
    /// What it had made was taken back later on.
    CleanedUp,
    /// Its journal cannot be read: it is of another version of the program.
    Unreadable,
}

/// A run that a journal tells of.
#[derive(Clone, Debug, Serialize)]
pub struct PastRun {
    /// Its key.
    pub run: RunKey,
    /// The cloud that it published to.
    pub cloud: String,
    /// When it began, the last time; none for one that has not got past its checks.
    pub began: Option<jiff::Timestamp>,
    /// How it ended.
    pub state: PastState,
    /// How many acts of it are still to be taken back.
    pub due: usize,
    /// What was typed to begin it, the last time.
    #[serde(skip)]
    pub command: Option<CommandLine>,
}

/// The runs of which there are journals, the newest last.
///
/// # Errors
/// [`Kind::Local`] for a journal that cannot be read.
pub fn runs(state_dir: &Path) -> Result<Vec<PastRun>> {
    let dir = folder(state_dir);
    let failed = unreadable(&dir);
    let entries = match std::fs::read_dir(&dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(&failed)?,
    };
    let mut runs = Vec::new();
    for entry in entries {
        let path = entry.map_err(&failed)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".jsonl"));
        let run = name.and_then(|name| name.split_once('.')).and_then(|(run, cloud)| Some((run.parse().ok()?, cloud)));
        if let Some((run, cloud)) = run {
            runs.extend(read(&path, run, cloud)?);
        }
    }
    runs.sort_by_key(|run| run.began);
    Ok(runs)
}

fn unreadable(path: &Path) -> impl Fn(std::io::Error) -> Error {
    let text = format!("cannot read {}", path.display());
    move |source| Error::new(Kind::Local, text.clone()).caused_by(source)
}

/// None of a run that never got past its checks.
fn read(path: &Path, run: RunKey, cloud: &str) -> Result<Option<PastRun>> {
    let failed = unreadable(path);
    let mut file = File::open(path).map_err(&failed)?;
    // The process of a run holds its journal for as long as it lives.
    let is_held = matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(&failed)?;
    if bytes.is_empty() && !is_held {
        return Ok(None);
    }
    // How to take an act back only its backend can read; that it is due anyone can.
    let mut journal = Journal::<Value>::at(path.to_owned(), None);
    let is_readable = journal.replay_all(whole_lines(&bytes)).is_ok();
    let state = match journal.last.outcome.as_deref() {
        _ if is_held => PastState::Running,
        _ if !is_readable => PastState::Unreadable,
        None => PastState::CutOff,
        Some("failed") => PastState::Failed,
        Some("interrupted") => PastState::Interrupted,
        Some("cleaned_up") => PastState::CleanedUp,
        Some(_) => PastState::Done,
    };
    let (cloud, due, last) = (cloud.to_owned(), journal.pending.len(), journal.last);
    Ok(Some(PastRun { run, cloud, began: last.began, state, due, command: last.command }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::When;

    #[test]
    fn a_run_that_never_got_past_its_checks_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let key = RunKey::new([]);
        let held = Journal::<String>::open(dir.path(), "cloud", &key).unwrap();
        assert_eq!(runs(dir.path()).unwrap()[0].state, PastState::Running);
        drop(held);
        assert!(runs(dir.path()).unwrap().is_empty());
    }

    #[test]
    fn what_is_no_journal_or_of_another_version_hides_no_other() {
        let dir = tempfile::tempdir().unwrap();
        drop(Journal::<String>::open(dir.path(), "cloud", &RunKey::new([])).unwrap());
        let strange = dir.path().join("runs").join(format!("{}.cloud.jsonl", RunKey::new([])));
        std::fs::write(strange, "{\"entry\": \"of_another_version\"}\n").unwrap();
        std::fs::write(dir.path().join("runs/notes.cloud.jsonl"), "x").unwrap();
        let states: Vec<_> = runs(dir.path()).unwrap().iter().map(|run| run.state).collect();
        assert_eq!(states, [PastState::Unreadable]);
    }

    #[tokio::test]
    async fn a_journal_says_how_its_run_ended_and_what_is_due() {
        let dir = tempfile::tempdir().unwrap();
        assert!(runs(dir.path()).unwrap().is_empty());
        let key = RunKey::new([("x", "y".to_owned())]);
        let seen = || {
            let runs = runs(dir.path()).unwrap();
            assert_eq!((runs.len(), &runs[0].run, runs[0].cloud.as_str()), (1, &key, "cloud"));
            (runs[0].state, runs[0].due)
        };
        for (outcome, state, due) in [
            (None, PastState::CutOff, 2),
            (Some("interrupted"), PastState::Interrupted, 2),
            (Some("done"), PastState::Done, 1),
            (Some("cleaned_up"), PastState::CleanedUp, 1),
        ] {
            let mut journal = Journal::<String>::open(dir.path(), "cloud", &key).unwrap();
            journal.run_started("sha256:0".into(), "a place".into(), None).await.unwrap();
            if outcome.is_none() {
                journal.defer(When::Always, "first".into()).await.unwrap();
                journal.defer(When::OnFailure, "second".into()).await.unwrap();
            }
            assert_eq!(seen().0, PastState::Running);
            if let Some(outcome) = outcome {
                journal.run_done(outcome).await.unwrap();
            }
            drop(journal);
            assert_eq!(seen(), (state, due));
        }
    }
}
