//! The main job: one disk in three formats, to both clouds, by both routes, compared by `qemu-img`.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use serde_json::Value;

use crate::{
    disks::{self, have},
    stage::{Stage, text},
};

const REGIONS: &str = "westus2,West Europe,us-east-1,eu-west-1";

/// Every image that is registered anywhere.
fn images(audit: &Value) -> Vec<Value> {
    let azure =
        ["images", "image_versions"].into_iter().flat_map(|kind| audit["azure"][kind].as_array().unwrap().clone());
    let aws =
        audit["aws"].as_object().unwrap().values().flat_map(|region| region["images"].as_array().unwrap().clone());
    azure.chain(aws).collect()
}

fn identical(a: &Path, a_format: &str, b: &Path) -> String {
    let b_format = if fs::metadata(b).unwrap().len() % (1 << 20) == 512 { "vpc" } else { "raw" };
    let output =
        Command::new("qemu-img").args(["compare", "-f", a_format, "-F", b_format, text(a), text(b)]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", b.display());
    said
}

#[test]
fn raw_fixed_and_dynamic_arrive_as_they_are_on_both_clouds_by_both_routes() {
    if !["qemu-img", "mke2fs"].into_iter().all(have) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let raw = disks::real_disk(folder.path());
    for (name, qemu_format, options) in [
        ("raw", "raw", None),
        ("fixed", "vpc", Some("subformat=fixed,force_size=on")),
        ("fixed-rounded", "vpc", Some("subformat=fixed")),
        ("dynamic", "vpc", Some("subformat=dynamic")),
    ] {
        let image = folder.path().join(format!("{name}.img"));
        match options {
            None => fs::rename(&raw, &image).unwrap(),
            Some(options) => {
                let source = folder.path().join("raw.img");
                disks::run(
                    "qemu-img",
                    &["convert", "-f", "raw", "-O", "vpc", "-o", options, text(&source), text(&image)],
                );
            }
        }
        for bucket in [&[][..], &["--bucket", "publish-sandbox"]] {
            let stage = Stage::new();
            let args = [&["all", "--regions", REGIONS, text(&image)][..], bucket].concat();
            let (code, report) = stage.report(&args);
            assert_eq!(code, 0, "{name} {bucket:?}: {report:#}");
            let regions: Vec<_> =
                report["targets"].as_array().unwrap().iter().flat_map(|t| t["regions"].as_array().unwrap()).collect();
            assert_eq!(regions.len(), 4, "{name}");
            assert!(regions.iter().all(|region| region["status"] == "available"), "{name}: {regions:?}");

            let audit = stage.audit();
            let images = images(&audit);
            assert_eq!(images.len(), 3, "a version, two AMIs");
            // One disk serves several images; it has to be compared once.
            let disks: BTreeSet<_> = images.iter().map(|image| image["file"].as_str().unwrap()).collect();
            for disk in disks {
                let said = identical(&image, qemu_format, Path::new(disk));
                assert!(said.contains("Images are identical"), "{name}: {said}");
            }
            for (operation, zeros) in [
                ("PutPage", "zero_bodies"),
                ("ebs:PutSnapshotBlock", "zero_bodies"),
                ("ec2:ImportSnapshot", "zero_blocks"),
            ] {
                let used = operation == "PutPage" || (operation == "ec2:ImportSnapshot") != bucket.is_empty();
                assert_eq!(
                    audit["traffic"][operation]["requests"].as_u64().is_some_and(|n| n > 0),
                    used,
                    "{name}: {operation}"
                );
                assert!(!used || audit["traffic"][operation][zeros] == 0, "{name}: {operation}");
            }
            assert_eq!(audit["azure"]["disks"], Value::Array(vec![]), "{name}");
            assert_eq!(audit["azure"]["open_sas"], Value::Array(vec![]), "{name}");
            assert_eq!(audit["aws"]["us-east-1"]["s3_objects"], Value::Array(vec![]), "{name}");
        }
    }
}

#[test]
fn no_block_of_the_vhd_that_goes_to_s3_is_zeros() {
    let stage = Stage::new();
    let image = stage.path("demo.raw");
    disks::run(crate::stage::PUBLISH, &["demo", "--write-image", text(&image)]);
    let (code, report) = stage.report(&["aws", "--regions", "us-east-1", "--bucket", "publish-sandbox", text(&image)]);
    assert_eq!(code, 0, "{report:#}");
    // 52 MiB of data lie in that many blocks of 2 MiB, none of which is empty; 2 GiB would be a thousand.
    let sent = report["targets"][0]["transfer"]["bytes_sent"].as_u64().unwrap();
    assert!(sent < 120 << 20, "{sent}");
    let traffic = &stage.audit()["traffic"];
    assert_eq!(
        (&traffic["s3:UploadPart"]["zero_bodies"], &traffic["ec2:ImportSnapshot"]["zero_blocks"]),
        (&0.into(), &0.into())
    );
}

#[test]
fn one_cloud_failing_does_not_stop_the_other() {
    let stage = Stage::new();
    let image = stage.path("demo.raw");
    disks::run(crate::stage::PUBLISH, &["demo", "--write-image", text(&image)]);
    stage.post("/_sandbox/faults", r#"{"operation": "PutImage", "kind": "deny"}"#);
    let (code, report) = stage.report(&["all", "--regions", REGIONS, text(&image)]);
    assert_eq!(code, 3, "{report:#}");
    let status = |cloud: &str| {
        let targets = report["targets"].as_array().unwrap();
        targets.iter().find(|target| target["cloud"] == cloud).unwrap()["status"].clone()
    };
    assert_eq!((status("azure"), status("aws")), ("failed".into(), "published".into()));
    assert_eq!(stage.audit()["azure"]["disks"], Value::Array(vec![]), "nothing half-done stays");
}

#[test]
fn a_second_run_is_unchanged() {
    let stage = Stage::new();
    let image = stage.path("demo.raw");
    disks::run(crate::stage::PUBLISH, &["demo", "--write-image", text(&image)]);
    let args = ["all", "--regions", REGIONS, text(&image)];
    assert_eq!(stage.report(&args).0, 0);
    let before = stage.mutations();
    let (code, report) = stage.report(&args);
    assert_eq!(code, 0);
    assert!(report["targets"].as_array().unwrap().iter().all(|target| target["status"] == "unchanged"), "{report:#}");
    assert_eq!(stage.mutations(), before);
}

#[test]
fn a_disk_can_be_read_out_of_the_sandbox_as_a_raw_disk() {
    let stage = Stage::new();
    let image = stage.path("small.raw");
    let bytes: Vec<u8> =
        (0..24_u32 << 20).map(|index| if index % (3 << 20) < 9000 { index as u8 | 1 } else { 0 }).collect();
    fs::write(&image, &bytes).unwrap();
    assert_eq!(stage.report(&["all", "--regions", "westus2,us-east-1", text(&image)]).0, 0);
    let audit = stage.audit();
    let azure = audit["azure"]["image_versions"][0]["content"].as_str().unwrap();
    assert!(stage.get(azure) == bytes, "without a range it is all of it, and no footer");

    let arrived = stage.path("arrived");
    stage.download(audit["aws"]["us-east-1"]["images"][0]["content"].as_str().unwrap(), &arrived);
    assert_eq!(fs::metadata(&arrived).unwrap().len(), 1 << 30, "a volume has whole gibibytes");
    let (arrived, sent) = (vhd::Image::open(arrived).unwrap(), vhd::Image::open(&image).unwrap());
    assert_eq!(arrived.content().unwrap(), sent.content().unwrap());
}
