//! What `publish doctor` says.

use std::fs;

use crate::stage::{Stage, stderr};

const NODE: &[&str] = &["--name", "node", "--regions", "westus2,us-east-1,eu-west-1"];

#[test]
fn everything_that_publishing_needs_is_looked_at() {
    let stage = Stage::new();
    let output = stage.run(&[&["doctor", "all"], NODE, &["--bucket", "publish-sandbox"]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap());
    assert_eq!(stage.mutations(), 0);
}

#[test]
fn what_is_wrong_is_said_with_its_cure_and_by_the_exit_code() {
    let stage = Stage::new();
    stage.post("/_sandbox/faults", r#"{"operation": "iam:GetRole", "times": 1000, "kind": "deny"}"#);
    let output =
        stage.run(&["doctor", "aws", "--name", "node", "--regions", "us-east-1", "--bucket", "no-such-bucket"]);
    assert_eq!(output.status.code(), Some(2), "what is configured is wrong");
    insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap());
    let mut command = stage.command(&["doctor", "aws", "--name", "node", "--regions", "us-east-1"]);
    let output = command.env("AWS_ACCESS_KEY_ID", "AKIAWRONG").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn the_set_up_is_a_script_with_every_document_in_it() {
    let stage = Stage::new();
    stage.run(&["--help"]);
    let config = r#"
[default]
name = "node"
[default.aws]
regions = ["eu-west-1", "us-east-1"]
bucket = "my-images"
prefix = "nodes/"
kms_key = "arn:aws:kms:eu-west-1:123456789012:key/ours"
ssm_parameters = ["/images/{name}/{version}"]
deprecate_after_days = 90
"#;
    fs::write(stage.path("work/publish.toml"), config).unwrap();
    let output = stage.run(&["doctor", "aws", "--setup"]);
    assert!(output.status.success(), "{}", stderr(&output));
    insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap());
    assert_eq!(stage.audit()["traffic"], serde_json::json!({}), "nobody is asked for it");
    assert_eq!(stage.run(&["doctor", "azure", "--setup"]).status.code(), Some(2));
}
