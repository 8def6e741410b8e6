use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use publisher::{Error, Kind, Result};
use serde::Deserialize;
use tempfile::TempDir;

use super::{
    Reference, failure,
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

/// Builds what a reference names, and shows what Nix says meanwhile.
///
/// # Errors
/// [`Kind::Config`] if there is no Nix or no such attribute, or if it is nothing that can be built; [`Kind::Local`] with what Nix
/// says if it cannot be built.
pub fn build(reference: &Reference, flags: &[String]) -> Result<Build> {
    let root = TempDir::new().map_err(|e| Error::new(Kind::Local, "cannot make a temporary folder").caused_by(e))?;
    let mut command = nix("build", &reference.to_string(), flags);
    // For programs: what is said comes in a form of its own, and a line of a build's log tells whose it is.
    command.args(["--json", "--log-format", "internal-json", "--out-link"]).arg(root.path().join("result"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| failure::no_nix(reference, error))?;
    let errors = child.stderr.take().map(|said| show(reference, said)).unwrap_or_default();
    // A line or two, which it prints at its end: nobody has to read while it works.
    let mut printed = String::new();
    let read = child.stdout.take().map_or(Ok(0), |mut stdout| stdout.read_to_string(&mut printed));
    let ended = read.and_then(|_| child.wait());
    let ended = ended.map_err(|e| Error::new(Kind::Local, "cannot wait for Nix").caused_by(e))?;
    if !ended.success() {
        return Err(failure::explain(reference, errors, || packages(reference, flags)));
    }
    let unexpected = || Error::new(Kind::Local, format!("Nix built {reference}, and does not say where it is"));
    let built: Vec<Built> = serde_json::from_str(&printed).map_err(|error| unexpected().caused_by(error))?;
    let output = built.into_iter().next().and_then(Built::output).ok_or_else(unexpected)?;
    Ok(Build { output, _root: root })
}

/// Shows what Nix says until it ends, and gives what went wrong.
fn show(reference: &Reference, said: impl Read) -> Vec<String> {
    let building = Building::new(&reference.to_string());
    let (mut log, mut errors) = (Log::default(), Vec::new());
    for line in BufReader::new(said).split(b'\n').map_while(std::result::Result::ok) {
        match log.read(&String::from_utf8_lossy(&line)) {
            Some(Said::Error(error)) => errors.push(error),
            Some(Said::Began(text)) => building.began(&text),
            Some(Said::Built { name, line }) => building.line(&format!("{name}> {line}")),
            Some(Said::Note(text)) => building.line(&text),
            None => {}
        }
    }
    errors
}

/// The file of an image builder's output that is the image, as the builder says.
pub fn file_path(reference: &Reference, flags: &[String]) -> Option<String> {
    ask(nix("eval", &reference.below("passthru.filePath"), flags).arg("--json"))
}

/// What a flake has to build on this system.
fn packages(reference: &Reference, flags: &[String]) -> Option<Vec<String>> {
    let system = format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS.replace("macos", "darwin"));
    let packages = format!("{}#packages.{system}", reference.flake());
    ask(nix("eval", &packages, flags).args(["--json", "--apply", "builtins.attrNames"]))
}

/// Asks Nix something that need not have an answer.
fn ask<T: for<'de> Deserialize<'de>>(command: &mut Command) -> Option<T> {
    let output = command.stdin(Stdio::null()).output().ok()?;
    serde_json::from_slice(&output.stdout).ok()
}

fn nix(verb: &str, installable: &str, flags: &[String]) -> Command {
    let mut command = Command::new("nix");
    command.args(["--extra-experimental-features", "nix-command flakes", verb, installable]).args(flags);
    command
}
