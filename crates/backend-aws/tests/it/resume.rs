//! An upload that was cut off goes on where it was, and two machines with the same image make one AMI.

use std::{fs::File, os::unix::fs::FileExt, sync::Arc};

use backend_aws::Route;
use publisher::{Kind, Mode, Pipeline, Runtime, Silent, Status, Target};
use sandbox::Cut;
use vhd::Image;

use crate::{
    stage::{BOTH, HOME, OTHER, Stage},
    trials::{DEADLINE, Subject, let_go},
};

/// The operation that carries the image, how often it is asked for, how often it may be on its way by the middle, and the
/// MiB of image that take as many.
fn carrier(route: Route) -> (&'static str, u64, u64, u64) {
    match route {
        Route::S3 => ("s3:UploadPart", 49, 12, 240),
        Route::Ebs => ("ebs:PutSnapshotBlock", 480, 96, 240),
    }
}

/// A stage with an image without a hole.
async fn stage(route: Route) -> Stage {
    let mut stage = Stage::new(route).await;
    stage.image = image(&stage, route, 7);
    stage
}

fn image(stage: &Stage, route: Route, byte: u8) -> Arc<Image> {
    let path = stage.dir.path().join(format!("dense-{byte}.raw"));
    std::fs::write(&path, vec![byte; (carrier(route).3 << 20) as usize]).unwrap();
    Arc::new(Image::open(path).unwrap())
}

fn requests(stage: &Stage, operation: &str) -> u64 {
    stage.audit()["traffic"][operation]["requests"].as_u64().unwrap_or(0)
}

/// Kills a run when half of the image has been sent; how many requests with it have come to AWS by then.
async fn killed(stage: &Stage, route: Route) -> u64 {
    let (operation, total, ..) = carrier(route);
    let reached = stage.sandbox.cut(Cut::before(operation, total / 2));
    tokio::select! {
        biased;
        Ok(()) = reached => requests(stage, operation),
        report = stage.publish() => panic!("{:?} {:?}", report.status, report.error),
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_is_sent_again_than_was_on_its_way() {
    for (route, keeps_journal) in [(Route::S3, true), (Route::S3, false), (Route::Ebs, true)] {
        let stage = stage(route).await;
        let (_, total, window, _) = carrier(route);
        let sent = killed(&stage, route).await;
        let_go(&stage.state_dir(), keeps_journal).await;
        let report = stage.publish().await;
        assert_eq!(report.status, Status::Published, "{:?}", report.error);
        let more = report.transfer.requests;
        assert!(more <= total - sent + window, "{route:?}: {more} after {sent} of {total}");
        assert!(more < total, "{route:?}: {more}");
        let snapshot = &stage.list(HOME, "snapshots")[0];
        let arrived = stage.sandbox.content_file(snapshot["content"].as_str().unwrap()).unwrap();
        assert_eq!(Image::open(arrived).unwrap().content().unwrap(), stage.image.content().unwrap());
        assert_eq!((stage.list(HOME, "snapshots").len(), stage.due()), (1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn other_content_does_not_go_on_from_there() {
    for route in BOTH {
        let mut stage = stage(route).await;
        killed(&stage, route).await;
        let_go(&stage.state_dir(), true).await;
        let run = publisher::runs(&stage.state_dir()).unwrap()[0].run.clone();
        stage.image = image(&stage, route, 8);
        stage.spec.version = Some("1.0.1".into());
        let report = stage.publish().await;
        assert_eq!(report.status, Status::Published, "{:?}", report.error);
        assert_eq!(report.transfer.requests, carrier(route).1, "all of it is sent");
        assert_eq!(stage.clean_up(&run).await.left, 0);
        assert_eq!((stage.list(HOME, "snapshots").len(), stage.list(HOME, "uploads").len()), (1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_that_changes_under_the_run_is_never_registered() {
    for (route, is_cut_short) in BOTH.into_iter().flat_map(|route| [(route, false), (route, true)]) {
        let stage = stage(route).await;
        stage.image.content().unwrap();
        let path = stage.image.path();
        let file = File::options().write(true).open(&path).unwrap();
        let before = file.metadata().unwrap().modified().unwrap();
        match is_cut_short {
            true => file.set_len(20 << 20).unwrap(),
            // Where one part ends and the next begins, so that neither has the whole block.
            false => file.write_all_at(&[9; 3 << 10], (5 << 20) - (3 << 10)).unwrap(),
        }
        // Whatever the file says of when it was written to.
        file.set_modified(before).unwrap();
        let error = stage.publish().await.error.unwrap();
        assert_eq!(error.kind, Kind::Image, "{route:?} {error:?}");
        let said = [vec![error.message], error.causes].concat().join(": ");
        assert!(said.contains(&format!("{} has changed while it was", path.display())), "{said}");
        stage.assert_empty("a file that has changed");
    }
}

/// Two machines, each with a journal of its own, publish the same image at the same time: nothing of the first is answered
/// until the second has come as far.
#[tokio::test(start_paused = true)]
async fn two_machines_make_one_ami() {
    for route in BOTH {
        let usual = Stage::new(route).await;
        usual.publish().await;
        let (operation, ..) = carrier(route);
        for also in [None, Some("ec2:RegisterImage")] {
            let stage = Stage::new(route).await;
            let held = if also.is_some() { 2 } else { requests(&usual, operation).min(4) + 1 };
            let gathered = also.unwrap_or(operation);
            stage.fault(&format!(r#"{{"operation": "{gathered}", "times": {held}, "kind": "gather"}}"#));
            let elsewhere = Runtime::new(Arc::new(Silent), Some(stage.dir.path().join("elsewhere")));
            let first = async { stage.publish().await };
            let second = async {
                let comes = async {
                    while requests(&stage, gathered) < held - 1 {
                        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                    }
                };
                tokio::time::timeout(DEADLINE, comes).await.expect("the first ended before it");
                let pipeline = Pipeline::new(stage.backend().await.unwrap());
                pipeline.publish(&elsewhere, &stage.image, Mode::Publish).await
            };
            let (first, second) = tokio::join!(first, second);
            let what = format!("{route:?} {also:?}: {:?} {:?}", first.error, second.error);
            assert!(matches!(second.status, Status::Published | Status::Unchanged), "{what}");
            match &first.error {
                // Through EBS direct nothing of an upload can be shared: the second begins anew, and says so to the first.
                Some(error) if route == Route::Ebs && also.is_none() => {
                    let said = [vec![error.message.clone()], error.causes.clone()].concat().join(": ");
                    assert!(said.contains("publishes the same image, and has deleted the snapshot"), "{what}");
                }
                error => assert!(error.is_none(), "{what}"),
            }
            for region in [HOME, OTHER] {
                assert_eq!(
                    (stage.list(region, "images").len(), stage.list(region, "snapshots").len()),
                    (1, 1),
                    "{what}"
                );
            }
            assert_eq!(stage.list(HOME, "s3_objects").len() + stage.list(HOME, "uploads").len(), 0, "{what}");
        }
    }
}
