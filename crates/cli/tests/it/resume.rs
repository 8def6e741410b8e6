//! A run that was killed is gone on with as it was typed.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::stage::{Running, Stage, stderr, text};

/// A stage on which a run of both clouds was killed with most of its image sent, and the keys of both runs.
fn killed(args: &[&str]) -> (Stage, Vec<(String, String)>) {
    let stage = Stage::with_node();
    std::fs::create_dir_all(stage.path("work")).unwrap();
    std::fs::rename(stage.path("node.raw"), stage.path("work/node.raw")).unwrap();
    for operation in ["EndGetAccess", "ebs:CompleteSnapshot"] {
        let rule = json!({"operation": operation, "times": 1000, "kind": "stall"});
        stage.post("/_sandbox/faults", &rule.to_string());
    }
    let mut command = stage.command(&[&["all", "--name", "node", "--version", "1.0.0"], args, &["node.raw"]].concat());
    let mut process = Running(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let asked = |operation: &str| !stage.audit()["traffic"][operation].is_null();
    while !(asked("EndGetAccess") && asked("ebs:CompleteSnapshot")) {
        assert!(process.0.try_wait().unwrap().is_none(), "it ended by itself");
    }
    drop(process);
    stage.delete("/_sandbox/faults");
    let runs: Value = serde_json::from_slice(&stage.run(&["runs", "--format", "json"]).stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let runs = runs["runs"].as_array().unwrap().iter().map(|run| (text(&run["cloud"]), text(&run["run"]))).collect();
    (stage, runs)
}

#[test]
fn each_run_is_finished_alone_from_another_place_and_nothing_is_sent_again() {
    let (stage, runs) = killed(&["--regions", "westus2,us-east-1,eu-west-1"]);
    let sent = |stage: &Stage| {
        let traffic = stage.audit()["traffic"].clone();
        json!([traffic["PutPage"]["requests"], traffic["ebs:PutSnapshotBlock"]["requests"]])
    };
    let before = sent(&stage);
    for (nth, (cloud, run)) in runs.iter().enumerate() {
        let mut command = stage.command(&["resume", &run[..10], "--format", "json"]);
        let output = command.current_dir(stage.dir.path()).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let targets = report["targets"].as_array().unwrap();
        assert_eq!((targets.len(), &targets[0]["cloud"], &targets[0]["run"]), (1, &json!(cloud), &json!(run)));
        assert_eq!(targets[0]["status"], "published");
        let published = stage.audit();
        let versions = published["azure"]["image_versions"].as_array().unwrap().len();
        let images = published["aws"]["eu-west-1"]["images"].as_array().map_or(0, Vec::len);
        assert_eq!(versions + images, nth + 1);
    }
    assert_eq!(sent(&stage), before);
    let (code, report) = stage.report(&[
        "all",
        "--regions",
        "westus2,us-east-1,eu-west-1",
        "--name",
        "node",
        "--version",
        "1.0.0",
        "node.raw",
    ]);
    assert_eq!(code, 0, "{report:#}");
    assert!(report["targets"].as_array().unwrap().iter().all(|target| target["status"] == "unchanged"), "{report:#}");
}

#[test]
fn an_image_that_has_changed_is_not_gone_on_with() {
    let (stage, runs) = killed(&["--regions", "westus2,us-east-1"]);
    let path = stage.path("work/node.raw");
    let mut bytes = std::fs::read(&path).unwrap();
    let last = bytes.len() - 300_000;
    bytes[last] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    for (_, run) in &runs {
        let output = stage.run(&["resume", run]);
        let said = stderr(&output) + &String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(&format!("is not what run {run} published")), "{said}");
    }
    assert!(stage.run(&["cleanup"]).status.success());
    let audit = stage.audit();
    assert_eq!((&audit["azure"]["disks"], &audit["azure"]["open_sas"]), (&json!([]), &json!([])));
    assert_eq!(audit["aws"]["us-east-1"]["snapshots"], json!([]));
    let output = stage.run(&["resume", "nosuchrun"]);
    assert!(stderr(&output).contains("there is no journal of a run nosuchrun"), "{}", stderr(&output));
}

#[test]
fn a_run_that_takes_longer_than_it_may_is_taken_back() {
    let stage = Stage::with_node();
    for operation in ["PutPage", "ebs:PutSnapshotBlock"] {
        let rule = json!({"operation": operation, "times": 1000, "kind": "stall"});
        stage.post("/_sandbox/faults", &rule.to_string());
    }
    let image = stage.path("node.raw");
    let args = ["all", "--regions", "westus2,us-east-1", "--name", "node", "--deadline", "2s", text(&image)];
    let (code, report) = stage.report(&args);
    assert_eq!(code, 1, "{report:#}");
    for target in report["targets"].as_array().unwrap() {
        assert_eq!(target["error"]["kind"], "timed_out", "{target:#}");
        assert_eq!(target["error"]["message"], "the run was not over after 2 seconds");
    }
    let audit = stage.audit();
    assert_eq!((&audit["azure"]["disks"], &audit["azure"]["open_sas"]), (&json!([]), &json!([])));
    let snapshots = &audit["aws"]["us-east-1"]["snapshots"];
    assert!(snapshots.is_null() || *snapshots == json!([]), "{snapshots}");
    let output = stage.run(&["azure", "--deadline", "soon", text(&image)]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("the deadline is \"soon\", which is no time"), "{}", stderr(&output));
}

#[test]
fn everything_is_read_back_where_that_is_asked_for() {
    let stage = Stage::with_node();
    let image = stage.path("node.raw");
    let (code, report) = stage.report(&["all", "--regions", "westus2,us-east-1", "--verify", "full", text(&image)]);
    assert_eq!(code, 0, "{report:#}");
    let traffic = &stage.audit()["traffic"];
    assert!(
        traffic["GetBlob"]["requests"].as_u64() > Some(0)
            && traffic["ebs:GetSnapshotBlock"]["requests"].as_u64() > Some(0)
    );
}
