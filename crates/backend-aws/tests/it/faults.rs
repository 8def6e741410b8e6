//! One test for each way in which a request goes wrong.

use std::{fs::File, os::unix::fs::FileExt, sync::Arc};

use backend_aws::{Route, Sharing};
use publisher::{Kind, Names, Status};
use sandbox::Fault;
use vhd::Image;

use crate::stage::{HOME, OTHER, Stage};

fn fault(operation: &str, kind: &str) -> Fault {
    format!(r#"{{"operation": "{operation}", "kind": "{kind}"}}"#).parse().unwrap()
}

const SENDING: [(Route, &str); 2] = [(Route::S3, "s3:UploadPart"), (Route::Ebs, "ebs:PutSnapshotBlock")];

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_throttled_lost_or_corrupted_are_sent_again() {
    for (route, operation) in SENDING {
        for kind in ["throttle", "server_error", "reset_before", "reset_after", "corrupt"] {
            let stage = Stage::new(route).await;
            stage.sandbox.add_fault(fault(operation, kind));
            let report = stage.publish().await;
            assert_eq!(report.status, Status::Published, "{operation} {kind}: {:?}", report.error);
            assert_eq!(report.transfer.retries, 1, "{operation} {kind}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_aws_has_just_made_and_does_not_know_yet_is_asked_for_again() {
    let ebs = ["ebs:PutSnapshotBlock", "ebs:CompleteSnapshot", "ebs:ListSnapshotBlocks", "ec2:RegisterImage"];
    let after = [
        "ec2:CopyImage",
        "ec2:EnableImageDeprecation",
        "ec2:DescribeImageAttribute",
        "ec2:ModifyImageAttribute",
        "ec2:DescribeSnapshotAttribute",
        "ec2:ModifySnapshotAttribute",
    ];
    let cases = ebs.iter().chain(&after).map(|operation| (Route::Ebs, *operation));
    for (route, operation) in cases.chain([(Route::S3, "ec2:CreateTags")]) {
        let mut stage = Stage::new(route).await;
        (stage.config.verify, stage.config.deprecate_after_days) = (Some(true), Some(90));
        let accounts = Names::parse("210987654321");
        stage.config.sharing = Some(Sharing { accounts, ..Sharing::default() });
        stage.fault(&format!(r#"{{"operation": "{operation}", "times": 2, "kind": "forget"}}"#));
        let report = stage.publish().await;
        assert_eq!(report.status, Status::Published, "{operation}: {:?} {:?}", report.error, report.regions);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_blocks_and_copies_are_on_their_way_at_once_as_there_is_room_for() {
    let mut stage = Stage::new(Route::Ebs).await;
    stage.config.regions = Some(Names::parse("us-east-1,eu-west-1,us-west-2,ca-central-1"));
    let blocks = stage.image.content().unwrap().blocks().len();
    assert!((20..32).contains(&blocks), "{blocks}");
    // None of them is answered before all are there.
    for (operation, times) in [("ebs:PutSnapshotBlock", blocks), ("ec2:CopyImage", 3)] {
        stage.fault(&format!(r#"{{"operation": "{operation}", "times": {times}, "kind": "gather"}}"#));
    }
    let report = stage.publish().await;
    assert_eq!(report.status, Status::Published, "{:?}", report.error);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_blocks_are_sent_in_a_second_than_may_be() {
    let mut stage = Stage::new(Route::Ebs).await;
    stage.config.blocks_per_second = Some(40);
    let report = stage.publish().await;
    assert_eq!(report.status, Status::Published, "{:?}", report.error);
    // From the first to the last there are as many fortieths of a second as there are blocks between them.
    let least = (report.transfer.requests - 1) as f64 / 40.0;
    assert!(report.transfer.seconds >= least, "{} of {least}", report.transfer.seconds);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_at_any_step_leaves_nothing_behind() {
    let steps = [
        (
            Route::S3,
            &["s3:CreateMultipartUpload", "s3:UploadPart", "s3:CompleteMultipartUpload", "ec2:ImportSnapshot"][..],
        ),
        (Route::S3, &["ec2:CreateTags", "ec2:RegisterImage"]),
        (Route::Ebs, &["ebs:StartSnapshot", "ebs:PutSnapshotBlock", "ebs:CompleteSnapshot", "ec2:DescribeSnapshots"]),
        (Route::Ebs, &["ec2:RegisterImage"]),
    ];
    for (route, operations) in steps {
        for operation in operations {
            let stage = Stage::new(route).await;
            stage.sandbox.add_fault(fault(operation, "deny"));
            let report = stage.publish().await;
            assert_eq!(report.status, Status::Failed, "{operation}");
            assert_eq!(report.error.unwrap().kind, Kind::Denied, "{operation}");
            stage.assert_empty(operation);
            // And the way is free for the next run.
            let again = stage.publish().await;
            assert_eq!(again.status, Status::Published, "{operation}: {:?}", again.error);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_denied_is_asked_for_once() {
    for (route, operation) in
        SENDING.into_iter().chain([(Route::Ebs, "ebs:StartSnapshot"), (Route::Ebs, "ec2:RegisterImage")])
    {
        let stage = Stage::new(route).await;
        stage.fault(&format!(r#"{{"operation": "{operation}", "times": 1000, "kind": "deny"}}"#));
        let report = stage.publish().await;
        assert_eq!(report.error.unwrap().kind, Kind::Denied, "{operation}");
        assert_eq!(report.transfer.retries, 0, "{operation}");
        // As many as were on their way when the first was denied, and none again.
        let most = stage.image.content().unwrap().blocks().len() as u64;
        let asked = stage.audit()["traffic"][operation]["requests"].as_u64().unwrap();
        assert!(
            asked <= if operation.contains("Put") || operation.contains("Part") { most } else { 1 },
            "{operation}: {asked}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_that_aws_has_lost_is_noticed_when_the_snapshot_is_completed() {
    let stage = Stage::new(Route::Ebs).await;
    stage.fault(r#"{"operation": "ebs:PutSnapshotBlock", "nth": 3, "kind": "lose"}"#);
    let error = stage.publish().await.error.unwrap();
    assert_eq!((error.kind, error.message.as_str()), (Kind::Invalid, "cannot complete the snapshot"));
    assert!(error.causes[0].contains("ChangedBlocksCount"), "{:?}", error.causes);
    stage.assert_empty("a lost block");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_cannot_be_deleted_at_once_costs_no_import_and_is_deleted_in_the_end() {
    let stage = Stage::new(Route::S3).await;
    stage.sandbox.add_fault(fault("s3:DeleteObject", "deny"));
    let report = stage.publish().await;
    assert_eq!(report.status, Status::Published, "{:?}", report.error);
    assert_eq!(stage.list(HOME, "uploads").len() + stage.list(HOME, "s3_objects").len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_makes_nothing_twice() {
    let s3 = ["s3:CreateMultipartUpload", "s3:CompleteMultipartUpload", "ec2:ImportSnapshot"];
    let ebs = ["ebs:StartSnapshot", "ebs:CompleteSnapshot", "ec2:RegisterImage", "ec2:CopyImage"];
    let cases = s3.iter().map(|step| (Route::S3, step)).chain(ebs.iter().map(|step| (Route::Ebs, step)));
    for (route, operation) in cases {
        let stage = Stage::new(route).await;
        stage.sandbox.add_fault(fault(operation, "reset_after"));
        let report = stage.publish().await;
        assert_eq!(report.status, Status::Published, "{operation}: {:?}", report.error);
        for region in [HOME, OTHER] {
            assert_eq!(stage.list(region, "images").len(), 1, "{operation}: {region}");
            assert_eq!(stage.list(region, "snapshots").len(), 1, "{operation}: {region}");
        }
        assert_eq!(stage.list(HOME, "uploads").len() + stage.list(HOME, "s3_objects").len(), 0, "{operation}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_is_deleted_fails_with_its_message() {
    let stage = Stage::new(Route::S3).await;
    stage.sandbox.add_fault(fault("Import", "corrupt"));
    let report = stage.publish().await;
    let error = report.error.unwrap();
    assert_eq!(
        error.message,
        "the import failed: ClientError: Disk validation failed [Unsupported specified file format]"
    );
    assert!(error.hint.is_some());
    assert!(stage.audit()["traffic"]["ec2:DescribeImportSnapshotTasks"]["requests"].as_u64().unwrap() <= 6);
    stage.assert_empty("a failed import");
    assert_eq!(stage.publish().await.status, Status::Published, "under the next client token");
}

/// AWS answers a client token for ever with the task that it began: were the token the name's, the corrected image would get
/// the failure of the one before it.
#[tokio::test(flavor = "multi_thread")]
async fn other_content_under_the_name_of_a_failed_import_is_imported_anew() {
    let mut stage = Stage::new(Route::S3).await;
    stage.sandbox.add_fault(fault("Import", "corrupt"));
    assert_eq!(stage.publish().await.status, Status::Failed);
    let path = stage.dir.path().join("disk.raw");
    File::options().write(true).open(&path).unwrap().write_all_at(b"corrected", 0).unwrap();
    stage.image = Arc::new(Image::open(path).unwrap());
    let report = stage.publish().await;
    assert_eq!(report.status, Status::Published, "{:?}", report.error);
    let snapshot = &stage.list(HOME, "snapshots")[0];
    let arrived = stage.sandbox.content_file(snapshot["content"].as_str().unwrap()).unwrap();
    assert_eq!(Image::open(arrived).unwrap().content().unwrap(), stage.image.content().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_failed_region_is_reported_and_a_rerun_tries_it_alone() {
    let stage = Stage::new(Route::Ebs).await;
    let failing = format!(r#"{{"operation": "Copy", "region": "{OTHER}", "kind": "server_error"}}"#);
    stage.sandbox.add_fault(failing.parse().unwrap());
    let first = stage.publish().await;
    assert_eq!(first.status, Status::Partial, "{:?}", first.error);
    let failed = first.regions.iter().find(|region| region.status == "failed").unwrap();
    assert_eq!(failed.region, OTHER);
    assert!(failed.error.as_ref().unwrap().message.contains("Internal error while copying"), "AWS's own words");
    assert_eq!(stage.list(OTHER, "images").len() + stage.list(OTHER, "snapshots").len(), 0);

    let second = stage.publish().await;
    assert_eq!(second.status, Status::Published, "{:?}", second.error);
    assert_eq!(stage.audit()["traffic"]["ebs:StartSnapshot"]["requests"], 1);
    assert_eq!(first.resources, second.resources);
}
