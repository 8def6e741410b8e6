//! What a killed run has left is listed, and taken back on demand.

use serde_json::{Value, json};

use crate::stage::{Stage, stderr};

/// A stage on which a run was killed with a page and a block on their way.
fn killed() -> Stage {
    let stage = Stage::with_node();
    drop(stage.hanging());
    stage
}

fn runs(stage: &Stage) -> Vec<Value> {
    let output = stage.run(&["runs", "--format", "json"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    answer["runs"].as_array().unwrap().clone()
}

#[test]
fn what_a_killed_run_has_left_is_taken_back() {
    let stage = killed();
    let states: Vec<_> = runs(&stage).iter().map(|run| run["state"].clone()).collect();
    assert_eq!(states, ["cut_off", "cut_off"]);
    assert_eq!(stage.audit()["azure"]["open_sas"].as_array().unwrap().len(), 1);
    // What was said of the image need not be said again, nor be right.
    let config = "[default]\nversion = \"@image\"\n[default.aws]\nroute = \"s3\"\n";
    std::fs::write(stage.path("work/publish.toml"), config).unwrap();
    let output = stage.run(&["cleanup"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let audit = stage.audit();
    assert_eq!((&audit["azure"]["disks"], &audit["azure"]["open_sas"]), (&json!([]), &json!([])));
    assert_eq!(audit["aws"]["us-east-1"]["snapshots"], json!([]));
    assert!(runs(&stage).iter().all(|run| run["state"] == "cleaned_up" && run["due"] == 0), "{:?}", runs(&stage));
    assert_eq!(String::from_utf8_lossy(&stage.run(&["cleanup"]).stdout), "nothing is to be taken back\n");
    let human = String::from_utf8(stage.run(&["runs"]).stdout).unwrap();
    assert_eq!(human.matches("cleaned up").count(), 2, "{human}");
}

#[test]
fn a_run_is_named_by_its_first_digits() {
    let stage = killed();
    let named = |cloud: &str| {
        let run = runs(&stage).into_iter().find(|run| run["cloud"] == cloud).unwrap();
        run["run"].as_str().unwrap()[..12].to_owned()
    };
    let output = stage.run(&["cleanup", &named("aws")]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stage.audit()["aws"]["us-east-1"]["snapshots"], json!([]));
    assert_eq!(stage.audit()["azure"]["disks"].as_array().unwrap().len(), 1, "that is another run");
    let output = stage.run(&["cleanup", "nosuchrun"]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains("there is no journal of a run nosuchrun") && said.contains("publish runs"), "{said}");
}
