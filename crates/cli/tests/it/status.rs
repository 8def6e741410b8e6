//! Runs that do not wait, what `publish status` says of them, and how the program ends.

use serde_json::Value;

use crate::stage::{Stage, stderr, text};

fn statuses(report: &Value) -> Vec<(String, String)> {
    let targets = report["targets"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    targets.iter().map(|target| (text(&target["cloud"]), text(&target["status"]))).collect()
}

#[test]
fn an_image_is_found_again_by_its_name_without_the_image() {
    let stage = Stage::with_node();
    let regions = ["--regions", "westus2,westus,us-east-1,eu-west-1"];
    let image = stage.path("node.raw");
    let (code, published) = stage.report(&[&["all"], &regions[..], &["--no-wait", text(&image)]].concat());
    assert_eq!(code, 0, "{published:#}");
    std::fs::remove_file(image).unwrap();
    let before = stage.mutations();
    let (code, report) = stage.report(&[&["status", "all", "--name", "node"], &regions[..]].concat());
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(
        statuses(&report),
        [("azure".to_owned(), "unchanged".to_owned()), ("aws".to_owned(), "unchanged".to_owned())]
    );
    for target in 0..2 {
        let regions = |report: &Value| report["targets"][target]["regions"].as_array().unwrap().clone();
        assert_eq!(regions(&report).len(), 2);
        assert!(regions(&report).iter().all(|region| region["status"] == "available"), "{report:#}");
        let ids = |report: &Value| regions(report).iter().map(|region| region["id"].clone()).collect::<Vec<_>>();
        assert_eq!(ids(&report), ids(&published));
    }
    assert_eq!(stage.mutations(), before);
    assert_eq!(report.get("image"), None, "none was read");

    let output = stage.run(&["status", "azure", "--name", "node"]);
    insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap());
}

#[test]
fn what_is_not_there_or_not_named_is_said() {
    let stage = Stage::with_node();
    let said = |args: &[&str]| {
        let output = stage.run(args);
        (output.status.code(), stderr(&output))
    };
    let (code, text) = said(&["status", "azure", "--name", "other", "--version", "1.2.3"]);
    assert_eq!(code, Some(1));
    assert!(text.starts_with("error: azure: there is no version 1.2.3 of other\n"), "{text}");
    let (code, text) = said(&["status", "aws", "--name", "other", "--regions", "us-east-1"]);
    assert_eq!(code, Some(1));
    assert!(text.starts_with("error: aws: there is no AMI other-… in us-east-1\n"), "{text}");
    let (code, text) = said(&["status", "azure"]);
    assert_eq!(code, Some(2));
    assert!(text.starts_with("error: no image is named\n"), "{text}");
    assert_eq!(said(&["azure", "--plan", "--no-wait", "node.raw"]).0, Some(2), "a plan waits for nothing anyway");
}

#[test]
fn one_failed_region_ends_with_three_and_is_tried_again_alone() {
    let stage = Stage::with_node();
    stage.post("/_sandbox/faults", r#"{"operation": "Replicate", "region": "westus", "kind": "server_error"}"#);
    let image = stage.path("node.raw");
    let args = ["azure", "--regions", "westus2,westus", text(&image)];
    let output = stage.run(&args);
    assert_eq!(output.status.code(), Some(3));
    assert!(
        stderr(&output).contains("error: azure westus: replication failed: Not enough capacity in the region"),
        "{}",
        stderr(&output)
    );
    assert_eq!(stage.run(&["status", "azure", "--name", "node"]).status.code(), Some(3));
    let (code, report) = stage.report(&args);
    assert_eq!((code, statuses(&report)), (0, vec![("azure".to_owned(), "published".to_owned())]));
    assert_eq!(stage.audit()["azure"]["image_versions"].as_array().unwrap().len(), 1);
    assert_eq!(stage.audit()["traffic"]["BeginGetAccess"]["requests"], 1, "nothing was uploaded again");
}

#[test]
fn a_managed_image_alone_is_a_flag_away() {
    let stage = Stage::with_node();
    let image = stage.path("node.raw");
    let args = ["azure", "--regions", "westus2", "--destination", "managed-image", text(&image)];
    let (code, report) = stage.report(&args);
    assert_eq!(code, 0, "{report:#}");
    assert!(report["targets"][0]["resources"]["managed_image"].as_str().unwrap().ends_with("/images/node-1.0.0"));
    assert_eq!(stage.audit()["azure"]["galleries"], Value::Array(vec![]));
}
