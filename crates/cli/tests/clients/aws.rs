//! `aws` and boto3 against the sandbox.

use serde_json::Value;

use crate::{bench::Bench, stage::text};

fn image(bench: &Bench, region: &str, id: &str) -> Value {
    let audit = bench.stage.audit();
    let images = audit["aws"][region]["images"].as_array().unwrap();
    images.iter().find(|image| image["id"] == id).unwrap().clone()
}

#[test]
fn the_calls_of_a_shell_script_make_an_ami_of_our_vhd() {
    let Some(bench) = Bench::with(&["aws"]) else { return };
    let script = Bench::script("vms-nix.sh");
    let ami = bench.run("bash", &[&script, text(&bench.vhd("dynamic")), "publish-sandbox"]);
    let image = image(&bench, "us-east-1", ami.trim());
    assert_eq!(image["fields"]["enaSupport"], "true");
    bench.assert_is_disk(image["content"].as_str().unwrap());
    assert_eq!(bench.stage.audit()["aws"]["us-east-1"]["s3_objects"], serde_json::json!([]));
}

#[test]
fn the_calls_of_the_uploaders_and_boto3s_own_waiters() {
    let Some(bench) = Bench::with(&["python-aws"]) else { return };
    let said = bench.run("python-aws", &[&Bench::script("upload_ami.py"), text(&bench.raw()), "node"]);
    let made: Value = serde_json::from_str(&said).unwrap();
    for (what, region) in
        [("imported", "us-east-1"), ("written", "us-east-1"), ("copied", "eu-west-1"), ("registered", "eu-west-1")]
    {
        let image = image(&bench, region, made[what].as_str().unwrap());
        bench.assert_is_disk(image["content"].as_str().unwrap());
    }
}

#[test]
fn the_set_up_that_we_print_is_taken_by_aws_and_can_be_run_again() {
    let Some(bench) = Bench::with(&["aws"]) else { return };
    let regions = ["--regions", "eu-west-1", "--name", "node", "--bucket", "my-images"];
    let script = bench.stage.run(&[&["doctor", "aws", "--setup"], &regions[..]].concat());
    let path = bench.stage.path("setup.sh");
    std::fs::write(&path, script.stdout).unwrap();
    for _ in 0..2 {
        bench.run("sh", &[text(&path)]);
    }
    let doctor = bench.stage.run(&[&["doctor", "aws"], &regions[..]].concat());
    assert!(doctor.status.success(), "{}", String::from_utf8_lossy(&doctor.stdout));
}

#[test]
fn aws_reads_what_we_publish() {
    let Some(bench) = Bench::with(&["aws"]) else { return };
    let (code, report) = bench.stage.report(&[
        "aws",
        "--regions",
        "us-east-1,eu-west-1",
        "--name",
        "node",
        "--version",
        "1",
        text(&bench.raw()),
    ]);
    assert_eq!(code, 0, "{report:#}");
    let id = report["targets"][0]["regions"][1]["id"].as_str().unwrap();
    let read =
        bench.run("aws", &["ec2", "describe-images", "--region", "eu-west-1", "--image-ids", id, "--output", "json"]);
    let read: Value = serde_json::from_str(&read).unwrap();
    let image = &read["Images"][0];
    for (field, value) in
        [("State", "available"), ("Name", "node-1"), ("VirtualizationType", "hvm"), ("ImdsSupport", "v2.0")]
    {
        assert_eq!(image[field], value, "{image:#}");
    }
    assert_eq!(
        (&image["EnaSupport"], &image["Public"], &image["BlockDeviceMappings"][0]["Ebs"]["VolumeType"]),
        (&true.into(), &false.into(), &"gp3".into())
    );
}
