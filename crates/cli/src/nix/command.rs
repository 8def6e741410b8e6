use std::process::Stdio;

use publisher::{Error, Kind, Result};
use serde::de::DeserializeOwned;
use tokio::process::Command;

use super::Reference;

/// Nix with a verb and what it is about.
///
/// # Errors
/// [`Kind::Config`] for flags that hold a secret: what is typed is written down, for whoever goes on with a run.
pub fn nix(verb: &str, installable: &str, flags: &[String]) -> Result<Command> {
    if flags.iter().any(|flag| flag.contains("access-tokens")) {
        return Err(Error::new(Kind::Config, "a flag for Nix holds access tokens, and what is typed is written down")
            .with_hint("give them in nix.conf, or in the variable NIX_CONFIG"));
    }
    let mut command = Command::new("nix");
    command.args(["--extra-experimental-features", "nix-command flakes", verb, installable]);
    // An empty one is what a variable that is set to nothing gives.
    command.args(flags.iter().filter(|flag| !flag.is_empty())).stdin(Stdio::null()).kill_on_drop(true);
    Ok(command)
}

/// The file of an image builder's output that is the image, as the builder says.
pub async fn file_path(reference: &Reference, flags: &[String]) -> Option<String> {
    ask(nix("eval", &reference.below("passthru.filePath"), flags).ok()?.arg("--json")).await
}

/// What a flake has to build on this system.
pub async fn packages(reference: &Reference, flags: &[String]) -> Option<Vec<String>> {
    let system = format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS.replace("macos", "darwin"));
    let packages = format!("{}#packages.{system}", reference.flake());
    ask(nix("eval", &packages, flags).ok()?.args(["--json", "--apply", "builtins.attrNames"])).await
}

/// Asks Nix something that need not have an answer.
async fn ask<T: DeserializeOwned>(command: &mut Command) -> Option<T> {
    serde_json::from_slice(&command.output().await.ok()?.stdout).ok()
}
