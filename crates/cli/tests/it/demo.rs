use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

use crate::stage::{Stage, stderr};

#[test]
fn the_demo_needs_nothing_and_ends_well() {
    let stage = Stage::new();
    let output = stage.command(&["demo"]).env_clear().output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let table = String::from_utf8(output.stdout).unwrap();
    for (cloud, region) in [("azure", "westus2"), ("azure", "westeurope"), ("aws", "us-east-1"), ("aws", "eu-west-1")] {
        let row = |line: &&str| line.starts_with(cloud) && line.contains(region) && line.contains("available");
        assert_eq!(table.lines().filter(row).count(), 1, "{cloud} {region}: {table}");
    }
    assert_eq!(stage.mutations(), 0, "the demo has a sandbox of its own");
}

/// What a program reads of each command that ends.
#[test]
fn every_command_speaks_json() {
    let stage = Stage::new();
    assert!(stage.run(&["demo", "--write-image", "demo.raw"]).status.success());
    for (args, field) in [
        (&["azure", "--plan", "--regions", "westus2", "demo.raw"][..], "targets"),
        (&["aws", "--plan", "--regions", "us-east-1", "demo.raw"], "targets"),
        (&["all", "--regions", "westus2,us-east-1", "demo.raw"], "targets"),
        (&["status", "all", "--name", "demo", "--regions", "westus2,us-east-1"], "targets"),
        (&["doctor", "all", "--name", "demo", "--regions", "westus2,us-east-1"], "clouds"),
        (&["inspect", "demo.raw"], "clouds"),
        (&["convert", "demo.raw", "demo.vhd", "--to", "dynamic-vhd"], "format"),
        (&["demo"], "targets"),
    ] {
        let (code, report) = stage.report(args);
        assert_eq!(code, 0, "{args:?}: {report:#}");
        assert!(!report[field].is_null(), "{args:?}: {report:#}");
    }
    // The sandbox runs until it is ended; its variables are there before.
    let file = stage.path("env.json");
    let mut sandbox = stage
        .command(&["sandbox", "--listen", "127.0.0.1:0", "--format", "json", "--env-file"])
        .arg(&file)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(sandbox.stderr.take().unwrap()).read_line(&mut said).unwrap();
    let variables: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert!(said.contains(variables["PUBLISH_SANDBOX_URL"].as_str().unwrap()), "{said}");
    sandbox.kill().unwrap();
    sandbox.wait().unwrap();
}

#[test]
fn what_an_image_is_and_what_the_clouds_make_of_it() {
    let stage = Stage::new();
    assert!(stage.run(&["demo", "--write-image", "demo.raw"]).status.success());
    let output = stage.run(&["inspect", "demo.raw"]);
    assert!(output.status.success(), "{}", stderr(&output));
    // The disk is the same every time, its digest among it.
    insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap());
}
