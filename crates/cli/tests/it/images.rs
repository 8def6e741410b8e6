//! Images as people have them: compressed, damaged, grown, described by others; looked at, converted and published.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    process::Command,
};

use serde_json::{Value, json};

use crate::{
    disks,
    stage::{PUBLISH, Stage, stderr, text},
};

/// A stage with the demo's disk as a raw disk and as a fixed VHD.
fn stage() -> Stage {
    let stage = Stage::new();
    disks::run(PUBLISH, &["demo", "--write-image", text(&stage.path("demo.raw"))]);
    convert(&stage, "demo.raw", "demo.vhd", "fixed-vhd");
    stage
}

fn convert(stage: &Stage, from: &str, to: &str, format: &str) {
    disks::run(PUBLISH, &["convert", text(&stage.path(from)), text(&stage.path(to)), "--to", format]);
}

fn inspect(stage: &Stage, image: &str, flags: &[&str]) -> Value {
    let output = stage.run(&[&["inspect", text(&stage.path(image)), "--format", "json"], flags].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn grow(stage: &Stage, name: &str, by: u64) {
    let file = File::options().write(true).open(stage.path(name)).unwrap();
    file.set_len(file.metadata().unwrap().len() + by).unwrap();
}

#[test]
fn every_form_of_a_disk_is_the_same_disk() {
    let stage = stage();
    convert(&stage, "demo.vhd", "demo.dynamic.vhd", "dynamic-vhd");
    convert(&stage, "demo.dynamic.vhd", "demo.back.raw", "raw");
    disks::run("cmp", &[text(&stage.path("demo.raw")), text(&stage.path("demo.back.raw"))]);
    let mut images = vec![("demo.raw", "raw"), ("demo.vhd", "fixed-vhd"), ("demo.dynamic.vhd", "dynamic-vhd")];
    if disks::have("zstd") {
        disks::run("zstd", &["-q", "-k", text(&stage.path("demo.vhd"))]);
        images.push(("demo.vhd.zst", "fixed-vhd"));
    }
    let reference = inspect(&stage, "demo.raw", &[]);
    for (name, format) in images {
        let found = inspect(&stage, name, &[]);
        assert_eq!(found["image"]["format"], format, "{name}");
        let compression = name.ends_with(".zst").then_some("zstd");
        assert_eq!(found["image"]["compression"], json!(compression), "{name}");
        for field in ["digest", "virtual_size", "data_size", "generation", "architecture"] {
            assert_eq!(found["image"][field], reference["image"][field], "{name}: {field}");
        }
        for field in ["facts", "map", "clouds"] {
            assert_eq!(found[field], reference[field], "{name}: {field}");
        }
    }
}

#[test]
fn a_compressed_image_is_published_and_its_raw_disk_is_then_unchanged() {
    if !disks::have("zstd") {
        return;
    }
    let stage = stage();
    disks::run("zstd", &["-q", text(&stage.path("demo.vhd"))]);
    let regions = ["--regions", "westus2,us-east-1", "--name", "demo", "--version", "1.0.0"];
    let publish = |image: &str| stage.report(&[&["all", text(&stage.path(image))], &regions[..]].concat());
    let (code, report) = publish("demo.vhd.zst");
    assert_eq!((code, &report["image"]["compression"]), (0, &json!("zstd")), "{report:#}");
    let (code, report) = publish("demo.raw");
    assert_eq!(code, 0, "{report:#}");
    for target in report["targets"].as_array().unwrap() {
        assert_eq!(target["status"], "unchanged", "{target:#}");
    }
}

#[test]
fn a_grown_image_is_refused_and_published_when_it_is_to_be_repaired() {
    let stage = stage();
    grow(&stage, "demo.vhd", 512 << 20);
    let image = stage.path("demo.vhd");
    let args = ["azure", text(&image), "--regions", "westus2", "--name", "demo", "--version", "1.0.0"];
    let refused = stage.run(&args);
    assert_eq!(refused.status.code(), Some(1));
    let said = stderr(&refused);
    assert!(
        said.contains("536870912 bytes follow the VHD footer") && said.contains("virtualisation.diskSize"),
        "{said}"
    );
    assert_eq!(stage.audit()["traffic"], json!({}), "no cloud is asked anything");

    let (code, report) = stage.report(&[&args[..], &["--repair"]].concat());
    assert_eq!((code, &report["targets"][0]["status"]), (0, &json!("published")), "{report:#}");
    assert!(report["image"]["warnings"][0].as_str().unwrap().contains("were left out"), "{report:#}");
    // What was published is the disk that was meant.
    let raw = stage.path("demo.raw");
    let (_, report) =
        stage.report(&["azure", text(&raw), "--regions", "westus2", "--name", "demo", "--version", "1.0.0"]);
    assert_eq!(report["targets"][0]["status"], "unchanged", "{report:#}");
}

#[test]
fn what_stands_beside_an_image_has_to_agree_with_it() {
    let stage = stage();
    let info = stage.path("image-info.json");
    fs::write(
        &info,
        r#"{"label": "25.05", "boot_mode": "legacy-bios", "system": "x86_64-linux", "logical_bytes": 2147483648}"#,
    )
    .unwrap();
    let image = stage.path("demo.vhd");
    let output = stage.run(&["aws", text(&image), "--regions", "us-east-1"]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output).replace(text(stage.dir.path()), "DIR");
    assert_eq!(
        said,
        "error: DIR/image-info.json does not agree with DIR/demo.vhd: boot_mode is legacy-bios, and the image is a disk \
         that boots with UEFI\n\nhint: one of the two is of another build; build the image again\n"
    );
    assert_eq!(stage.audit()["traffic"], json!({}), "no cloud is asked anything");
    let found = inspect(&stage, "demo.vhd", &[]);
    assert_eq!(found["image_info"]["differences"][0]["field"], "boot_mode");
    let human = String::from_utf8(stage.run(&["inspect", text(&image)]).stdout).unwrap();
    assert!(human.contains("difference       boot_mode is legacy-bios"), "{human}");
    fs::write(&info, r#"{"boot_mode": "uefi", "system": "x86_64-linux"}"#).unwrap();
    let plan = stage.run(&["aws", text(&image), "--regions", "us-east-1", "--plan"]);
    assert!(plan.status.success(), "{}", stderr(&plan));
}

#[test]
fn what_is_wrong_with_an_image_that_can_be_read_is_said() {
    let stage = stage();
    convert(&stage, "demo.raw", "demo.dynamic.vhd", "dynamic-vhd");
    let path = stage.path("demo.dynamic.vhd");
    let file = File::options().write(true).open(&path).unwrap();
    file.write_all_at(b"x", file.metadata().unwrap().len() - 300).unwrap();
    let output = stage.run(&["inspect", text(&path)]);
    assert!(output.status.success());
    assert!(
        stderr(&output).starts_with("warning: the VHD footer at the end of the file cannot be used (checksum is"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_conversion_does_not_replace_a_file_unasked() {
    let stage = stage();
    let (from, to) = (stage.path("demo.raw"), stage.path("demo.vhd"));
    let args = ["convert", text(&from), text(&to), "--to", "fixed-vhd"];
    let refused = stage.run(&args);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        stderr(&refused).contains("demo.vhd exists\n\nhint: remove it, or replace it with --force"),
        "{}",
        stderr(&refused)
    );
    let forced = stage.run(&[&args[..], &["--force", "--format", "json"]].concat());
    let report: Value = serde_json::from_slice(&forced.stdout).unwrap();
    assert_eq!((&report["format"], &report["file_size"]), (&json!("fixed-vhd"), &json!((2_u64 << 30) + 512)));
    let left = fs::read_dir(stage.dir.path())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains(".part"));
    assert_eq!(left.count(), 0);
}

#[test]
fn a_version_is_read_from_a_file_or_from_the_image() {
    let stage = stage();
    let image = stage.path("demo.vhd");
    let plan =
        |version: &str| stage.run(&["azure", text(&image), "--regions", "westus2", "--plan", "--version", version]);
    fs::write(stage.path("VERSION"), "2.3.4\n").unwrap();
    let from_file = plan(&format!("@{}", text(&stage.path("VERSION"))));
    assert!(String::from_utf8_lossy(&from_file.stdout).contains("/2.3.4 in westus2"), "{}", stderr(&from_file));
    let absent = plan("@image");
    assert_eq!(absent.status.code(), Some(2));
    assert!(stderr(&absent).starts_with("error: the version is to be read from image: there is no image-info.json"));
    fs::write(stage.path("image-info.json"), r#"{"label": "25.05.20250629.b43c397"}"#).unwrap();
    assert!(String::from_utf8_lossy(&plan("@image").stdout).contains("/25.5.20250629 in westus2"));
    assert_eq!(stage.mutations(), 0);
}

/// Runs `publish inspect` with a spool of one mebibyte.
fn inspect_in_one_mebibyte(stage: &Stage, image: &str) -> Option<(Option<i32>, String)> {
    let spool = stage.path("spool");
    fs::create_dir_all(&spool).unwrap();
    // A file system of its own in a namespace of its own, where that is allowed.
    let script = r#"mount -t tmpfs -o size=1m spool "$1" || exit 77; "$2" inspect "$3" --spool-dir "$1"; code=$?; ls -A "$1" >&2; exit $code"#;
    let image = stage.path(image);
    let args = ["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", text(&spool), PUBLISH, text(&image)];
    let output = Command::new("unshare").args(args).output().ok()?;
    let unable = output.status.code() == Some(77) || stderr(&output).contains("unshare");
    (!unable).then(|| (output.status.code(), stderr(&output)))
}

#[test]
fn a_spool_without_room_is_one_clear_error() {
    if !disks::have("zstd") {
        return;
    }
    let stage = stage();
    // As it is, its random data does not fit even packed; all of one byte, it does until it is unpacked.
    disks::run("zstd", &["-q", text(&stage.path("demo.vhd"))]);
    fs::write(stage.path("ones.raw"), vec![1; 4 << 20]).unwrap();
    disks::run("zstd", &["-q", text(&stage.path("ones.raw"))]);
    for image in ["demo.vhd.zst", "ones.raw.zst"] {
        let Some((code, said)) = inspect_in_one_mebibyte(&stage, image) else {
            let _ = std::io::Write::write_all(&mut std::io::stderr(), b"SKIPPED: no namespace can be made here\n");
            return;
        };
        assert_eq!(code, Some(1), "{said}");
        let error = said.lines().find(|line| line.starts_with("error: ")).unwrap();
        assert!(
            error.contains("bytes free, and at least")
                && error.ends_with(&format!("to unpack {}", text(&stage.path(image)))),
            "{said}"
        );
        // The hint is the last that is said: the directory is empty.
        assert!(said.ends_with("hint: free some, or name another directory with --spool-dir\n"), "{said}");
    }
}
