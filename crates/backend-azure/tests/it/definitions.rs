//! What a definition says, explicitly, and what of another's is named.

use publisher::{Kind, Status};
use serde_json::json;

use crate::{client::Client, stage::Stage};

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_said_explicitly_of_the_disk_the_image_and_the_definition() {
    let mut stage = Stage::new().await;
    (stage.config.keep_disk, stage.config.keep_image) = (Some(true), Some(true));
    stage.config.generation = Some("V2".into());
    assert_eq!(stage.publish().await.status, Status::Published);
    let audit = stage.audit();
    let properties = |kind: &str| audit["azure"][kind][0]["properties"].clone();
    let disk = properties("disks");
    assert_eq!(disk["hyperVGeneration"], "V2");
    assert_eq!(
        disk["supportedCapabilities"],
        json!({"architecture": "x64", "diskControllerTypes": "SCSI, NVMe", "acceleratedNetwork": true})
    );
    assert_eq!(properties("images")["hyperVGeneration"], "V2");
    let definition = properties("image_definitions");
    assert_eq!((&definition["hyperVGeneration"], &definition["architecture"]), (&json!("V2"), &json!("x64")));
    assert_eq!(
        definition["features"],
        json!([
            {"name": "SecurityType", "value": "TrustedLaunchSupported"},
            {"name": "DiskControllerTypes", "value": "SCSI, NVMe"},
            {"name": "IsAcceleratedNetworkSupported", "value": "True"},
        ])
    );
    let version = properties("image_versions");
    assert_eq!(version["publishingProfile"]["excludeFromLatest"], false);
    assert_eq!(version["publishingProfile"]["replicationMode"], "Full");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_of_another_generation_is_named() {
    let mut stage = Stage::new().await;
    assert_eq!(stage.publish().await.status, Status::Published);
    stage.config.generation = Some("V2".into());
    let before = stage.audit()["mutations"].clone();
    let error = stage.publish().await.error.unwrap();
    let (kind, message) = (error.kind, error.message);
    assert_eq!(stage.audit()["mutations"], before);
    assert_eq!(kind, Kind::Conflict);
    assert!(message.contains("hyperVGeneration is V1, the image needs V2"), "{message}");
    assert!(message.contains("SecurityType is Standard, the configuration says TrustedLaunchSupported"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_of_anothers_definition_that_differs_is_named_and_nothing_is_changed() {
    let mut stage = Stage::new().await;
    let client = Client::new(&stage).await;
    client
        .definition(json!({
            "osType": "Windows", "osState": "Specialized", "hyperVGeneration": "V2", "architecture": "Arm64",
            "identifier": {"publisher": "p", "offer": "o", "sku": "s"},
            "features": [{"name": "IsAcceleratedNetworkSupported", "value": "False"}],
        }))
        .await;
    stage.config.publisher = Some("platform".into());
    let before = stage.audit()["mutations"].clone();
    let error = stage.publish().await.error.unwrap();
    assert_eq!(error.kind, Kind::Conflict);
    let (_, differences) = error.message.split_once(" is another: ").unwrap();
    assert_eq!(
        differences.split("; ").collect::<Vec<_>>(),
        [
            "osType is Windows, the image needs Linux",
            "osState is Specialized, the image needs Generalized",
            "hyperVGeneration is V2, the image needs V1",
            "architecture is Arm64, the image needs x64",
            "identifier.publisher is p, the configuration says platform",
            "DiskControllerTypes is not set, the configuration says SCSI, NVMe",
            "IsAcceleratedNetworkSupported is False, the configuration says True",
        ]
    );
    assert_eq!(stage.audit()["mutations"], before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_difference_is_none() {
    let mut stage = Stage::new().await;
    let client = Client::new(&stage).await;
    client
        .definition(json!({
            "osType": "Linux", "osState": "Generalized", "hyperVGeneration": "V1", "architecture": "x64",
            "identifier": {"publisher": "p", "offer": "o", "sku": "s"},
            "features": [{"name": "DiskControllerTypes", "value": "NVMe,scsi"}],
        }))
        .await;
    stage.config.accelerated_networking = Some(false);
    let report = stage.publish().await;
    assert_eq!(report.status, Status::Published, "the order of a list, its case, and defaults: {:?}", report.error);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generation_that_cannot_boot_the_image_is_refused_before_anything_is_asked() {
    for (generation, said) in [
        ("V1", "azure.generation is V1, which boots with a BIOS, and the image boots with UEFI alone"),
        ("V2", "azure.generation is V2, which boots with UEFI, and the image boots with a BIOS alone"),
    ] {
        let mut stage = Stage::new().await;
        stage.replace_image(&if generation == "V1" { uefi_disk() } else { bios_disk() });
        stage.config.generation = Some(generation.into());
        let error = stage.publish().await.error.unwrap();
        assert_eq!((error.kind, error.message.as_str()), (Kind::Config, said));
        assert_eq!(stage.audit()["traffic"], json!({}));
        stage.config.generation = None;
        assert_eq!(stage.publish().await.status, Status::Published);
    }
}

/// A master boot record with boot code and one partition.
fn bios_disk() -> Vec<u8> {
    let mut disk = vec![0; 2 << 20];
    disk[..4].copy_from_slice(&[0xeb, 0x63, 0x90, 0x10]);
    partition(&mut disk, 0x83);
    disk
}

/// A master boot record with one partition, an EFI system partition.
fn uefi_disk() -> Vec<u8> {
    let mut disk = vec![0; 2 << 20];
    partition(&mut disk, 0xef);
    disk
}

fn partition(disk: &mut [u8], kind: u8) {
    let entry = &mut disk[446..462];
    entry[4] = kind;
    entry[8..12].copy_from_slice(&64_u32.to_le_bytes());
    entry[12..16].copy_from_slice(&1000_u32.to_le_bytes());
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
}
