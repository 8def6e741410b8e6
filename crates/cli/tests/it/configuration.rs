//! Where settings come from, and what a wrong one says.

use std::{fs, process::Command};

use serde_json::{Value, json};

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
fn several_profiles_lie_over_each_other_in_their_order() {
    let stage = with_config(
        r#"
[default]
image = "*.raw"
tags = { by = "default", of = "default", a = "default" }

[default.azure]
regions = ["westus2"]

[ecs-node]
name = "ecs-node"
tags = { by = "image", of = "image" }

[payments]
tags = { by = "team" }

[payments.azure]
gallery = "payments"
"#,
    );
    let tags = || stage.audit()["azure"]["image_versions"][0]["tags"].clone();
    let (code, report) = stage.report(&["azure", "--profile", "ecs-node", "--profile", "payments"]);
    assert_eq!(code, 0, "{report:#}");
    let version = report["targets"][0]["resources"]["image_version"].as_str().unwrap();
    assert!(version.contains("/galleries/payments/images/ecs-node/"), "{version}");
    assert_eq!((&tags()["by"], &tags()["of"], &tags()["a"]), (&json!("team"), &json!("image"), &json!("default")));
    // The same in one word, as a variable has it, is the same; the other way round, the image's wins.
    let unchanged = stage.command(&["azure", "--format", "json"]).env("PUBLISH_PROFILE", "ecs-node,payments").output();
    let report: Value = serde_json::from_slice(&unchanged.unwrap().stdout).unwrap();
    assert_eq!(report["targets"][0]["status"], "unchanged");
    let (code, _) = stage.report(&["azure", "--profile", "payments,ecs-node", "--version", "2.0.0"]);
    assert_eq!(code, 0);
    let versions = stage.audit()["azure"]["image_versions"].clone();
    let second = versions.as_array().unwrap().iter().find(|v| v["id"].as_str().unwrap().ends_with("2.0.0")).unwrap();
    assert_eq!(second["tags"]["by"], "image");
    // As a variable of a workflow is that nobody has set.
    let none = stage.command(&["azure", "--plan"]).env("PUBLISH_PROFILE", "").env("PUBLISH_NIX_FLAGS", "").output();
    assert_eq!(none.as_ref().unwrap().status.code(), Some(0), "{}", stderr(none.as_ref().unwrap()));
    let output = stage.run(&["azure", "--profile", "ecs-node,nobody"]);
    assert!(stderr(&output).starts_with("error: there is no profile \"nobody\""), "{}", stderr(&output));
}

#[test]
fn templates_stand_for_the_image_its_version_the_commit_and_the_day() {
    let stage = with_config(
        r#"
[default]
image = "*.raw"
name = "{image}-node"
version = "1.2.3"
description = "{image} {version} of {date}"
tags = { commit = "{git_rev}", day = "{date}", braces = "{{x}}" }

[default.aws]
ami_name = "{image}/{version}/{date}"
"#,
    );
    let work = stage.path("work");
    let git = |args: &[&str]| {
        let mut git = Command::new("git");
        git.env("GIT_COMMITTER_DATE", "@1700000000 +0000");
        let known = ["-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "init.defaultBranch=main"];
        let output = git.current_dir(&work).env("HOME", stage.path("home")).args(known).args(args).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let path = std::env::var("PATH").unwrap();
    let run_with = |variables: &[(&str, &str)]| {
        let mut command = stage.command(&["aws", "--regions", "us-east-1"]);
        command.env("PATH", &path).envs(variables.iter().copied()).output().unwrap()
    };
    let run = || run_with(&[]);
    let outside = run();
    assert_eq!(outside.status.code(), Some(2));
    assert!(
        stderr(&outside).starts_with("error: tags.commit has {git_rev}, and no git commit"),
        "{}",
        stderr(&outside)
    );
    // Who only looks for an image needs nothing of what is written on it.
    let looked = stage.run(&["status", "aws", "--regions", "us-east-1"]);
    assert!(looked.status.code() != Some(2) && !stderr(&looked).contains("git"), "{}", stderr(&looked));

    git(&["init"]);
    git(&["add", "publish.toml"]);
    git(&["commit", "-m", "x"]);
    let commit = git(&["rev-parse", "--short=12", "HEAD"]);
    let output = run();
    assert!(output.status.success(), "{}", stderr(&output));
    let image = &stage.audit()["aws"]["us-east-1"]["images"][0];
    assert_eq!(image["name"], "demo/1.2.3/2023-11-14", "{image:#}");
    assert_eq!(image["tags"]["commit"], commit.trim());
    assert_eq!(image["tags"]["day"], "2023-11-14");
    assert_eq!(image["tags"]["braces"], "{x}");
    assert_eq!(image["tags"]["publish-name"], "demo-node");
    let mutations = stage.mutations();
    assert!(run().status.success());
    assert_eq!(stage.mutations(), mutations, "the same again changes nothing");

    let output = run_with(&[("SOURCE_DATE_EPOCH", "yesterday")]);
    let said = "has {date}, and SOURCE_DATE_EPOCH is \"yesterday\", which is no count of seconds";
    assert!(output.status.code() == Some(2) && stderr(&output).contains(said), "{}", stderr(&output));
    // What was published under a name stays it; another day is another image.
    assert!(run_with(&[("SOURCE_DATE_EPOCH", "1700100000")]).status.success());
    let names: Vec<_> =
        stage.audit()["aws"]["us-east-1"]["images"].as_array().unwrap().iter().map(|i| i["name"].clone()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names.contains(&json!("demo/1.2.3/2023-11-16")), "{names:?}");

    fs::write(stage.path("work/publish.toml"), "[default]\nname = \"{team}\"\n").unwrap();
    let output = run();
    let said = "error: name is \"{team}\": {team} stands for nothing\n\nhint: {image}, {version}, {git_rev}, {date} stand for something";
    assert!(stderr(&output).starts_with(said), "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(2));
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
    assert_eq!(version["regions"], json!(["westus2", "eastus"]));
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
    assert_eq!(there["images"][0]["shared_with"], json!([["userId", "210987654321"]]));
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
