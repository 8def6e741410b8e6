//! One test for each way in which a request goes wrong.

use std::time::Duration;

use publisher::{Kind, Mode, Pipeline, Stage as RunStage, Status, Target};
use sandbox::Pace;

use crate::stage::Stage;

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_are_throttled_lost_or_corrupted_are_sent_again() {
    for kind in ["throttle", "server_error", "reset_before", "reset_after", "corrupt"] {
        let stage = Stage::new().await;
        stage.fault(&format!(r#"{{"operation": "PutPage", "nth": 2, "kind": "{kind}"}}"#));
        let report = stage.publish().await;
        assert_eq!(report.status, Status::Published, "{kind}: {:?}", report.error);
        assert_eq!(report.transfer.retries, 1, "{kind}");
        let content = stage.audit()["azure"]["image_versions"][0]["content"].as_str().unwrap().to_owned();
        let arrived = vhd::Image::open(stage.sandbox.content_file(&content).unwrap()).unwrap();
        assert_eq!(arrived.content().unwrap(), stage.image.content().unwrap(), "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_that_expires_in_the_middle_is_granted_again_and_nothing_is_lost() {
    let stage = Stage::new().await;
    stage.fault(r#"{"operation": "PutPage", "nth": 3, "kind": "expire"}"#);
    let report = stage.publish().await;
    assert_eq!(report.status, Status::Published, "{:?}", report.error);
    assert_eq!(
        stage.audit()["traffic"]["BeginGetAccess"]["requests"],
        2,
        "one for the start, one for what had expired"
    );
    let content = stage.audit()["azure"]["image_versions"][0]["content"].as_str().unwrap().to_owned();
    let arrived = vhd::Image::open(stage.sandbox.content_file(&content).unwrap()).unwrap();
    assert_eq!(arrived.content().unwrap(), stage.image.content().unwrap());
    assert_eq!(stage.count("open_sas"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_that_never_works_is_not_asked_for_again_and_again() {
    let stage = Stage::new().await;
    stage.fault(r#"{"operation": "PutPage", "times": 1000, "kind": "deny"}"#);
    let report = stage.publish().await;
    assert_eq!(report.error.unwrap().kind, Kind::Denied);
    assert_eq!(stage.audit()["traffic"]["BeginGetAccess"]["requests"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_is_renewed_before_it_ends() {
    let mut stage = Stage::new().await;
    // Over at once, and so renewed before every page.
    stage.config.access_minutes = Some(0);
    let refused = stage.backend().unwrap_err();
    assert_eq!(refused.to_string(), "azure.access_minutes is 0, and may be 1 to 1440");
    stage.config.access_minutes = Some(1);
    assert_eq!(stage.publish().await.status, Status::Published);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_expires_before_its_time_is_replaced() {
    for operation in ["EndGetAccess", "PutImage", "PutImageVersion", "DeleteImage", "DeleteDisk"] {
        let stage = Stage::new().await;
        stage.fault(&format!(r#"{{"operation": "{operation}", "kind": "expire"}}"#));
        let report = stage.publish().await;
        assert_eq!(report.status, Status::Published, "{operation}: {:?}", report.error);
        assert_eq!(stage.audit()["traffic"]["Token"]["requests"], 2, "{operation}");
        assert_eq!(stage.count("disks"), 0, "{operation}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_at_any_step_leaves_nothing_behind() {
    for operation in [
        "PutDisk",
        "BeginGetAccess",
        "PutPage",
        "EndGetAccess",
        "PutImage",
        "PutGallery",
        "PutImageDefinition",
        "PutImageVersion",
    ] {
        let stage = Stage::new().await;
        // All of them: one page that is denied after others got through is only taken for an access that has ended. But
        // only one end of an access, because the run's undoing ends it too.
        let times = if operation == "PutPage" { 1000 } else { 1 };
        stage.fault(&format!(r#"{{"operation": "{operation}", "times": {times}, "kind": "deny"}}"#));
        let report = stage.publish().await;
        assert_eq!(report.status, Status::Failed, "{operation}");
        assert_eq!(report.error.unwrap().kind, Kind::Denied, "{operation}");
        for kind in ["disks", "images", "image_versions", "open_sas"] {
            assert_eq!(stage.count(kind), 0, "{operation}: {kind}");
        }
        // And the way is free for the next run.
        stage.sandbox.clear_faults();
        assert_eq!(stage.publish().await.status, Status::Published, "{operation}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_never_taken_for_absent() {
    let usual = Stage::new().await;
    usual.publish().await;
    let reads = usual.requests("Read");
    assert!(reads > 8, "{reads}");
    for nth in 1..=reads {
        let stage = Stage::new().await;
        stage.publish().await;
        let version = stage.audit()["azure"]["image_versions"][0].clone();
        // Another image: were the definition or the version taken for absent, they would be made again.
        let mut stage = stage;
        stage.replace_image(&[3; 1 << 20]);
        stage.fault(&format!(r#"{{"operation": "Read", "nth": {nth}, "kind": "deny"}}"#));
        let report = stage.publish().await;
        let audit = stage.audit();
        assert_eq!(audit["azure"]["image_versions"][0], version, "{nth}: what is there stays as it is");
        if report.status == Status::Failed {
            let error = report.error.unwrap();
            assert_eq!(error.kind, Kind::Denied, "{nth}");
            // Once Azure has accepted the version, it stays, and a rerun looks after it.
            let accepted = usize::from(error.stage == Some(RunStage::Replicate));
            assert_eq!((stage.count("image_versions"), stage.count("open_sas")), (1 + accepted, 0), "{nth}");
        }
        assert_eq!(stage.requests("DeleteImageVersion"), 0, "{nth}: no version is ever deleted to make room");
    }
    // All that preflight reads, it reads before it changes anything.
    for nth in 1..=3 {
        let stage = Stage::new().await;
        stage.fault(&format!(r#"{{"operation": "Read", "nth": {nth}, "kind": "deny"}}"#));
        assert_eq!(stage.publish().await.status, Status::Failed, "{nth}");
        assert_eq!(stage.audit()["mutations"], 0, "{nth}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_makes_nothing_twice() {
    for operation in [
        "PutResourceGroup",
        "PutDisk",
        "BeginGetAccess",
        "EndGetAccess",
        "PutImage",
        "PutImageVersion",
        "DeleteImage",
        "DeleteDisk",
    ] {
        let stage = Stage::new().await;
        stage.fault(&format!(r#"{{"operation": "{operation}", "kind": "reset_after"}}"#));
        let report = stage.publish().await;
        assert_eq!(report.status, Status::Published, "{operation}: {:?}", report.error);
        for (kind, expected) in [("disks", 0), ("images", 0), ("image_versions", 1), ("open_sas", 0)] {
            assert_eq!(stage.count(kind), expected, "{operation}: {kind}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interruption_leaves_nothing_though_every_operation_takes_its_time() {
    // The page that is on its way never gets an answer: the run is still uploading when it is ended.
    let stage = Stage::paced(Pace { arm: Duration::from_millis(300), ..Pace::instant() }).await;
    stage.fault(r#"{"operation": "PutPage", "nth": 2, "kind": "stall"}"#);
    let runtime = stage.runtime();
    let pipeline = Pipeline::new(stage.backend().unwrap());
    let cancel = async {
        while stage.audit()["traffic"]["PutPage"]["requests"].as_u64().unwrap_or(0) < 2 {
            tokio::task::yield_now().await;
        }
        runtime.cancel.cancel();
    };
    let (report, ()) = tokio::join!(pipeline.publish(&runtime, &stage.image, Mode::Publish), cancel);
    assert_eq!(report.status, Status::Interrupted);
    for kind in ["disks", "images", "image_versions", "open_sas"] {
        assert_eq!(stage.count(kind), 0, "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_managed_image_of_another_is_neither_taken_nor_deleted() {
    let mut stage = Stage::new().await;
    stage.config.keep_image = Some(true);
    stage.publish().await;
    // The same definition and version in another gallery of the same resource group.
    stage.config.gallery = Some("payments".into());
    let before = stage.audit()["mutations"].clone();
    let report = stage.publish().await;
    assert_eq!(report.error.unwrap().kind, Kind::Conflict);
    assert_eq!(stage.audit()["mutations"], before);
    assert_eq!(stage.count("images"), 1);
}
