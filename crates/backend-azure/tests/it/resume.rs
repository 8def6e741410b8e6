//! An upload that was cut off goes on where it was.

use std::{fs::File, os::unix::fs::FileExt, sync::Arc};

use publisher::{Kind, Status};
use sandbox::Cut;
use vhd::Image;

use crate::{
    stage::Stage,
    trials::{Subject, let_go},
};

/// Pages that are a request each.
const PAGES: u64 = 240;
/// How many may be on their way by then.
const WINDOW: u64 = 64;

/// A stage with an image of so many pages, each in a mebibyte of its own.
async fn stage() -> Stage {
    let mut stage = Stage::new().await;
    stage.image = image(&stage, 7);
    stage
}

fn image(stage: &Stage, byte: u8) -> Arc<Image> {
    let path = stage.dir.path().join(format!("pages-{byte}.raw"));
    let file = File::create(&path).unwrap();
    file.set_len(PAGES << 20).unwrap();
    for page in 0..PAGES {
        file.write_all_at(&[byte; 4096], page << 20).unwrap();
    }
    Arc::new(Image::open(path).unwrap())
}

/// Kills a run at its two hundredth page; how many Azure has by then.
async fn killed(stage: &Stage) -> u64 {
    killed_before(stage, "PutPage", 200).await;
    stage.requests("PutPage")
}

async fn killed_before(stage: &Stage, operation: &str, nth: u64) {
    let reached = stage.sandbox.cut(Cut::before(operation, nth));
    tokio::select! {
        biased;
        Ok(()) = reached => {}
        report = stage.publish() => panic!("{:?} {:?}", report.status, report.error),
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_is_sent_again_than_was_on_its_way() {
    for keeps_journal in [true, false] {
        let stage = stage().await;
        let sent = killed(&stage).await;
        let_go(&stage.state_dir(), keeps_journal).await;
        let report = stage.publish().await;
        assert_eq!(report.status, Status::Published, "{:?}", report.error);
        let more = report.transfer.requests;
        // The footer is a page too.
        assert!(more <= PAGES + 1 - sent + WINDOW, "{more} after {sent}, with its journal: {keeps_journal}");
        let read = stage.requests("GetBlob");
        assert_eq!(read > WINDOW, !keeps_journal, "{read}: what the journal tells need not be read back");
        assert_eq!(stage.content_of("image_versions").content().unwrap(), stage.image.content().unwrap());
        assert_eq!((stage.count("disks"), stage.count("open_sas"), stage.due()), (0, 0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_back_is_cleared_and_sent_again() {
    let stage = stage().await;
    killed(&stage).await;
    let_go(&stage.state_dir(), false).await;
    stage.fault(r#"{"operation": "GetBlob", "times": 1000, "kind": "deny"}"#);
    let report = stage.publish().await;
    assert_eq!(report.status, Status::Published, "{:?}", report.error);
    assert_eq!((report.transfer.requests, stage.requests("ClearPage") >= 136), (PAGES + 1, true));
    assert_eq!(stage.content_of("image_versions").content().unwrap(), stage.image.content().unwrap());
}

#[tokio::test(start_paused = true)]
async fn other_content_does_not_go_on_from_there() {
    let mut stage = stage().await;
    killed(&stage).await;
    let_go(&stage.state_dir(), true).await;
    let run = publisher::runs(&stage.state_dir()).unwrap()[0].run.clone();
    stage.image = image(&stage, 8);
    let report = stage.publish().await;
    assert_eq!(report.status, Status::Published, "{:?}", report.error);
    assert_eq!(report.transfer.requests, PAGES + 1, "all of it is sent");
    assert_eq!(stage.content_of("image_versions").content().unwrap(), stage.image.content().unwrap());
    assert_eq!(stage.clean_up(&run).await.left, 0);
    assert_eq!((stage.count("disks"), stage.count("open_sas")), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_file_that_changes_under_the_run_is_never_registered() {
    for is_cut_short in [false, true] {
        let stage = stage().await;
        stage.image.content().unwrap();
        let path = stage.image.path();
        let file = File::options().write(true).open(&path).unwrap();
        let before = file.metadata().unwrap().modified().unwrap();
        match is_cut_short {
            true => file.set_len(20 << 20).unwrap(),
            false => file.write_all_at(&[9; 100], 40 << 20).unwrap(),
        }
        // Whatever the file says of when it was written to.
        file.set_modified(before).unwrap();
        let error = stage.publish().await.error.unwrap();
        assert_eq!(error.kind, Kind::Image, "{error:?}");
        let said = [vec![error.message], error.causes].concat().join(": ");
        assert!(said.ends_with(&format!("{} has changed while it was read", path.display())), "{said}");
        for kind in ["disks", "images", "image_versions", "open_sas"] {
            assert_eq!(stage.count(kind), 0, "{kind}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_taken_over_is_made_anew() {
    // In the middle of the upload; when the disk is whole and closed; when the managed image is there.
    for (operation, nth, taken, pages) in [
        ("PutPage", 200, "PutDisk", PAGES + 1),
        ("PutImage", 1, "PutDisk", PAGES + 1),
        ("PutImageVersion", 1, "PutImage", 0),
    ] {
        let stage = stage().await;
        killed_before(&stage, operation, nth).await;
        let_go(&stage.state_dir(), true).await;
        stage.fault(&format!(r#"{{"operation": "{taken}", "kind": "corrupt"}}"#));
        let report = stage.publish().await;
        assert_eq!(report.status, Status::Published, "{operation}: {:?}", report.error);
        assert_eq!(report.transfer.requests, pages, "{operation}");
        assert_eq!(stage.content_of("image_versions").content().unwrap(), stage.image.content().unwrap());
        let left = ["disks", "images", "open_sas"].map(|kind| stage.count(kind));
        assert_eq!((left, stage.due()), ([0; 3], 0), "{operation}");
    }
}
