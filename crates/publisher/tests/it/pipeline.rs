use std::{path::Path, sync::Arc, time::Duration};

use publisher::{Cleanup, Kind, Mode, Pipeline, Runtime, Silent, Stage, Status, Target, TargetReport};
use tempfile::TempDir;
use vhd::Image;

use crate::scripted::Scripted;

fn image(dir: &Path) -> Arc<Image> {
    let path = dir.join("disk.raw");
    std::fs::write(&path, [1; 4096]).unwrap();
    Arc::new(Image::open(path).unwrap())
}

fn runtime(dir: &Path) -> Runtime {
    Runtime::new(Arc::new(Silent), Some(dir.join("state")))
}

async fn publish(backend: &Scripted, dir: &Path) -> TargetReport {
    Pipeline::new(backend.clone()).publish(&runtime(dir), &image(dir), Mode::Publish).await
}

fn things(backend: &Scripted) -> Vec<String> {
    backend.cloud.lock().unwrap().things.iter().cloned().collect()
}

#[tokio::test]
async fn a_success_leaves_what_was_registered_and_no_intermediate() {
    let dir = TempDir::new().unwrap();
    let backend = Scripted::default();
    let report = publish(&backend, dir.path()).await;
    assert_eq!(report.status, Status::Published);
    assert_eq!(things(&backend), ["import", "register"]);
    assert_eq!(backend.cloud.lock().unwrap().log, ["undo upload"]);
}

#[tokio::test]
async fn a_failure_of_any_stage_takes_everything_back_newest_first() {
    for (stage, log) in [
        (Stage::Upload, &["undo upload"][..]),
        (Stage::Import, &["undo import", "undo upload"]),
        (Stage::Register, &["undo register", "undo import", "undo upload"]),
    ] {
        for after_the_act in [false, true] {
            let dir = TempDir::new().unwrap();
            let backend = Scripted { fail: Some((stage, after_the_act)), ..Scripted::default() };
            let report = publish(&backend, dir.path()).await;
            assert_eq!(report.status, Status::Failed);
            assert_eq!(report.error.unwrap().stage, Some(stage));
            assert_eq!(things(&backend), [""; 0], "{stage}");
            assert_eq!(backend.cloud.lock().unwrap().log, log, "{stage}");
        }
    }
}

#[tokio::test]
async fn a_failure_that_is_to_be_looked_at_leaves_what_was_made_for_the_next_run_to_take_back() {
    let dir = TempDir::new().unwrap();
    let backend = Scripted { fail: Some((Stage::Register, true)), ..Scripted::default() };
    let mut keeping = runtime(dir.path());
    keeping.keep = true;
    let report = Pipeline::new(backend.clone()).publish(&keeping, &image(dir.path()), Mode::Publish).await;
    assert_eq!(report.status, Status::Failed);
    assert_eq!(things(&backend), ["import", "register"], "what only the upload needed is gone");
    let next = Scripted { fail: None, ..backend.clone() };
    assert_eq!(publish(&next, dir.path()).await.status, Status::Published);
    assert_eq!(next.cloud.lock().unwrap().log[..3], ["undo upload", "undo register", "undo import"]);
}

#[tokio::test]
async fn a_failed_region_takes_nothing_back() {
    let dir = TempDir::new().unwrap();
    let backend = Scripted { fail: Some((Stage::Replicate, false)), ..Scripted::default() };
    let report = publish(&backend, dir.path()).await;
    assert_eq!(report.status, Status::Failed, "the only region there is");
    assert_eq!(report.regions[0].error.as_ref().unwrap().message, "no room in here");
    assert_eq!(things(&backend), ["import", "register"]);
}

#[tokio::test(start_paused = true)]
async fn an_undo_that_fails_is_tried_again() {
    let dir = TempDir::new().unwrap();
    let fail = Some((Stage::Import, true));
    let backend = Scripted { fail, undo_stutters: true, ..Scripted::default() };
    assert_eq!(publish(&backend, dir.path()).await.status, Status::Failed);
    assert_eq!(things(&backend), [""; 0]);
    assert_eq!(backend.cloud.lock().unwrap().log, ["undo import", "undo import", "undo upload", "undo upload"]);
}

#[tokio::test(start_paused = true)]
async fn an_interruption_takes_everything_back() {
    for stage in [Stage::Upload, Stage::Import, Stage::Register] {
        let dir = TempDir::new().unwrap();
        let backend = Scripted { hang: Some(stage), ..Scripted::default() };
        let (runtime, image) = (runtime(dir.path()), image(dir.path()));
        let pipeline = Pipeline::new(backend.clone());
        let cancel = async {
            // The stage hangs only after it has made its thing.
            while !things(&backend).contains(&stage.to_string()) {
                tokio::task::yield_now().await;
            }
            runtime.cancel.cancel();
        };
        let (report, ()) = tokio::join!(pipeline.publish(&runtime, &image, Mode::Publish), cancel);
        assert_eq!(report.status, Status::Interrupted);
        assert_eq!(report.error.unwrap().kind, Kind::Cancelled);
        assert_eq!(things(&backend), [""; 0], "{stage}");
    }
}

#[tokio::test]
async fn what_a_killed_run_left_is_taken_back_by_the_next() {
    for stage in [Stage::Upload, Stage::Import, Stage::Register] {
        let dir = TempDir::new().unwrap();
        let backend = Scripted { hang: Some(stage), ..Scripted::default() };
        let (runtime, image) = (runtime(dir.path()), image(dir.path()));
        {
            let pipeline = Pipeline::new(backend.clone());
            let run = pipeline.publish(&runtime, &image, Mode::Publish);
            let killed = async {
                while !things(&backend).contains(&stage.to_string()) {
                    tokio::task::yield_now().await;
                }
            };
            // The future is dropped where it stands, as a kill would: nothing unwinds.
            tokio::select! { biased; () = killed => {}, _ = run => panic!("it hangs") }
        }
        assert!(!things(&backend).is_empty());
        let next = Scripted { hang: None, ..backend.clone() };
        let report = publish(&next, dir.path()).await;
        assert_eq!(report.status, Status::Published, "{stage}: {:?}", report.error);
        assert_eq!(things(&next), ["import", "register"]);
        let undone_first = next.cloud.lock().unwrap().log[0].clone();
        assert_eq!(undone_first, format!("undo {stage}"), "the newest of the killed run");
    }
}

#[tokio::test]
async fn what_a_killed_run_left_can_be_taken_back_alone() {
    let dir = TempDir::new().unwrap();
    let backend = Scripted { hang: Some(Stage::Register), ..Scripted::default() };
    let pipeline = Pipeline::new(backend.clone());
    let (runtime, image) = (runtime(dir.path()), image(dir.path()));
    let key = {
        let run = pipeline.publish(&runtime, &image, Mode::Publish);
        let hangs = async {
            while !things(&backend).contains(&"register".to_owned()) {
                tokio::task::yield_now().await;
            }
            let key = publisher::runs(&dir.path().join("state")).unwrap()[0].run.clone();
            let error = Pipeline::new(backend.clone()).clean_up(&runtime, &key).await.unwrap_err();
            assert_eq!(error.kind(), Kind::Conflict, "it is still under way");
            key
        };
        tokio::select! { biased; key = hangs => key, _ = run => panic!("it hangs") }
    };
    assert_eq!(pipeline.clean_up(&runtime, &key).await.unwrap(), Cleanup { undone: 3, left: 0 });
    assert_eq!(things(&backend), [""; 0]);
    assert_eq!(backend.cloud.lock().unwrap().log, ["undo register", "undo import", "undo upload"]);
    let other = publisher::RunKey::new([("x", "y".to_owned())]);
    assert_eq!(pipeline.clean_up(&runtime, &other).await.unwrap_err().kind(), Kind::NotFound);
}

/// The key of a run that was killed while it registered.
async fn killed(backend: &Scripted, dir: &Path) -> publisher::RunKey {
    let hanging = Scripted { hang: Some(Stage::Register), ..backend.clone() };
    let pipeline = Pipeline::new(hanging);
    let (runtime, image) = (runtime(dir), image(dir));
    let run = pipeline.publish(&runtime, &image, Mode::Publish);
    let hangs = async {
        while !things(backend).contains(&"register".to_owned()) {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! { biased; () = hangs => {}, _ = run => panic!("it hangs") }
    publisher::runs(&dir.join("state")).unwrap()[0].run.clone()
}

#[tokio::test]
async fn an_image_that_others_have_published_by_now_is_not_taken_back() {
    let dir = TempDir::new().unwrap();
    let backend = Scripted { is_published: true, ..Scripted::default() };
    let key = killed(&backend, dir.path()).await;
    let cleaned = Pipeline::new(backend.clone()).clean_up(&runtime(dir.path()), &key).await.unwrap();
    assert_eq!(cleaned, Cleanup { undone: 1, left: 0 });
    assert_eq!(things(&backend), ["import", "register"], "what was needed on the way alone has gone");
    assert_eq!(publisher::runs(&dir.path().join("state")).unwrap()[0].state, publisher::PastState::CutOff);
}

#[tokio::test]
async fn what_was_done_in_one_place_is_not_taken_back_in_another() {
    let dir = TempDir::new().unwrap();
    let backend = Scripted { place: "here".into(), ..Scripted::default() };
    let key = killed(&backend, dir.path()).await;
    let elsewhere = Scripted { place: "elsewhere".into(), ..backend.clone() };
    let error = Pipeline::new(elsewhere).clean_up(&runtime(dir.path()), &key).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Config);
    assert_eq!(things(&backend), ["import", "register", "upload"]);
}

#[tokio::test]
async fn a_run_that_fails_its_checks_leaves_no_trace() {
    let dir = TempDir::new().unwrap();
    let backend = Scripted { fail: Some((Stage::Preflight, false)), ..Scripted::default() };
    assert_eq!(publish(&backend, dir.path()).await.status, Status::Failed);
    let journals = std::fs::read_dir(dir.path().join("state/runs")).unwrap();
    assert!(journals.map(|entry| entry.unwrap().metadata().unwrap().len()).all(|length| length == 0));
}

#[tokio::test]
async fn a_journal_that_cannot_be_written_stops_the_run_before_it_begins() {
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("state"), "a file where a folder has to be").unwrap();
    let backend = Scripted::default();
    let report = publish(&backend, dir.path()).await;
    assert_eq!(report.status, Status::Failed);
    assert_eq!(report.error.unwrap().kind, Kind::Local);
    assert_eq!(things(&backend), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_not_over_in_time_is_taken_back() {
    for stage in [Stage::Upload, Stage::Import, Stage::Register] {
        let dir = TempDir::new().unwrap();
        let backend = Scripted { hang: Some(stage), ..Scripted::default() };
        let mut runtime = runtime(dir.path());
        runtime.deadline = Some(Duration::from_secs(5400));
        let began = tokio::time::Instant::now();
        let pipeline = Pipeline::new(backend.clone());
        let report = pipeline.publish(&runtime, &image(dir.path()), Mode::Publish).await;
        let error = report.error.unwrap();
        assert_eq!((report.status, error.kind), (Status::Failed, Kind::TimedOut), "{stage}");
        assert_eq!(error.message, "the run was not over after 5400 seconds");
        assert!(error.hint.unwrap().contains("--deadline"));
        let took = began.elapsed().as_secs();
        assert!((5400..5500).contains(&took), "{took}");
        assert_eq!(things(&backend), [""; 0], "{stage}");
        assert!(runtime.begun.runs().is_empty(), "and there is nothing to be named any more");
    }
}

#[tokio::test]
async fn a_run_that_was_killed_is_gone_on_with_where_its_backend_can() {
    let dir = TempDir::new().unwrap();
    let backend = Scripted { resumes: Some("upload".into()), ..Scripted::default() };
    killed(&backend, dir.path()).await;
    let report = publish(&backend, dir.path()).await;
    assert_eq!(report.status, Status::Published, "{:?}", report.error);
    let log = backend.cloud.lock().unwrap().log.clone();
    assert_eq!(log, ["undo register", "undo import", "undo upload"], "what is not gone on with, and at last what is");
    assert_eq!(publisher::runs(&dir.path().join("state")).unwrap()[0].due, 0);
}

#[tokio::test]
async fn a_run_that_fails_its_checks_takes_back_nothing_of_one_that_was_killed() {
    let dir = TempDir::new().unwrap();
    let backend = Scripted::default();
    killed(&backend, dir.path()).await;
    let unable = Scripted { fail: Some((Stage::Preflight, false)), ..backend.clone() };
    assert_eq!(publish(&unable, dir.path()).await.status, Status::Failed);
    assert_eq!(things(&backend), ["import", "register", "upload"], "the next run can go on from there");
    assert_eq!(publisher::runs(&dir.path().join("state")).unwrap()[0].due, 3);
}

#[tokio::test]
async fn a_second_run_on_the_same_machine_says_who_is_at_it() {
    let dir = TempDir::new().unwrap();
    let backend = Scripted { hang: Some(Stage::Register), ..Scripted::default() };
    let pipeline = Pipeline::new(backend.clone());
    let (runtime, image) = (runtime(dir.path()), image(dir.path()));
    let run = pipeline.publish(&runtime, &image, Mode::Publish);
    let second = async {
        while !things(&backend).contains(&"register".to_owned()) {
            tokio::task::yield_now().await;
        }
        publish(&backend, dir.path()).await
    };
    let report = tokio::select! { biased; report = second => report, _ = run => panic!("it hangs") };
    let error = report.error.unwrap();
    assert_eq!(error.kind, Kind::Conflict);
    let who = format!("process {} on ", std::process::id());
    assert!(error.message.starts_with(&who) && error.message.contains(", since 20"), "{}", error.message);
    assert_eq!(things(&backend), ["import", "register", "upload"], "and does nothing");
}

#[tokio::test]
async fn a_run_that_is_gone_on_with_has_to_be_the_same() {
    let dir = TempDir::new().unwrap();
    let backend = Scripted::default();
    let key = killed(&backend, dir.path()).await;
    let mut runtime = runtime(dir.path());
    runtime.resumes = Some(key.clone());
    let path = dir.path().join("disk.raw");
    std::fs::write(&path, [2; 4096]).unwrap();
    let other = Arc::new(Image::open(path).unwrap());
    let report = Pipeline::new(backend.clone()).publish(&runtime, &other, Mode::Publish).await;
    let error = report.error.unwrap();
    assert_eq!(error.kind, Kind::Image);
    assert!(error.message.contains(&format!("is not what run {key} published")), "{}", error.message);
    let same = image(dir.path());
    assert_eq!(Pipeline::new(backend).publish(&runtime, &same, Mode::Publish).await.status, Status::Published);
}

#[tokio::test(start_paused = true)]
async fn an_image_that_a_killed_run_registered_is_not_taken_back_by_one_that_finds_it_and_is_interrupted() {
    let dir = TempDir::new().unwrap();
    let backend = Scripted::default();
    killed(&backend, dir.path()).await;
    let finding = Scripted { is_found: true, ..backend.clone() };
    let mut runtime = runtime(dir.path());
    runtime.deadline = Some(Duration::from_secs(60));
    let report = Pipeline::new(finding).publish(&runtime, &image(dir.path()), Mode::Publish).await;
    assert_eq!(report.error.unwrap().kind, Kind::TimedOut);
    assert_eq!(things(&backend), ["import", "register"], "only what was needed on the way has gone");
}
