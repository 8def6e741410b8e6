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

#[test]
fn what_an_image_is_and_what_the_clouds_make_of_it() {
    let stage = Stage::new();
    assert!(stage.run(&["demo", "--write-image", "demo.raw"]).status.success());
    let output = stage.run(&["inspect", "demo.raw"]);
    assert!(output.status.success(), "{}", stderr(&output));
    // The disk is the same every time, its digest among it.
    insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap());
}
