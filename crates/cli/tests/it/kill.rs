//! The program itself, killed in earnest at requests spread over a run, and run again. The backends' tests have all cells of
//! this, in one process.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::stage::{Running, Stage, stderr, text};

/// So many cells of each route are run.
const CELLS: u64 = 21;

fn args<'a>(cloud: &[&'a str], image: &'a Path) -> Vec<&'a str> {
    let of_all = ["--name", "node", "--version", "1.0.0"];
    [cloud, &of_all[..], &[text(image)]].concat()
}

/// What is published, and what is left.
fn outcome(stage: &Stage) -> Value {
    let audit = stage.audit();
    let ids = |list: &Value| list.as_array().into_iter().flatten().map(|entry| entry["id"].clone()).collect::<Vec<_>>();
    let azure = audit["azure"].as_object().unwrap().iter().map(|(kind, list)| (kind.clone(), json!(ids(list))));
    let of_region = |region: &Value| {
        let names: Vec<_> = region["images"].as_array().unwrap().iter().map(|image| image["name"].clone()).collect();
        let snapshots = region["snapshots"].as_array().unwrap().len();
        json!([names, snapshots, ids(&region["s3_objects"]), ids(&region["uploads"])])
    };
    let aws = audit["aws"].as_object().unwrap().iter().map(|(name, region)| (name.clone(), of_region(region)));
    Value::Object(azure.chain(aws).collect())
}

/// Runs the cells of a route.
fn survives(cloud: &[&str]) {
    let undisturbed = Stage::with_node();
    let image = undisturbed.path("node.raw");
    let output = undisturbed.run(&args(cloud, &image));
    assert!(output.status.success(), "{}", stderr(&output));
    let (wanted, total) = (outcome(&undisturbed), undisturbed.audit()["requests"].as_u64().unwrap());
    for cell in (0..CELLS).map(|cell| cell * total * 3 / CELLS) {
        let (request, point) = (cell / 3 + 1, ["before", "sent", "answered"][(cell % 3) as usize]);
        let stage = Stage::new();
        stage.post("/_sandbox/cut", &json!({"request": request, "point": point}).to_string());
        let mut command = stage.command(&args(cloud, &image));
        let mut process = Running(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        kill_when_reached(&stage, &mut process);
        let (code, report) = stage.report(&args(cloud, &image));
        assert_eq!(code, 0, "{cloud:?}, {point} {request} of {total}: {report:#}");
        assert_eq!(outcome(&stage), wanted, "{cloud:?}, {point} {request} of {total}");
    }
}

/// Kills the process when it has come to where it is to be cut off. One that makes fewer requests than another run did ends by
/// itself, and then as it should.
fn kill_when_reached(stage: &Stage, process: &mut Running) {
    let pid = process.0.id().to_string();
    std::thread::scope(|scope| {
        let killing = scope.spawn(|| {
            let answer: Value = serde_json::from_slice(&stage.get("/_sandbox/cut")).unwrap();
            let reached = answer["reached"].as_bool().unwrap();
            if reached {
                assert!(Command::new("kill").args(["-KILL", &pid]).status().unwrap().success());
            }
            reached
        });
        let ended = process.0.wait().unwrap();
        // Whoever still waits for the cut is told that it never comes.
        stage.post("/_sandbox/cut", "null");
        let reached = killing.join().unwrap();
        assert!(reached || ended.success(), "it ended by itself: {ended}");
    });
}

#[test]
fn azure_survives_a_kill() {
    survives(&["azure", "--regions", "westus2,eastus"]);
}

#[test]
fn aws_survives_a_kill_through_s3() {
    survives(&["aws", "--regions", "us-east-1,eu-west-1", "--bucket", "publish-sandbox"]);
}

#[test]
fn aws_survives_a_kill_through_ebs_direct() {
    survives(&["aws", "--regions", "us-east-1,eu-west-1"]);
}
