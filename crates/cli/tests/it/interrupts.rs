//! The program itself, interrupted as people and CI interrupt it.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command},
};

use serde_json::{Value, json};

use crate::stage::Stage;

fn signal(process: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &process.id().to_string()]).status().unwrap().success());
}

fn due(stage: &Stage) -> u64 {
    let runs: Value = serde_json::from_slice(&stage.run(&["runs", "--format", "json"]).stdout).unwrap();
    runs["runs"].as_array().unwrap().iter().map(|run| run["due"].as_u64().unwrap()).sum()
}

#[test]
fn either_signal_has_what_was_begun_taken_back_and_shows_how_far_that_is() {
    for name in ["-INT", "-TERM"] {
        let stage = Stage::with_node();
        let mut process = stage.hanging();
        signal(&process.0, name);
        let said = BufReader::new(process.0.stderr.take().unwrap()).lines().map(Result::unwrap).collect::<Vec<_>>();
        assert_eq!(process.0.wait().unwrap().code(), Some(130), "{said:#?}");
        let has = |text: &str| said.iter().any(|line| line.contains(text));
        assert!(has("interrupted: taking back what was begun"), "{said:#?}");
        assert!(has("azure  cleaning up, 1 of 2: an open access to disk"), "{said:#?}");
        assert!(has("aws    cleaning up, 1 of 1: snapshots of this run in us-east-1"), "{said:#?}");
        let audit = stage.audit();
        assert_eq!((&audit["azure"]["disks"], &audit["azure"]["open_sas"]), (&json!([]), &json!([])));
        assert_eq!(audit["aws"]["us-east-1"]["snapshots"], json!([]));
        assert_eq!(due(&stage), 0, "{name}");
    }
}

#[test]
fn a_second_signal_leaves_at_once_and_names_what_takes_back_the_rest() {
    let stage = Stage::with_node();
    let mut process = stage.hanging();
    // Nor does taking back get an answer.
    for operation in ["Read", "ec2:DescribeSnapshots"] {
        let rule = json!({"operation": operation, "times": 1000, "kind": "stall"});
        stage.post("/_sandbox/faults", &rule.to_string());
    }
    signal(&process.0, "-INT");
    let mut lines = BufReader::new(process.0.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("cleaning up, 1 of")));
    signal(&process.0, "-INT");
    let said = lines.find(|line| line.contains("left at once")).unwrap();
    assert_eq!(process.0.wait().unwrap().code(), Some(130));
    let commands: Vec<_> = said.split("publish cleanup ").skip(1).collect();
    assert_eq!(commands.len(), 2, "one for each cloud: {said}");
    stage.delete("/_sandbox/faults");
    for command in commands {
        let run = command.split_whitespace().next().unwrap();
        let output = stage.run(&["cleanup", run]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let audit = stage.audit();
    assert_eq!((&audit["azure"]["disks"], &audit["azure"]["open_sas"]), (&json!([]), &json!([])));
    assert_eq!(audit["aws"]["us-east-1"]["snapshots"], json!([]));
}
