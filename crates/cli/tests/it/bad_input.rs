//! One clear error for each wrong input, its exit code, and not one request that changes anything.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::FileExt,
};

use crate::{
    disks,
    stage::{PUBLISH, Stage, stderr, text},
};

/// What each command says of an image, the same for all; the sandbox stays as it is.
fn refused(stage: &Stage, image: &str) -> String {
    let mut said = Vec::new();
    for args in [
        &["azure", "--regions", "westus2", image][..],
        &["aws", "--regions", "us-east-1", image],
        &["all", "--regions", "westus2,us-east-1", image],
    ] {
        let output = stage.run(args);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {}", stderr(&output));
        assert_eq!(output.stdout, b"");
        said.push(stderr(&output).replace(text(stage.dir.path()), "DIR"));
    }
    assert_eq!((&said[0], &said[0]), (&said[1], &said[2]));
    assert_eq!(stage.audit()["traffic"], serde_json::json!({}), "no cloud is asked anything");
    said.swap_remove(0)
}

#[test]
fn files_that_are_no_image() {
    let stage = Stage::new();
    let path = |name: &str| stage.path(name);
    // A fixed VHD: the sandbox's own copy of the demo disk would do, but a small one is quicker.
    let footer = vhd::footer::Footer::new(vhd::footer::DiskType::Fixed, 8 << 20, Default::default()).to_bytes();
    let vhd = |name: &str, footer: &[u8]| {
        let file = File::create(path(name)).unwrap();
        file.set_len(8 << 20).unwrap();
        file.write_all_at(footer, 8 << 20).unwrap();
    };
    vhd("truncated.vhd", &footer[..300]);
    vhd("trailing.vhd", &footer);
    OpenOptions::new().write(true).open(path("trailing.vhd")).unwrap().set_len((8 << 20) + 512 + (512 << 20)).unwrap();
    fs::write(path("disk.qcow2"), b"QFI\xfb\0\0\0\x03").unwrap();
    fs::write(path("empty.vhd"), b"").unwrap();
    fs::create_dir(path("folder.vhd")).unwrap();
    let differencing =
        vhd::footer::Footer::new(vhd::footer::DiskType::Differencing, 8 << 20, Default::default()).to_bytes();
    vhd("differencing.vhd", &differencing);

    let mut said = String::new();
    for name in
        ["truncated.vhd", "trailing.vhd", "disk.qcow2", "empty.vhd", "folder.vhd", "differencing.vhd", "absent.vhd"]
    {
        said += &format!("{name}\n{}\n", refused(&stage, text(&path(name))));
    }
    insta::assert_snapshot!(said);
}

#[test]
fn a_region_that_does_not_exist() {
    let stage = Stage::new();
    let image = stage.path("demo.raw");
    disks::run(PUBLISH, &["demo", "--write-image", text(&image)]);
    for (args, error) in [
        (
            ["azure", "--regions", "westus2,westus9"],
            "error: azure: Azure has no region \"westus9\"\n\nhint: did you mean westus, westus2, westus3?\n",
        ),
        (
            ["aws", "--regions", "us-east-1,us-east-9"],
            "error: aws: AWS has no region \"us-east-9\"\n\nhint: did you mean us-east-1, us-east-2, us-west-1, us-west-2?\n",
        ),
    ] {
        let output = stage.run(&[&args[..], &[text(&image)]].concat());
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).ends_with(error), "{}", stderr(&output));
    }
    assert_eq!(stage.mutations(), 0);
}

#[test]
fn no_credentials() {
    let stage = Stage::new();
    let image = stage.path("demo.raw");
    disks::run(PUBLISH, &["demo", "--write-image", text(&image)]);
    for (cloud, region, variable, error) in [
        ("azure", "westus2", "AZURE_CLIENT_SECRET", "error: azure: Azure gives no token"),
        ("aws", "us-east-1", "AWS_SECRET_ACCESS_KEY", "error: aws: there is no AWS credential"),
    ] {
        let output = stage.command(&[cloud, "--regions", region, text(&image)]).env_remove(variable).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        assert!(stderr(&output).contains(error) && stderr(&output).contains("hint: "), "{}", stderr(&output));
    }
    assert_eq!(stage.mutations(), 0);
}

#[test]
fn settings_that_are_missing() {
    let stage = Stage::new();
    let image = stage.path("demo.raw");
    disks::run(PUBLISH, &["demo", "--write-image", text(&image)]);
    let without = |cloud: &str, variables: &[&str]| {
        let mut command = stage.command(&[cloud, text(&image)]);
        for name in variables {
            command.env_remove(name);
        }
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        stderr(&output)
    };
    assert!(
        without("azure", &["AZURE_SUBSCRIPTION_ID", "PUBLISH_AZURE__SUBSCRIPTION"])
            .contains("azure.subscription is not set")
    );
    assert!(without("azure", &["AZURE_DEFAULTS_GROUP"]).contains("azure.resource_group is not set"));
    assert!(without("azure", &["AZURE_DEFAULTS_LOCATION"]).contains("no Azure region is given"));
    assert!(without("aws", &["AWS_REGION", "AWS_DEFAULT_REGION"]).contains("no AWS region is given"));
    let nothing = stage.run(&["azure"]);
    assert_eq!(nothing.status.code(), Some(2));
    assert!(stderr(&nothing).starts_with("error: no image is named\n"));
    assert_eq!(stage.mutations(), 0);
}
