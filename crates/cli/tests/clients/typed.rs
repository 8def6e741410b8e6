//! Azure's management SDK for Python reads what we made, by its own models.

use serde_json::{Value, json};

use crate::{bench::Bench, stage::text};

#[test]
fn the_sdks_models_read_every_resource_that_we_make() {
    let Some(bench) = Bench::with(&["python-azure", "az"]) else { return };
    bench.log_in();
    let raw = bench.raw();
    let args =
        ["azure", "--name", "node", "--version", "1.0.0", "--regions", "westus2,eastus", "--keep-image", text(&raw)];
    let (code, report) = bench.stage.report(&args);
    assert_eq!(code, 0, "{report:#}");
    // A disk that is still being written to.
    let disk = ["disk", "create", "--resource-group", "publish-sandbox", "--name", "other", "--upload-type", "Upload"];
    bench.run("az", &[&disk[..], &["--upload-size-bytes", "67109376", "--output", "none"]].concat());
    let script = Bench::script("models.py");
    let said = bench.run("python-azure", &[&script, "publish-sandbox", "publish", "node", "1.0.0"]);
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["regions"], json!({"westus2": 1, "eastus": 1}));
    assert_eq!(said["replication"], json!(["Completed", "Completed"]));
    assert_eq!(said["images"], json!([["node-1.0.0", "Generalized"]]));
    assert_eq!(said["disks"], json!([["other", "ReadyToUpload"]]));
    let source = report["targets"][0]["resources"]["managed_image"].as_str().unwrap();
    assert!(said["source"].as_str().unwrap().eq_ignore_ascii_case(source), "{said}");
    assert_eq!((&said["generation"], &said["features"]["SecurityType"]), (&"V1".into(), &"Standard".into()));
}
