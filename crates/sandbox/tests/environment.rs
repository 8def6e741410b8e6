//! The file that a shell sources points every client at the sandbox.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

use sandbox::{Sandbox, Settings};

#[tokio::test]
async fn a_shell_reads_back_what_was_meant() {
    let dir = tempfile::tempdir().unwrap();
    // A path that a careless shell line would break on.
    let sandbox = Sandbox::start(Settings::new(dir.path().join("it's here"))).await.unwrap();
    let environment = sandbox.environment();
    let script = format!("{}env -0", environment.to_shell());
    let output = Command::new("sh").args(["-c", &script]).env_clear().output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let read: Vec<_> = text.split('\0').filter_map(|line| line.split_once('=')).collect();
    for (name, value) in environment.iter() {
        assert!(read.contains(&(name, value)), "{name}");
    }
    for name in
        ["PUBLISH_SANDBOX_URL", "PUBLISH_CA_FILE", "ARM_CLOUD_METADATA_URL", "AWS_ENDPOINT_URL", "AWS_CA_BUNDLE"]
    {
        assert!(environment.iter().any(|(known, _)| known == name), "{name}");
    }
}
