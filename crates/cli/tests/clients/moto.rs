//! Our program against moto, as far as moto goes: it has S3 and EBS direct, but no ImportSnapshot, no deprecation and no block
//! public access, and keeps little of what an image is registered as.

use std::process::Command;

use serde_json::Value;

use crate::{
    bench::Bench,
    disks,
    service::Service,
    stage::{stderr, text},
};

fn start(bench: &Bench) -> Service {
    let mut command = Command::new(bench.client("moto_server"));
    Service::start(command.args(["-H", "127.0.0.1", "-p", "0"]), "Running on ")
}

#[test]
fn motos_ebs_direct_takes_our_blocks_and_gives_them_back() {
    let Some(bench) = Bench::with(&["moto_server", "python-aws"]) else { return };
    let moto = start(&bench);
    let raw = bench.raw();
    let args = ["aws", "--regions", "us-east-1,eu-west-1", "--name", "node", "--version", "1", "--format", "json"];
    let mut command = bench.stage.command(&[&args[..], &[text(&raw)]].concat());
    let output = command.env("AWS_ENDPOINT_URL", &moto.url).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["targets"][0]["status"], "published", "{report:#}");
    let snapshot = report["targets"][0]["resources"]["snapshot"].as_str().unwrap();
    let read = bench.stage.path("read.raw");
    bench.run_at(&moto.url, "python-aws", &[&Bench::script("read_snapshot.py"), snapshot, text(&read)]);
    let (ours, mut theirs) = (std::fs::read(raw).unwrap(), std::fs::read(read).unwrap());
    theirs.resize(ours.len(), 0);
    assert!(ours == theirs);
}

#[test]
fn motos_s3_takes_our_object_and_gives_it_back() {
    let Some(bench) = Bench::with(&["moto_server", "python-aws"]) else { return };
    let moto = start(&bench);
    let script = Bench::script("moto_bucket.py");
    let user = bench.run_at(&moto.url, "python-aws", &[&script, "make", &moto.url]);
    let [key, secret]: [String; 2] = serde_json::from_str(&user).unwrap();
    let raw = bench.raw();
    let args = ["aws", "--regions", "us-east-1", "--name", "node", "--version", "1", "--bucket", "images"];
    let mut command = bench.stage.command(&[&args[..], &["--format", "json", text(&raw)]].concat());
    command.env("AWS_ENDPOINT_URL", &moto.url);
    let output = command.env("AWS_ACCESS_KEY_ID", &key).env("AWS_SECRET_ACCESS_KEY", &secret).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let error = &report["targets"][0]["error"];
    assert_eq!((&error["kind"], &error["stage"]), (&"denied".into(), &"import".into()), "{report:#}");
    // The object is gone again, and the bucket remembers it.
    let object = bench.stage.path("object.vhd");
    let said = bench.run_at(&moto.url, "python-aws", &[&script, "read", &key, &secret, text(&object)]);
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["left"], 0, "{said}");
    assert!(said["parts"].as_u64() > Some(1), "{said}");
    disks::run("qemu-img", &["compare", "-f", "raw", "-F", "vpc", text(&raw), text(&object)]);
}
