//! `az` and azcopy against the sandbox.

use serde_json::{Value, json};

use crate::{
    bench::Bench,
    stage::{stderr, text},
};

/// A bench at which somebody has logged in.
fn logged_in() -> Option<Bench> {
    let bench = Bench::with(&["az", "azcopy"])?;
    bench.log_in();
    Some(bench)
}

fn entry(bench: &Bench, list: &str, id_part: &str) -> Value {
    let audit = bench.stage.audit();
    let all = audit["azure"][list].as_array().unwrap();
    all.iter().find(|entry| entry["id"].as_str().unwrap().contains(id_part)).unwrap().clone()
}

#[test]
fn the_way_by_hand_from_a_disk_to_a_version_in_three_regions() {
    let Some(bench) = logged_in() else { return };
    let shown = bench.run("bash", &[&Bench::script("nixos-azure-guide.sh"), text(&bench.vhd("fixed")), "guide"]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown[0], "Succeeded");
    assert_eq!(shown[1].as_array().unwrap().len(), 3, "{shown}");
    assert!(shown[1].as_array().unwrap().iter().all(|region| region[1] == 2), "{shown}");
    assert_eq!(shown[2], json!(["Completed", "Completed", "Completed"]));
    let version = entry(&bench, "image_versions", "/versions/1.0.0");
    bench.assert_is_disk(version["content"].as_str().unwrap());
    // Over TLS azcopy sends a managed disk's pages without a checksum; a grid of zeros it leaves out, as we do.
    assert_eq!(bench.stage.audit()["traffic"]["PutPage"]["zero_bodies"], 0);
    // And our own program goes on where they left off: the next version of their definition, which says V2 of a disk that
    // says nothing, and less of its drivers than we would.
    let args = ["azure", "--resource-group", "images-guide", "--gallery", "gallery_guide", "--name", "node"];
    let rest = ["--regions", "westus2,eastus", "--format", "json"];
    let mut command = bench.stage.command(&[&args[..], &rest[..], &[text(&bench.raw())]].concat());
    let theirs = [("GENERATION", "V2"), ("DISK_CONTROLLERS", "SCSI"), ("ACCELERATED_NETWORKING", "false")];
    let theirs = theirs.map(|(field, value)| (format!("PUBLISH_AZURE__{field}"), value));
    let output = command.envs(theirs).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let version = report["targets"][0]["resources"]["image_version"].as_str().unwrap();
    assert!(version.ends_with("/versions/1.0.1"), "{version}");
    bench.run("bash", &[&Bench::script("azure-delete.sh"), "guide", "1.0.0", "1.0.1"]);
    let audit = bench.stage.audit();
    for list in ["image_versions", "image_definitions", "galleries", "images", "disks"] {
        assert_eq!(audit["azure"][list], json!([]), "{list}");
    }
}

#[test]
fn an_image_without_a_gallery() {
    let Some(bench) = logged_in() else { return };
    let id = bench.run("bash", &[&Bench::script("azure-new.sh"), text(&bench.vhd("fixed"))]);
    let image = entry(&bench, "images", id.trim());
    bench.assert_is_disk(image["content"].as_str().unwrap());
    for (kind, name) in [("image", "nixos"), ("disk", "nixos")] {
        let yes: &[&str] = if kind == "disk" { &["--yes"] } else { &[] };
        bench.run("az", &[&[kind, "delete", "--resource-group", "nixos-images", "--name", name], yes].concat());
    }
    assert_eq!(bench.stage.audit()["azure"]["images"], json!([]));
}
