use backend_azure::RegionConfig;
use publisher::{Mode, Status};
use serde_json::{Value, json};
use vhd::Image;

use crate::stage::Stage;

#[tokio::test(flavor = "multi_thread")]
async fn an_image_becomes_a_managed_image_and_a_version_in_all_regions() {
    let stage = Stage::new().await;
    let report = stage.publish().await;
    assert_eq!(report.status, Status::Published, "{:?}", report.error);
    assert_eq!(
        report.regions.iter().map(|r| (r.region.as_str(), r.status)).collect::<Vec<_>>(),
        [("westus2", "available"), ("westus", "available")]
    );
    let audit = stage.audit();
    let azure = &audit["azure"];
    assert_eq!(azure["disks"], Value::Array(vec![]), "the disk is an intermediate");
    assert_eq!(azure["open_sas"], Value::Array(vec![]));
    let version = &azure["image_versions"][0];
    assert_eq!(version["id"].as_str(), report.resources.get("image_version").map(String::as_str));
    assert_eq!(azure["images"][0]["id"].as_str(), report.resources.get("managed_image").map(String::as_str));
    assert_eq!(version["tags"]["team"], "platform");
    assert_eq!(version["tags"]["publish-digest"], stage.image.content().unwrap().digest().to_string());
    let definition = &azure["image_definitions"][0]["properties"];
    assert_eq!(definition["hyperVGeneration"], "V1", "a disk without a partition table");
    assert_eq!(definition["features"][0]["name"], "SecurityType");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_arrives_is_the_disk_and_no_request_is_all_zeros() {
    let stage = Stage::new().await;
    let report = stage.publish().await;
    let audit = stage.audit();
    let content = audit["azure"]["image_versions"][0]["content"].as_str().unwrap();
    let arrived = Image::open(stage.sandbox.content_file(content).unwrap()).unwrap();
    assert_eq!(arrived.format(), vhd::Format::FixedVhd);
    assert_eq!(arrived.content().unwrap(), stage.image.content().unwrap());
    let pages = &audit["traffic"]["PutPage"];
    assert_eq!(pages["zero_bodies"], 0);
    assert_eq!(pages["bytes"], report.transfer.bytes_sent);
    assert!(report.transfer.bytes_sent < (5 << 20) + (64 << 10), "{}", report.transfer.bytes_sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_changes_nothing_and_names_the_same() {
    let stage = Stage::new().await;
    let first = stage.publish().await;
    let before = stage.audit()["mutations"].clone();
    let second = stage.publish().await;
    assert_eq!(second.status, Status::Unchanged, "{:?}", second.error);
    assert_eq!(first.resources, second.resources);
    assert_eq!(stage.audit()["mutations"], before);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_region_is_added_to_the_version_that_is_there() {
    let mut stage = Stage::new().await;
    let first = stage.publish().await;
    stage.config.regions = Some(publisher::Names::parse("westus2,westus,eastus"));
    let second = stage.publish().await;
    assert_eq!(second.status, Status::Published, "{:?}", second.error);
    assert_eq!(first.resources, second.resources);
    assert_eq!(stage.count("image_versions"), 1);
    assert_eq!(second.regions.len(), 3);
    assert_eq!(stage.audit()["traffic"]["PutDisk"]["requests"], 1, "nothing is uploaded again");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_content_gets_the_next_version() {
    let mut stage = Stage::new().await;
    stage.publish().await;
    let path = stage.dir.path().join("other.raw");
    std::fs::write(&path, vec![3; 1 << 20]).unwrap();
    stage.image = std::sync::Arc::new(Image::open(path).unwrap());
    let report = stage.publish().await;
    assert_eq!(report.status, Status::Published, "{:?}", report.error);
    assert!(report.resources["image_version"].ends_with("/versions/1.0.1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_changes_nothing() {
    let stage = Stage::new().await;
    let report = stage.run(Mode::Plan).await;
    assert_eq!(report.status, Status::Planned, "{:?}", report.error);
    assert!(report.plan.iter().any(|step| step.contains("make version")), "{:?}", report.plan);
    assert_eq!(stage.audit()["mutations"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_arm64_disk_goes_to_the_version_without_a_managed_image() {
    let mut stage = Stage::new().await;
    (stage.config.architecture, stage.config.generation) = (Some("Arm64".into()), Some("V2".into()));
    let report = stage.publish().await;
    assert_eq!(report.status, Status::Published, "{:?}", report.error);
    assert_eq!(stage.count("images"), 0);
    assert_eq!(stage.count("disks"), 0);
    assert_eq!(stage.audit()["azure"]["image_definitions"][0]["properties"]["architecture"], "Arm64");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_region_has_its_own_replicas_and_the_version_its_end() {
    let mut stage = Stage::new().await;
    stage.config.replicas = Some(2);
    stage.config.end_of_life = Some("2099-01-31".into());
    // By its display name, as the regions may be too.
    let west =
        RegionConfig { replicas: Some(5), storage: Some("Standard_ZRS".into()), exclude_from_latest: Some(true) };
    stage.config.per_region.insert("West US".into(), west);
    let report = stage.publish().await;
    assert_eq!(report.status, Status::Published, "{:?}", report.error);
    let profile = stage.audit()["azure"]["image_versions"][0]["properties"]["publishingProfile"].clone();
    assert_eq!(profile["endOfLifeDate"], "2099-01-31T00:00:00Z");
    let target = |name: &str, replicas: u32, storage: &str, exclude: bool| json!({"name": name, "regionalReplicaCount": replicas, "storageAccountType": storage, "excludeFromLatest": exclude});
    assert_eq!(
        profile["targetRegions"],
        json!([target("westus2", 2, "Standard_LRS", false), target("westus", 5, "Standard_ZRS", true)])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_larger_than_the_image_costs_nothing_to_send() {
    let plain = Stage::new().await.publish().await;
    let mut larger = Stage::new().await;
    larger.config.disk_size_gib = Some(64);
    let report = larger.publish().await;
    assert_eq!(report.status, Status::Published, "{:?}", report.error);
    assert_eq!(report.transfer.bytes_sent, plain.transfer.bytes_sent);
    let content = larger.audit()["azure"]["image_versions"][0]["content"].as_str().unwrap().to_owned();
    let arrived = Image::open(larger.sandbox.content_file(&content).unwrap()).unwrap();
    assert_eq!(arrived.virtual_size(), 64 << 30);
    assert_eq!(arrived.content().unwrap(), larger.image.content().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_of_another_form_is_mapped() {
    let mut stage = Stage::new().await;
    stage.spec.version = Some("25.05.20250629.b43c397".into());
    let report = stage.publish().await;
    assert!(report.resources["image_version"].ends_with("/versions/25.5.20250629"), "{:?}", report.resources);
    // Given as Azure has it, it is the same version.
    stage.spec.version = Some("25.5.20250629".into());
    assert_eq!(stage.publish().await.status, Status::Unchanged);
}
