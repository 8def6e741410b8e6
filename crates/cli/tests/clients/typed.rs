//! Azure's management SDK for Python reads what we made, and what we sent for it, by its own models.

use std::collections::BTreeSet;

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

/// Everything that can be said, in two ways of sharing and with both sources of a version.
const PROFILES: &str = r#"
[default]
name = "node"
description = "a node"
[default.tags]
team = "platform"
[default.azure]
resource_group = "images"
replicas = 2
storage = "Standard_ZRS"
exclude_from_latest = true
end_of_life = "2099-01-31"
access_minutes = 60
publisher = "us"
offer = "nodes"
sku = "first"
[default.azure.per_region.eastus]
replicas = 3
storage = "Standard_LRS"
exclude_from_latest = false

[few.azure]
gallery = "few"
source = "managed-image"
[few.azure.sharing]
subscriptions = ["11111111-2222-3333-4444-555555555555"]
tenants = ["66666666-7777-8888-9999-000000000000"]

[everyone.azure]
gallery = "everyone"
source = "disk"
security_type = "Standard"
[everyone.azure.sharing.community]
publisher = "https://images.kernel.org/nodes"
contact = "images@kernel.org"
eula = "https://images.kernel.org/terms"
prefix = "example"
"#;

#[test]
fn the_sdks_models_describe_every_request_that_we_send() {
    let programs = ["python-azure-33", "python-azure-35"];
    let Some(bench) = Bench::with(&programs) else { return };
    std::fs::create_dir_all(bench.stage.path("work")).unwrap();
    std::fs::write(bench.stage.path("work/publish.toml"), PROFILES).unwrap();
    let raw = bench.raw();
    for (profile, regions) in [("few", "westus2,eastus"), ("few", "westus2,eastus,westus"), ("everyone", "westus2")] {
        let args = ["azure", "--profile", profile, "--version", "1.0.0", "--regions", regions, text(&raw)];
        let (code, report) = bench.stage.report(&args);
        assert_eq!(code, 0, "{report:#}");
    }
    let path = bench.stage.path("requests.json");
    std::fs::write(&path, bench.stage.get("/_sandbox/requests")).unwrap();
    let script = Bench::script("sent.py");
    // One release of the SDK has what the other has not.
    let checked: BTreeSet<String> = programs
        .iter()
        .flat_map(|python| serde_json::from_str::<Vec<String>>(&bench.run(python, &[&script, text(&path)])).unwrap())
        .collect();
    let all = [
        "POST /disks/*/begingetaccess 2025-01-02",
        "POST /galleries/*/share 2024-03-03",
        "PUT /disks/* 2025-01-02",
        "PUT /galleries/* 2024-03-03",
        "PUT /galleries/*/images/* 2024-03-03",
        "PUT /galleries/*/images/*/versions/* 2024-03-03",
        "PUT /images/* 2024-07-01",
        "PUT /resourcegroups/* 2025-04-01",
    ];
    assert_eq!(checked, all.map(str::to_owned).into());
}
