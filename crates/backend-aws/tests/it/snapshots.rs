//! What is in a snapshot, encrypted or not, and that it is looked at before an AMI is made of it.

use std::{fs::File, ops::ControlFlow, os::unix::fs::FileExt, path::Path, sync::Arc};

use backend_aws::Route;
use publisher::{Kind, Status};
use sandbox::Decision;
use vhd::{DynamicVhd, FixedVhd, Image, Layout};

use crate::stage::{BOTH, HOME, OTHER, Stage};

const KEY: &str = "arn:aws:kms:us-east-1:123456789012:key/ours";

#[tokio::test(flavor = "multi_thread")]
async fn every_block_of_an_encrypted_snapshot_is_written() {
    // Asked for, and decided by the account, of which only the answer to StartSnapshot tells.
    for how in ["key", "account"] {
        let mut stage = Stage::new(Route::Ebs).await;
        match how {
            "key" => stage.config.kms_key = Some(KEY.into()),
            _ => stage.sandbox.decide(HOME, Decision::EncryptSnapshots),
        }
        let report = stage.publish().await;
        assert_eq!(report.status, Status::Published, "{how}: {:?}", report.error);
        let snapshot = &stage.list(HOME, "snapshots")[0];
        assert_eq!(snapshot["encrypted"], true, "{how}");
        let blocks = (1_u64 << 30) / vhd::CONTENT_BLOCK;
        assert_eq!(stage.audit()["traffic"]["ebs:PutSnapshotBlock"]["requests"], blocks, "{how}: all of the volume");
        let arrived = stage.sandbox.content_file(snapshot["content"].as_str().unwrap()).unwrap();
        // What is not written of an encrypted snapshot is noise: none of it may be left.
        assert_eq!(Image::open(arrived).unwrap().content().unwrap(), stage.image.content().unwrap(), "{how}");
        assert_eq!(stage.list(OTHER, "snapshots")[0]["encrypted"], true, "{how}: and its copies are encrypted");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_part_of_an_object_has_a_checksum() {
    let stage = Stage::new(Route::S3).await;
    assert_eq!(stage.publish().await.status, Status::Published);
    let traffic = stage.audit()["traffic"]["s3:UploadPart"].clone();
    assert!(traffic["requests"].as_u64().unwrap() > 1, "{traffic}");
    assert_eq!(traffic["unsealed"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_block_of_zeros_is_written_where_none_has_to_be() {
    let stage = Stage::new(Route::Ebs).await;
    assert_eq!(stage.publish().await.status, Status::Published);
    let traffic = stage.audit()["traffic"]["ebs:PutSnapshotBlock"].clone();
    assert_eq!((&traffic["zero_bodies"], &traffic["unsealed"]), (&0.into(), &0.into()));
    assert_eq!(traffic["requests"], stage.image.content().unwrap().blocks().len());
}

/// Writes a layout to a file, as `publish convert` does.
fn write(layout: &dyn Layout, to: &Path) -> Arc<Image> {
    vhd::convert(layout, to, false, &|_| ControlFlow::Continue(())).unwrap();
    Arc::new(Image::open(to).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_input_becomes_the_same_snapshot_by_both_routes() {
    let mut arrivals = Vec::new();
    for route in BOTH {
        for format in ["raw", "fixed", "dynamic"] {
            let mut stage = Stage::new(route).await;
            let file = stage.dir.path().join("disk.vhd");
            stage.image = match format {
                "fixed" => write(&FixedVhd::new(stage.image.clone(), 24 << 20).unwrap(), &file),
                "dynamic" => write(&DynamicVhd::new(stage.image.clone(), 24 << 20).unwrap(), &file),
                _ => stage.image.clone(),
            };
            let report = stage.publish().await;
            assert_eq!(report.status, Status::Published, "{route:?} {format}: {:?}", report.error);
            let snapshot = &stage.list(HOME, "snapshots")[0];
            assert_eq!(snapshot["volume_size"], 1, "{route:?} {format}");
            let arrived = stage.sandbox.content_file(snapshot["content"].as_str().unwrap()).unwrap();
            arrivals.push(Image::open(arrived).unwrap());
        }
    }
    let first = arrivals[0].content().unwrap();
    assert!(arrivals.iter().all(|arrived| arrived.content().unwrap() == first), "block by block");
}

#[tokio::test(flavor = "multi_thread")]
async fn padding_costs_no_gibibyte_and_data_in_it_does() {
    // A GiB and a cylinder, as qemu-img makes of a GiB: zeros behind it, or not.
    for (data_behind, volume) in [(false, 1), (true, 2)] {
        let mut stage = Stage::new(Route::Ebs).await;
        let path = stage.dir.path().join("padded.raw");
        let file = File::create(&path).unwrap();
        file.set_len((1 << 30) + (504 << 10)).unwrap();
        file.write_all_at(&[7; 9000], 0).unwrap();
        if data_behind {
            file.write_all_at(&[7; 512], 1 << 30).unwrap();
        }
        let raw = Arc::new(Image::open(path).unwrap());
        let size = raw.virtual_size();
        stage.image = write(&DynamicVhd::new(raw, size).unwrap(), &stage.dir.path().join("padded.vhd"));
        let report = stage.publish().await;
        assert_eq!(report.status, Status::Published, "{:?}", report.error);
        assert_eq!(stage.list(HOME, "snapshots")[0]["volume_size"], volume);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_is_imported_is_encrypted_too() {
    let mut stage = Stage::new(Route::S3).await;
    stage.config.kms_key = Some(KEY.into());
    let report = stage.publish().await;
    assert_eq!(report.status, Status::Published, "{:?}", report.error);
    assert_eq!(stage.list(HOME, "snapshots")[0]["encrypted"], true);
    assert_eq!(stage.list(HOME, "images")[0]["device"]["encrypted"], "true");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_is_read_back_and_compared_if_that_is_asked_for() {
    for route in BOTH {
        let mut stage = Stage::new(route).await;
        stage.config.verify = Some(true);
        let report = stage.publish().await;
        assert_eq!(report.status, Status::Published, "{route:?}: {:?}", report.error);
        let read = stage.audit()["traffic"]["ebs:GetSnapshotBlock"]["requests"].as_u64().unwrap();
        assert!(read >= stage.image.content().unwrap().blocks().len() as u64, "{route:?}: {read}");
    }
    let stage = Stage::new(Route::Ebs).await;
    stage.publish().await;
    assert!(stage.audit()["traffic"]["ebs:GetSnapshotBlock"].is_null(), "and not otherwise");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_is_not_the_image_is_named_and_nothing_is_registered() {
    for route in BOTH {
        let mut stage = Stage::new(route).await;
        stage.config.verify = Some(true);
        // Damaged by AWS itself, after all checksums were good.
        stage.sandbox.add_fault(r#"{"operation": "Rot", "kind": "corrupt"}"#.parse().unwrap());
        let error = stage.publish().await.error.unwrap();
        assert_eq!(error.kind, Kind::Invalid, "{route:?}");
        assert!(error.message.contains("is not the image: it differs in the block at byte "), "{}", error.message);
        stage.assert_empty(&format!("{route:?}"));
    }
}
