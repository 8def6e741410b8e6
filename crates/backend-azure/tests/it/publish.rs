use publisher::{Kind, Status};
use serde_json::{Value, json};
use vhd::Image;

use crate::{client::Client, stage::Stage};

#[tokio::test(flavor = "multi_thread")]
async fn an_image_becomes_a_version_in_all_regions_and_its_intermediates_go() {
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
    assert_eq!(azure["images"], Value::Array(vec![]), "and so is the managed image");
    assert_eq!(audit["traffic"]["PutImage"]["requests"], 1, "which the version was made from");
    assert_eq!(audit["traffic"]["DeleteImage"]["requests"], 1);
    assert_eq!(azure["open_sas"], Value::Array(vec![]));
    let version = &azure["image_versions"][0];
    assert_eq!(version["id"].as_str(), report.resources.get("image_version").map(String::as_str));
    assert_eq!(version["tags"]["team"], "platform");
    assert_eq!(version["tags"]["publish-digest"], stage.image.content().unwrap().digest().to_string());
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
async fn the_same_content_in_a_larger_disk_is_another_version() {
    let mut stage = Stage::new().await;
    assert_eq!(stage.publish().await.status, Status::Published);
    stage.config.disk_size_gib = Some(2);
    let larger = stage.publish().await;
    assert_eq!(larger.status, Status::Published, "{:?}", larger.error);
    assert!(larger.resources["image_version"].ends_with("/versions/1.0.1"), "{:?}", larger.resources);
    stage.spec.version = Some("1.0.0".into());
    let error = stage.publish().await.error.unwrap();
    assert_eq!(error.message, "version 1.0.0 of ecs-node is there and holds another image");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_another_makes_during_the_upload_is_left_alone() {
    let mut stage = Stage::new().await;
    (stage.config.disk_controllers, stage.config.accelerated_networking) = (Some("SCSI".into()), Some(false));
    let client = Client::new(&stage).await;
    let disk = client.empty_disk("other", "V1").await;
    // No page is answered before the other version is there.
    stage.fault(r#"{"operation": "PutPage", "times": 1000, "kind": "gather"}"#);
    let other = async {
        while stage.requests("PutPage") < 2 {
            tokio::task::yield_now().await;
        }
        let properties = json!({
            "osType": "Linux", "osState": "Generalized", "hyperVGeneration": "V1",
            "identifier": {"publisher": "p", "offer": "o", "sku": "s"},
        });
        let definition = client.definition(properties).await;
        let source = json!({"osDiskImage": {"source": {"id": disk}}});
        let version = json!({"location": "westus2", "properties": {"storageProfile": source}});
        let (status, answer) = client.put(&format!("{definition}/versions/1.0.0"), &version).await;
        assert_eq!(status, 201, "{answer}");
        stage.sandbox.clear_faults();
    };
    let (report, ()) = tokio::join!(stage.publish(), other);
    let error = report.error.unwrap();
    assert_eq!(error.kind, Kind::Conflict);
    assert!(error.message.starts_with("another run has made this version in the meantime"), "{}", error.message);
    assert_eq!((stage.count("image_versions"), stage.count("images"), stage.count("disks")), (1, 0, 1));
    let next = stage.publish().await;
    assert!(next.resources["image_version"].ends_with("/versions/1.0.1"), "{:?} {:?}", next.resources, next.error);
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
