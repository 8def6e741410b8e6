use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use publisher::{Error, Kind, Result};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Child,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    Reference,
    command::{nix, packages},
    failure,
    log::{Log, Said},
};
use crate::render::building::Building;

/// What Nix built. It stays in the store for as long as this lives: a link to it is a root of the garbage collector.
#[derive(Debug)]
pub struct Build {
    output: PathBuf,
    _root: TempDir,
}

impl Build {
    /// Where it is: a folder, or a file.
    pub fn output(&self) -> &Path {
        &self.output
    }
}

/// One of what `nix build --json` prints.
#[derive(Deserialize)]
#[serde(untagged)]
enum Built {
    Derivation { outputs: BTreeMap<String, PathBuf> },
    // An attribute that is a path was not built, and is in the store all the same.
    Path(PathBuf),
}

impl Built {
    fn output(self) -> Option<PathBuf> {
        match self {
            Self::Derivation { mut outputs } => outputs.remove("out").or_else(|| outputs.into_values().next()),
            Self::Path(path) => Some(path),
        }
    }
}

/// How long what Nix has said is waited for once it is gone. Something that it left running may hold the line open for ever.
const GRACE: Duration = Duration::from_secs(2);

/// Builds what a reference names, and shows what Nix says meanwhile. When it is cancelled, so is Nix.
///
/// # Errors
/// [`Kind::Config`] if there is no Nix or no such attribute, or if it is nothing that can be built; [`Kind::Local`] with what Nix
/// says if it cannot be built; [`Kind::Cancelled`].
pub async fn build(reference: &Reference, flags: &[String], cancel: &CancellationToken) -> Result<Build> {
    let local = |what: &'static str| move |error: io::Error| Error::new(Kind::Local, what).caused_by(error);
    let root = TempDir::new().map_err(local("cannot make a temporary folder"))?;
    let printed = root.path().join("built.json");
    let stdout = File::create(&printed).map_err(local("cannot write to a temporary folder"))?;
    let mut command = nix("build", &reference.to_string(), flags)?;
    // For programs: what is said comes in a form of its own, and a line of a build's log tells whose it is.
    command.args(["--json", "--log-format", "internal-json", "--out-link"]).arg(root.path().join("result"));
    let child = command.stdout(stdout).stderr(Stdio::piped()).spawn();
    let mut child = child.map_err(|error| failure::no_nix(reference, error))?;
    let (ended, errors) = attend(reference, &mut child, cancel).await.map_err(local("cannot wait for Nix"))?;
    if cancel.is_cancelled() {
        return Err(Error::new(Kind::Cancelled, format!("interrupted while Nix built {reference}")));
    }
    if !ended.success() {
        let there = if failure::is_about_names(&errors) { packages(reference, flags).await } else { None };
        return Err(failure::explain(reference, errors, there));
    }
    let unexpected = || Error::new(Kind::Local, format!("Nix built {reference}, and does not say where it is"));
    let printed = fs::read(&printed).map_err(|error| unexpected().caused_by(error))?;
    let built: Vec<Built> = serde_json::from_slice(&printed).map_err(|error| unexpected().caused_by(error))?;
    let output = built.into_iter().next().and_then(Built::output).ok_or_else(unexpected)?;
    Ok(Build { output, _root: root })
}

/// Shows what Nix says until it ends, and gives how it ended and what went wrong.
async fn attend(
    reference: &Reference,
    child: &mut Child,
    cancel: &CancellationToken,
) -> io::Result<(ExitStatus, Vec<String>)> {
    let building = Building::new(&reference.to_string());
    let (mut log, mut errors) = (Log::default(), Vec::new());
    let stderr = child.stderr.take().ok_or_else(|| io::Error::other("Nix says nothing"))?;
    let mut lines = BufReader::new(stderr).split(b'\n');
    let (mut speaks, mut told, mut ended, mut until) = (true, false, None, Instant::now());
    loop {
        tokio::select! {
            line = lines.next_segment(), if speaks => match line? {
                Some(line) => match log.read(&String::from_utf8_lossy(&line)) {
                    Some(Said::Error(error)) => errors.push(error),
                    Some(Said::Began(text)) => building.began(&text),
                    Some(Said::Built { name, line }) => building.line(&format!("{name}> {line}")),
                    Some(Said::Note(text)) => building.line(&text),
                    None => {}
                },
                None => speaks = false,
            },
            status = child.wait(), if ended.is_none() => {
                ended = Some(status?);
                until = Instant::now() + GRACE;
            }
            // It ends what it builds, and then itself.
            () = cancel.cancelled(), if !told => {
                told = true;
                end(child)?;
            }
            () = sleep_until(until), if ended.is_some() => speaks = false,
        }
        if let (Some(ended), false) = (ended, speaks) {
            return Ok((ended, errors));
        }
    }
}

fn end(child: &Child) -> io::Result<()> {
    // Without an id it is gone already.
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    pid.map_or(Ok(()), |pid| kill_process(pid, Signal::TERM).map_err(io::Error::from))
}
