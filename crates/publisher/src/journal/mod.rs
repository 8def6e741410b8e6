//! What a run remembers: an append-only file of JSON lines. The run goes on only when a line is on disk; lines of progress alone
//! are left to the kernel, for what is lost of them is sent again.

mod entry;
mod history;
mod lock;

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::Value;
use vhd::Extent;

use self::entry::{Entry, SCHEMA};
pub use self::{
    entry::{CommandLine, UndoId, When},
    history::{PastRun, PastState, runs},
};
use crate::{Attempt, Durable, Error, Kind, Result, RunKey, Stage};

/// An undo that is still due.
#[derive(Clone, Debug)]
pub struct Pending<U> {
    pub id: UndoId,
    pub when: When,
    pub undo: U,
}

/// The journal of one run of one target.
#[derive(Debug)]
pub struct Journal<U> {
    file: Option<Arc<File>>,
    path: PathBuf,
    next: u64,
    pending: Vec<Pending<U>>,
    /// What was noted to be somewhere, by the name of where.
    sent: BTreeMap<String, Vec<Extent>>,
    last: LastRun,
    /// Whether a run has begun in this process, and not ended.
    is_under_way: bool,
}

/// The last of the earlier runs.
#[derive(Debug, Default)]
struct LastRun {
    began: Option<jiff::Timestamp>,
    by: String,
    command: Option<CommandLine>,
    /// Where its acts were done.
    place: Option<String>,
    /// Whether it got as far as an image that is the user's.
    is_registered: bool,
    /// How it ended.
    outcome: Option<String>,
}

impl<U: Durable> Journal<U> {
    /// A journal that is not kept.
    pub fn in_memory() -> Self {
        Self::at(PathBuf::new(), None)
    }

    /// Opens the journal of a run under `state_dir`, or begins it. What an earlier run of the same key left undone is
    /// [`pending`](Self::pending).
    pub fn open(state_dir: &Path, cloud: &str, run: &RunKey) -> Result<Self> {
        let (dir, path) = (folder(state_dir), path(state_dir, cloud, run));
        let failed = |what: &str, source: std::io::Error| {
            Error::new(Kind::Local, format!("cannot {what} the journal {}", path.display()))
                .with_hint("journals are kept under the state directory; --state-dir names another")
                .caused_by(source)
        };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(|e| failed("make room for", e))?;
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path)
            .map_err(|e| failed("open", e))?;
        // Held until the process ends, however it ends: two runs of one key would take back each other's work.
        if !lock::take(&file).map_err(|e| failed("lock", e))? {
            return Err(Self::held(&mut file, &path));
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|e| failed("read", e))?;
        let whole = whole_lines(&bytes);
        if whole.len() < bytes.len() {
            file.set_len(whole.len() as u64).map_err(|e| failed("mend", e))?;
        }
        let mut journal = Self::at(path.clone(), Some(Arc::new(file)));
        journal.replay_all(whole)?;
        Ok(journal)
    }

    fn at(path: PathBuf, file: Option<Arc<File>>) -> Self {
        let (pending, sent, last) = (Vec::new(), BTreeMap::new(), LastRun::default());
        Self { file, path, next: 0, pending, sent, last, is_under_way: false }
    }

    /// What is said where another process is at the run: who it is, as far as its journal tells yet.
    fn held(file: &mut File, path: &Path) -> Error {
        let mut bytes = Vec::new();
        let mut theirs = Journal::<Value>::at(path.to_owned(), None);
        let is_read = file.read_to_end(&mut bytes).is_ok() && theirs.replay_all(whole_lines(&bytes)).is_ok();
        let running = theirs.last.began.filter(|_| is_read && theirs.last.outcome.is_none());
        let who = running.map_or_else(
            || "another process".to_owned(),
            |began| format!("{}, since {},", theirs.last.by, began.strftime("%Y-%m-%d %H:%M:%S UTC")),
        );
        Error::new(Kind::Conflict, format!("{who} is publishing this image with these settings"))
            .with_hint("wait for it to end, and publish again: what it has made is found")
    }

    fn replay_all(&mut self, lines: &[u8]) -> Result<()> {
        String::from_utf8_lossy(lines).lines().try_for_each(|line| self.replay(line))
    }

    fn replay(&mut self, line: &str) -> Result<()> {
        let entry = serde_json::from_str(line).map_err(|error| self.of_another_version(error))?;
        match entry {
            Entry::Deferred { id, when, undo } => {
                let undo = serde_json::from_value(undo).map_err(|error| self.of_another_version(error))?;
                self.pending.push(Pending { id, when, undo });
                self.next = self.next.max(id.0 + 1);
            }
            Entry::Settled { ids } => self.forget(&ids),
            Entry::Undone { id } => self.forget(&[id]),
            Entry::RunStarted { at, place, by, command, .. } => {
                self.last = LastRun { began: Some(at), place: Some(place), by, command, ..LastRun::default() };
            }
            Entry::Progress { to, ranges } => {
                let ranges = ranges.into_iter().map(|(offset, length)| Extent { offset, length });
                self.sent.entry(to).or_default().extend(ranges);
            }
            Entry::RunDone { outcome, .. } => {
                if outcome != "failed" && outcome != "interrupted" {
                    self.pending.retain(|pending| pending.when == When::Always);
                }
                self.last.outcome = Some(outcome);
                self.sent.clear();
            }
            Entry::StageStarted { stage: Stage::Replicate } | Entry::StageDone { stage: Stage::Register, .. } => {
                self.last.is_registered = true;
            }
            Entry::StageStarted { .. } | Entry::StageDone { .. } => {}
        }
        Ok(())
    }

    fn of_another_version(&self, error: serde_json::Error) -> Error {
        Error::new(Kind::Local, format!("the journal {} is of another version", self.path.display()))
            .with_hint("finish that run with the program that began it")
            .caused_by(error)
    }

    /// The undos that are due, the newest last.
    pub fn pending(&self) -> &[Pending<U>] {
        &self.pending
    }

    /// Where the acts of the last of the earlier runs were done, if it has said so.
    pub fn place(&self) -> Option<&str> {
        self.last.place.as_deref()
    }

    /// Whether the last of the earlier runs got as far as an image that is the user's.
    pub fn is_registered(&self) -> bool {
        self.last.is_registered
    }

    /// Whether the last of the earlier runs ended in no way: its process was killed.
    pub fn was_cut_off(&self) -> bool {
        self.last.began.is_some() && self.last.outcome.is_none()
    }

    /// Whether a run has begun in this process, and not ended.
    pub fn is_under_way(&self) -> bool {
        self.is_under_way
    }

    pub async fn run_started(&mut self, digest: String, place: String, command: Option<CommandLine>) -> Result<()> {
        let (at, by) = (jiff::Timestamp::now(), Attempt::new().to_string());
        self.append(&Entry::RunStarted { schema: SCHEMA, at, digest, place, by, command }).await?;
        self.is_under_way = true;
        Ok(())
    }

    /// What earlier runs have noted to be in `to`, in the order in which it got there.
    pub fn sent(&self, to: &str) -> Vec<Extent> {
        self.sent.get(to).cloned().unwrap_or_default()
    }

    /// Notes which ranges hold what was sent, by the name of where. Survives a kill of the process, and a loss of power perhaps
    /// not.
    pub async fn note_sent(&self, notes: BTreeMap<String, Vec<Extent>>) -> Result<()> {
        let entry = |(to, ranges): (String, Vec<Extent>)| {
            let ranges = ranges.iter().map(|range| (range.offset, range.length)).collect();
            Entry::Progress { to, ranges }
        };
        self.write(&notes.into_iter().map(entry).collect::<Vec<_>>(), |_| Ok(())).await
    }

    pub async fn stage_started(&mut self, stage: Stage) -> Result<()> {
        self.append(&Entry::StageStarted { stage }).await
    }

    pub async fn stage_done<A: Durable>(&mut self, stage: Stage, artifact: &A) -> Result<()> {
        let artifact = serde_json::to_value(artifact).map_err(unwritable)?;
        self.append(&Entry::StageDone { stage, artifact }).await
    }

    pub async fn defer(&mut self, when: When, undo: U) -> Result<UndoId> {
        let value = serde_json::to_value(&undo).map_err(unwritable)?;
        // An act that a killed run has noted too is one act, and is taken back once.
        let is_same =
            |known: &&Pending<U>| known.when == when && serde_json::to_value(&known.undo).is_ok_and(|v| v == value);
        if let Some(known) = self.pending.iter().find(is_same) {
            return Ok(known.id);
        }
        let id = UndoId(self.next);
        self.append(&Entry::Deferred { id, when, undo: value }).await?;
        self.next += 1;
        self.pending.push(Pending { id, when, undo });
        Ok(id)
    }

    pub async fn settle(&mut self, ids: Vec<UndoId>) -> Result<()> {
        self.append(&Entry::Settled { ids: ids.clone() }).await?;
        self.forget(&ids);
        Ok(())
    }

    /// Voids what was due in case of failure: an earlier run of this key did succeed.
    pub async fn succeeded(&mut self) -> Result<()> {
        let void: Vec<_> = self.pending.iter().filter(|p| p.when == When::OnFailure).map(|p| p.id).collect();
        if void.is_empty() { Ok(()) } else { self.settle(void).await }
    }

    pub async fn undone(&mut self, id: UndoId) -> Result<()> {
        self.forget(&[id]);
        self.append(&Entry::Undone { id }).await
    }

    pub async fn run_done(&mut self, outcome: &str) -> Result<()> {
        self.is_under_way = false;
        self.append(&Entry::RunDone { at: jiff::Timestamp::now(), outcome: outcome.to_owned() }).await
    }

    fn forget(&mut self, ids: &[UndoId]) {
        self.pending.retain(|pending| !ids.contains(&pending.id));
    }

    async fn append(&self, entry: &Entry) -> Result<()> {
        self.write(std::slice::from_ref(entry), File::sync_data).await
    }

    async fn write(&self, entries: &[Entry], settle: fn(&File) -> std::io::Result<()>) -> Result<()> {
        let Some(file) = self.file.clone() else { return Ok(()) };
        let mut lines = Vec::new();
        for entry in entries {
            serde_json::to_writer(&mut lines, entry).map_err(unwritable)?;
            lines.push(b'\n');
        }
        let write = move || {
            let before = file.metadata()?.len();
            (&*file).write_all(&lines).and_then(|()| settle(&file)).inspect_err(|_| {
                // Half a line in the middle would make all that follows unreadable.
                let _ = file.set_len(before);
            })
        };
        let written =
            tokio::task::spawn_blocking(write).await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        written.map_err(|source| {
            Error::new(Kind::Local, format!("cannot write the journal {}", self.path.display()))
                .with_hint("free space there; --state-dir names another place")
                .caused_by(source)
        })
    }
}

/// Where the journal of a run is.
pub fn path(state_dir: &Path, cloud: &str, run: &RunKey) -> PathBuf {
    folder(state_dir).join(format!("{run}.{cloud}.jsonl"))
}

/// Where journals are.
fn folder(state_dir: &Path) -> PathBuf {
    state_dir.join("runs")
}

/// What of a journal counts. A process that was killed in mid-write leaves a last line that is cut short; its act never took
/// place, because the run goes on only when a line is whole and on disk.
fn whole_lines(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1)]
}

fn unwritable(error: serde_json::Error) -> Error {
    Error::new(Kind::Local, "cannot write an entry of the journal").caused_by(error)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn open(dir: &Path) -> Journal<String> {
        Journal::open(dir, "cloud", &RunKey::new([("x", "y".to_owned())])).unwrap()
    }

    #[tokio::test]
    async fn what_was_not_undone_is_pending_in_the_next_process() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = open(dir.path());
        let first = journal.defer(When::Always, "first".into()).await.unwrap();
        journal.defer(When::OnFailure, "second".into()).await.unwrap();
        let third = journal.defer(When::OnFailure, "third".into()).await.unwrap();
        journal.settle(vec![third]).await.unwrap();

        drop(journal);

        let mut next = open(dir.path());
        assert_eq!(next.pending().iter().map(|p| p.undo.as_str()).collect::<Vec<_>>(), ["first", "second"]);
        next.undone(first).await.unwrap();
        let fresh = next.defer(When::Always, "fourth".into()).await.unwrap();
        assert!(fresh.0 > third.0, "ids are never used twice");

        next.run_done("published").await.unwrap();
        drop(next);
        assert_eq!(open(dir.path()).pending().len(), 1, "a failure's undo is void after a success");
    }

    #[tokio::test]
    async fn a_line_cut_short_by_a_kill_is_ignored_and_the_file_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = open(dir.path());
        journal.defer(When::Always, "first".into()).await.unwrap();
        let path = journal.path.clone();
        drop(journal);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        File::options().append(true).open(&path).unwrap().write_all(b"{\"entry\":\"defer").unwrap();
        let mut next = open(dir.path());
        assert_eq!(next.pending().len(), 1);
        next.defer(When::Always, "second".into()).await.unwrap();
        drop(next);
        assert_eq!(open(dir.path()).pending().len(), 2, "what comes after the cut is a line of its own");
    }

    #[tokio::test]
    async fn a_second_run_of_the_same_key_at_the_same_time_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let _held = open(dir.path());
        let second = Journal::<String>::open(dir.path(), "cloud", &RunKey::new([("x", "y".to_owned())]));
        assert_eq!(second.unwrap_err().kind(), Kind::Conflict);
        Journal::<String>::open(dir.path(), "other", &RunKey::new([("x", "y".to_owned())])).unwrap();
    }

    #[tokio::test]
    async fn a_full_disk_is_one_clear_error() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut journal = Journal::<String>::at("state/runs/a.jsonl".into(), Some(Arc::new(full)));
        let error = journal.defer(When::Always, "first".into()).await.unwrap_err();
        assert_eq!(error.to_string(), "cannot write the journal state/runs/a.jsonl");
        assert_eq!((error.kind(), error.causes().len()), (Kind::Local, 1));
        assert_eq!(error.hint(), Some("free space there; --state-dir names another place"));
        assert!(journal.pending().is_empty(), "what could not be noted is not done, and so not undone");
    }

    #[tokio::test]
    async fn what_was_sent_is_known_to_the_next_process_until_the_run_is_over() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = open(dir.path());
        journal.run_started("sha256:0".into(), "a place".into(), None).await.unwrap();
        let block = |offset| Extent { offset, length: 512 };
        journal.note_sent(BTreeMap::from([("snap-1".to_owned(), vec![block(1024)])])).await.unwrap();
        journal.note_sent(BTreeMap::from([("snap-2".to_owned(), vec![block(0)])])).await.unwrap();
        journal.note_sent(BTreeMap::from([("snap-1".to_owned(), vec![block(0)])])).await.unwrap();
        drop(journal);
        let mut next = open(dir.path());
        assert!(next.was_cut_off());
        assert_eq!(next.sent("snap-1"), [block(1024), block(0)]);
        assert_eq!(next.sent("snap-3"), []);
        next.run_done("failed").await.unwrap();
        drop(next);
        let last = open(dir.path());
        assert!(!last.was_cut_off());
        assert_eq!(last.sent("snap-1"), [], "what it was sent to is gone");
    }

    #[tokio::test]
    async fn an_act_that_is_noted_again_is_one_act() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = open(dir.path());
        let first = journal.defer(When::Always, "first".into()).await.unwrap();
        assert_eq!(journal.defer(When::Always, "first".into()).await.unwrap(), first);
        assert_ne!(journal.defer(When::OnFailure, "first".into()).await.unwrap(), first);
        assert_eq!(journal.pending().len(), 2);
    }
}
