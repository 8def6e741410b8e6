//! A disk that is full where journals are kept.

use std::process::Command;

use serde_json::{Value, json};

use crate::stage::{PUBLISH, Stage, stderr, text};

/// Runs with files that cannot grow past so many blocks of 512 bytes, which is to a journal what a full disk is (dash(1),
/// `ulimit`; setrlimit(2), `RLIMIT_FSIZE`).
fn run(stage: &Stage, blocks: u32, args: &[&str]) -> (i32, Value, String) {
    let mut limited = Command::new("sh");
    limited.args(["-c", &format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\""), PUBLISH]).args(args);
    let output = limited.env_clear().envs(stage.variables()).env("HOME", stage.path("home")).output().unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output.status.code().unwrap(), report, stderr(&output))
}

#[test]
fn a_journal_that_cannot_grow_ends_the_run_and_leaves_nothing() {
    let stage = Stage::with_node();
    let image = stage.path("node.raw");
    let state = stage.path("state");
    // From one that holds no line to one that ends in the middle of a run.
    for blocks in [0, 1, 2, 3] {
        let name = format!("node-{blocks}");
        let args = ["all", "--regions", "westus2,us-east-1", "--name", &name, "--version", "1.0.0"];
        let more = ["--state-dir", text(&state), "--format", "json", text(&image)];
        let (code, report, said) = run(&stage, blocks, &[&args[..], &more].concat());
        assert_eq!(code, 1, "{blocks}: {report:#}");
        for target in report["targets"].as_array().unwrap() {
            let error = &target["error"];
            assert_eq!(error["kind"], "local", "{blocks}: {target:#}");
            let whole = error.to_string();
            assert!(whole.contains("cannot write the journal") && whole.contains("File too large"), "{whole}");
            assert!(error["hint"].as_str().unwrap().contains("--state-dir names another"), "{whole}");
        }
        assert!(!said.contains("panicked"), "{said}");
        let audit = stage.audit();
        let azure = &audit["azure"];
        let left = json!([azure["disks"], azure["open_sas"], azure["images"], azure["image_versions"]]);
        assert_eq!(left, json!([[], [], [], []]), "{blocks}");
        let aws = &audit["aws"]["us-east-1"];
        let left = json!([aws["snapshots"], aws["images"]]);
        assert!(left == json!([[], []]) || left == json!([null, null]), "{blocks}: {left}");
    }
    // With room again the same runs end well.
    for blocks in [0, 1, 2, 3] {
        let name = format!("node-{blocks}");
        let args = ["all", "--regions", "westus2,us-east-1", "--name", &name, "--version", "1.0.0"];
        let (code, report) = stage.report(&[&args[..], &["--state-dir", text(&state), text(&image)]].concat());
        assert_eq!(code, 0, "{blocks}: {report:#}");
    }
}
