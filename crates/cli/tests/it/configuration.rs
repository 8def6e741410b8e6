//! Where settings come from, and what a wrong one says.

use std::fs;

use crate::{
    disks,
    stage::{PUBLISH, Stage, stderr, text},
};

fn with_config(toml: &str) -> Stage {
    let stage = Stage::new();
    stage.run(&["--help"]);
    fs::write(stage.path("work/publish.toml"), toml).unwrap();
    disks::run(PUBLISH, &["demo", "--write-image", text(&stage.path("work/demo.raw"))]);
    stage
}

const PROFILES: &str = r#"
[default]
image = "*.raw"
tags = { team = "platform" }

[default.azure]
regions = ["westus2"]
gallery = "shared"

[payments]
name = "payments-node"

[payments.azure]
gallery = "payments"
"#;

#[test]
fn a_profile_lies_over_the_default_and_flags_over_both() {
    let stage = with_config(PROFILES);
    let (code, report) = stage.report(&["azure", "--profile", "payments", "--regions", "westus2,westus"]);
    assert_eq!(code, 0, "{report:#}");
    let version = report["targets"][0]["resources"]["image_version"].as_str().unwrap();
    assert!(version.contains("/galleries/payments/images/payments-node/versions/1.0.0"), "{version}");
    assert_eq!(report["targets"][0]["regions"].as_array().unwrap().len(), 2);
    assert_eq!(stage.audit()["azure"]["image_versions"][0]["tags"]["team"], "platform");
}

#[test]
fn variables_lie_over_the_file() {
    let stage = with_config(PROFILES);
    let mut command = stage.command(&["azure", "--format", "json"]);
    let output = command
        .env("PUBLISH_AZURE__REGIONS", "westus2,eastus")
        .env("PUBLISH_NAME", "2024")
        .env("PUBLISH_TAGS__BUILD", "4711")
        .env("PUBLISH_AZURE__REPLICAS", "2")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let version = &stage.audit()["azure"]["image_versions"][0];
    assert_eq!(version["regions"], serde_json::json!(["westus2", "eastus"]));
    assert!(version["id"].as_str().unwrap().contains("/images/2024/"));
    assert_eq!(version["tags"]["build"], "4711");
    assert_eq!(version["properties"]["publishingProfile"]["targetRegions"][0]["regionalReplicaCount"], 2);
}

#[test]
fn nothing_but_the_environment_is_needed() {
    let stage = with_config("");
    let image = stage.path("work/demo.raw");
    let (code, report) = stage.report(&["azure", "--regions", "westus2,westus", text(&image)]);
    assert_eq!(code, 0, "{report:#}");
    let (code, report) = stage.report(&["aws", text(&image)]);
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(report["targets"][0]["regions"][0]["region"], "us-east-1", "the SDK's default region");
}

#[test]
fn a_wrong_file_or_profile_is_named() {
    let stage = with_config(PROFILES);
    let said = |args: &[&str]| {
        let output = stage.run(args);
        (output.status.code().unwrap(), stderr(&output))
    };
    let (code, text) = said(&["azure", "--profile", "nobody"]);
    assert_eq!(code, 2);
    assert_eq!(text, "error: there is no profile \"nobody\"\n\nhint: publish.toml has default, payments\n");
    fs::write(stage.path("work/publish.toml"), "[default.azure]\nregion = \"westus2\"\n").unwrap();
    let (code, text) = said(&["azure", "demo.raw"]);
    assert_eq!(code, 2);
    assert!(text.contains("publish.toml") && text.contains("unknown field") && text.contains("`region`"), "{text}");
    let (code, text) = said(&["azure", "--config", "absent.toml", "demo.raw"]);
    assert_eq!((code, text.as_str()), (2, "error: there is no configuration file absent.toml\n"));
    assert_eq!(stage.mutations(), 0);
}

#[test]
fn a_pattern_has_to_match_one_file() {
    let stage = with_config(PROFILES);
    fs::write(stage.path("work/second.raw"), [1; 512]).unwrap();
    let output = stage.run(&["azure"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(stderr(&output), "error: 2 files match *.raw: demo.raw, second.raw\n\nhint: name one of them\n");
    let output = stage.run(&["azure", "*.vhd"]);
    assert_eq!(stderr(&output), "error: no file matches *.vhd\n\nhint: build the image first\n");
    let output = stage.run(&["azure", ".#ecs-node"]);
    assert!(stderr(&output).contains("is a flake reference"), "{}", stderr(&output));
}

#[test]
fn an_embedded_sandbox_serves_a_rehearsal() {
    let stage = with_config("");
    let output = stage
        .command(&["all", "--sandbox", "--regions", "westus2,us-east-1", "demo.raw"])
        .env_clear()
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stage.mutations(), 0, "not this one");
}

#[test]
fn tables_in_tables_reach_aws() {
    let toml = r#"
[default]
image = "*.raw"
version = "1.0.0"

[default.aws]
regions = ["us-east-1", "eu-west-1"]
ssm_parameters = ["/images/{name}"]

[default.aws.sharing]
accounts = ["210987654321"]

[default.aws.per_region.eu-west-1]
best_effort = true

[[default.aws.block_devices]]
device = "/dev/sdb"
volume_size = 8
"#;
    let stage = with_config(toml);
    let (code, report) = stage.report(&["aws"]);
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(report["targets"][0]["regions"][1]["required"], false);
    let there = &stage.audit()["aws"]["eu-west-1"];
    assert_eq!(there["images"][0]["shared_with"], serde_json::json!([["userId", "210987654321"]]));
    assert_eq!(there["images"][0]["more_devices"]["/dev/sdb"]["volumeSize"], "8");
    assert_eq!(there["parameters"][0]["id"], "/images/demo");
}

#[test]
fn the_home_region_is_never_left_out() {
    let stage = with_config("[default.aws.per_region.ap-east-1]\nbest_effort = true\n");
    // What the environment names is not known to be the home region when the file is read.
    let mut command = stage.command(&["aws", "demo.raw"]);
    let output = command.env("AWS_REGION", "ap-east-1").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = stderr(&output);
    let why = "error: aws: aws.per_region.ap-east-1.best_effort is true, and ap-east-1 is the home region";
    assert!(said.contains(why), "{said}");
}
