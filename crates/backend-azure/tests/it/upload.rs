//! The bytes: which are sent, how, and to what.

use std::{path::Path, sync::Arc};

use publisher::{Kind, Mode, Pipeline, Runtime, Silent, Status, Target};
use serde_json::json;
use vhd::{DynamicVhd, FixedVhd, Image, Layout};

use crate::{client::Client, stage::Stage};

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

/// Writes a layout to a file, as `publish convert` does.
fn write(layout: &dyn Layout, to: &Path) -> Image {
    vhd::convert(layout, to, false, &|_| std::ops::ControlFlow::Continue(())).unwrap();
    Image::open(to).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_input_becomes_the_same_disk_and_none_gains_a_mebibyte() {
    let mut disks = Vec::new();
    for format in ["raw", "fixed", "dynamic"] {
        let mut stage = Stage::new().await;
        let file = stage.dir.path().join("disk.vhd");
        stage.image = Arc::new(match format {
            "fixed" => write(&FixedVhd::new(stage.image.clone(), 24 << 20).unwrap(), &file),
            "dynamic" => write(&DynamicVhd::new(stage.image.clone(), 24 << 20).unwrap(), &file),
            _ => Image::open(stage.image.path()).unwrap(),
        });
        let report = stage.publish().await;
        assert_eq!(report.status, Status::Published, "{format}: {:?}", report.error);
        let bytes = std::fs::read(stage.content_of("image_versions").path()).unwrap();
        assert_eq!(bytes.len(), (24 << 20) + 512, "{format}: 24 MiB are whole already");
        disks.push(bytes);
    }
    assert!(disks[0] == disks[1] && disks[1] == disks[2], "footer and all");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_storage_account_and_no_key_is_asked_for() {
    let stage = Stage::new().await;
    assert_eq!(stage.publish().await.status, Status::Published);
    let traffic = stage.audit()["traffic"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        traffic,
        [
            "BeginGetAccess",
            "DeleteDisk",
            "DeleteImage",
            "EndGetAccess",
            "GetPageRanges",
            "PollOperation",
            "PutDisk",
            "PutGallery",
            "PutImage",
            "PutImageDefinition",
            "PutImageVersion",
            "PutPage",
            "PutResourceGroup",
            "Read",
            "ReadSubscription",
            "Token"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_of_the_largest_pages_are_on_their_way_at_once_each_with_its_checksum() {
    let mut stage = Stage::new().await;
    let content: Vec<u8> = (0..20 << 22).map(|index: u32| (index % 251) as u8 | 1).collect();
    stage.replace_image(&content);
    // None of them is answered before the sixteenth is there.
    stage.fault(r#"{"operation": "PutPage", "times": 16, "kind": "gather"}"#);
    let report = stage.publish().await;
    assert_eq!(report.status, Status::Published, "{:?}", report.error);
    assert_eq!(report.transfer.retries, 0, "none had to be given up");
    let pages = stage.audit()["traffic"]["PutPage"].clone();
    assert_eq!(
        (&pages["requests"], &pages["bytes"]),
        (&json!(21), &json!((20 << 22) + 512)),
        "4 MiB each, and the footer"
    );
    assert_eq!(pages["unsealed"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_there_already_is_cleared_of_what_was_written_to_it() {
    let stage = Stage::new().await;
    let client = Client::new(&stage).await;
    // What a run leaves that was killed, and of which no journal tells: its disk, open, with pages in it.
    stage.fault(r#"{"operation": "PutPage", "times": 1000, "kind": "deny"}"#);
    stage.fault(r#"{"operation": "DeleteDisk", "times": 1000, "kind": "deny"}"#);
    assert_eq!(stage.publish().await.status, Status::Failed);
    stage.sandbox.clear_faults();
    std::fs::remove_dir_all(stage.dir.path().join("state")).unwrap();
    let left = stage.audit()["azure"]["disks"][0].clone();
    let name = left["id"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let disk = json!({"location": "westus2", "tags": left["tags"], "properties": left["properties"]});
    client.send(reqwest::Method::DELETE, &format!("/providers/Microsoft.Compute/disks/{name}"), &json!(null)).await;
    client.put(&format!("/providers/Microsoft.Compute/disks/{name}"), &disk).await;
    let sas = client.open(&name).await;
    // Where the image has a hole, in the middle of its data, and where its footer will be.
    for offset in [5 << 20, 11 << 20, (24 << 20) - 4096] {
        assert_eq!(client.write(&sas, offset, vec![0xee; 4096]).await, 201);
    }
    let deleted = stage.requests("DeleteDisk");

    let report = stage.publish().await;
    assert_eq!(report.status, Status::Published, "{:?}", report.error);
    assert_eq!(stage.requests("DeleteDisk"), deleted + 1, "the same disk, and deleted in the end");
    assert_eq!((stage.requests("GetBlob"), stage.requests("ClearPage")), (3, 3));
    let arrived = stage.content_of("image_versions");
    assert_eq!(arrived.content().unwrap(), stage.image.content().unwrap(), "and nothing of what was on it");
    assert_eq!((stage.count("disks"), stage.count("open_sas")), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_disk_is_taken_over_registers_nothing_and_leaves_the_other_its_disk() {
    let usual = Stage::new().await;
    usual.publish().await;
    // Two machines, each with a journal of its own, publish the same image at the same time. All pages of the first are
    // held until the second has taken its disk over, cleared it, and sent a page.
    let stage = Stage::new().await;
    let all_and_one = usual.requests("PutPage") + 1;
    stage.fault(&format!(r#"{{"operation": "PutPage", "times": {all_and_one}, "kind": "gather"}}"#));
    let (here, elsewhere) = (stage.runtime(), stage.dir.path().join("elsewhere"));
    let elsewhere = Runtime::new(Arc::new(Silent), Some(elsewhere));
    let first = Pipeline::new(stage.backend().unwrap());
    let second = async {
        while stage.requests("PutPage") < usual.requests("PutPage") {
            tokio::task::yield_now().await;
        }
        Pipeline::new(stage.backend().unwrap()).publish(&elsewhere, &stage.image, Mode::Publish).await
    };
    let (first, second) = tokio::join!(first.publish(&here, &stage.image, Mode::Publish), second);
    let error = first.error.unwrap();
    assert_eq!(error.kind, Kind::Conflict);
    assert!(error.message.contains(" publishes the same image and has taken over the disk"), "{}", error.message);
    assert_eq!(second.status, Status::Published, "{:?}", second.error);
    assert_eq!(stage.content_of("image_versions").content().unwrap(), stage.image.content().unwrap());
    assert_eq!((stage.count("image_versions"), stage.count("disks"), stage.count("open_sas")), (1, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn anothers_disk_of_the_same_name_is_neither_written_to_nor_deleted() {
    let mut stage = Stage::new().await;
    stage.config.keep_disk = Some(true);
    stage.fault(r#"{"operation": "PutImage", "kind": "deny"}"#);
    stage.publish().await;
    let report = stage.publish().await;
    assert_eq!(report.status, Status::Published, "{:?}", report.error);
    let disk = stage.audit()["azure"]["disks"][0].clone();
    // The same disk, and the tags of someone else; the version is gone, so that the run would make it again.
    let client = Client::new(&stage).await;
    let name = disk["id"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let path = format!("/providers/Microsoft.Compute/disks/{name}");
    client.put(&path, &json!({"location": "westus2", "tags": {}, "properties": disk["properties"]})).await;
    let version = "/providers/Microsoft.Compute/galleries/publish/images/ecs-node/versions/1.0.0";
    client.send(reqwest::Method::DELETE, version, &json!(null)).await;
    let error = stage.publish().await.error.unwrap();
    assert_eq!(error.kind, Kind::Conflict);
    assert!(
        error.message.starts_with("a disk of this name is there, and this run did not make it"),
        "{}",
        error.message
    );
    assert_eq!((stage.count("disks"), stage.count("open_sas")), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_azure_does_not_take_is_reported_as_that_and_nothing_is_registered() {
    let stage = Stage::new().await;
    // What is on the disk is no VHD any more when the access ends, which is when Azure looks.
    stage.fault(r#"{"operation": "Validate", "kind": "corrupt"}"#);
    let report = stage.publish().await;
    let error = report.error.unwrap();
    assert_eq!((error.kind, error.message.as_str()), (Kind::Image, "Azure did not take the disk"));
    assert!(
        error.causes[0].starts_with("Azure answered InvalidVhd: The specified disk blob is not a valid VHD"),
        "{error:?}"
    );
    assert!(error.hint.unwrap().contains("nothing was registered"));
    for kind in ["disks", "images", "galleries", "image_definitions", "image_versions", "open_sas"] {
        assert_eq!(stage.count(kind), 0, "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_azure_has_lost_is_noticed_before_the_disk_is_closed() {
    for nth in [1, 2] {
        let stage = Stage::new().await;
        stage.fault(&format!(r#"{{"operation": "PutPage", "nth": {nth}, "kind": "lose"}}"#));
        let error = stage.publish().await.error.unwrap();
        assert_eq!(error.kind, Kind::Invalid);
        assert!(error.message.starts_with("the disk in Azure is not the image: it differs at byte "), "{error:?}");
        assert_eq!(stage.requests("PutImage"), 0, "and nothing is made of it");
        assert_eq!((stage.count("disks"), stage.count("open_sas")), (0, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_is_read_back_and_compared_if_that_is_asked_for() {
    let mut stage = Stage::new().await;
    stage.config.verify = Some(true);
    assert_eq!(stage.publish().await.status, Status::Published);
    assert_eq!((stage.requests("BeginGetAccess"), stage.requests("EndGetAccess") > 1), (2, true));
    assert!(stage.requests("GetBlob") >= 3, "{}", stage.requests("GetBlob"));
    let mut stage = Stage::new().await;
    stage.config.verify = Some(true);
    stage.fault(r#"{"operation": "Rot", "kind": "corrupt"}"#);
    let error = stage.publish().await.error.unwrap();
    assert_eq!(error.message, "the disk in Azure is not the image: it differs at byte 0");
    for kind in ["disks", "images", "image_versions", "open_sas"] {
        assert_eq!(stage.count(kind), 0, "{kind}");
    }
}
