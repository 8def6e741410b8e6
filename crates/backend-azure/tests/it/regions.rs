//! Where a version is, how far, and what there is of it in each region.

use std::time::Duration;

use backend_azure::RegionConfig;
use publisher::{Mode, Status};
use sandbox::Pace;
use serde_json::json;

use crate::stage::Stage;

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
async fn another_region_is_added_to_the_version_that_is_there() {
    let mut stage = Stage::new().await;
    let first = stage.publish().await;
    stage.config.regions = Some(publisher::Names::parse("westus2,westus,eastus"));
    let second = stage.publish().await;
    assert_eq!(second.status, Status::Published, "{:?}", second.error);
    assert_eq!(first.resources, second.resources);
    assert_eq!(stage.count("image_versions"), 1);
    assert_eq!(second.regions.len(), 3);
    assert_eq!(stage.requests("BeginGetAccess"), 1, "nothing is uploaded again");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_failed_region_is_reported_and_a_rerun_tries_it_alone() {
    let stage = Stage::new().await;
    stage.fault(r#"{"operation": "Replicate", "region": "westus", "kind": "server_error"}"#);
    let first = stage.publish().await;
    assert_eq!(first.status, Status::Partial, "{:?}", first.error);
    let failed = first.regions.iter().find(|region| region.status == "failed").unwrap();
    assert_eq!(failed.region, "westus");
    assert!(failed.error.as_ref().unwrap().message.contains("Not enough capacity"), "Azure's own words");

    let second = stage.publish().await;
    assert_eq!(second.status, Status::Published, "{:?}", second.error);
    assert_eq!(stage.count("image_versions"), 1);
    assert_eq!(stage.requests("BeginGetAccess"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_regions_percentage_is_told_as_it_grows() {
    // Replication takes an hour on the sandbox's clock, which only the test moves.
    let stage = Stage::paced(Pace { replication: Duration::from_secs(3600), ..Pace::instant() }).await;
    let (report, seen) = stage
        .watched(async || {
            while stage.count("image_versions") == 0 {
                tokio::task::yield_now().await;
            }
            for _ in 0..4 {
                let looks = stage.requests("Read");
                while stage.requests("Read") < looks + 2 {
                    tokio::task::yield_now().await;
                }
                stage.sandbox.advance(Duration::from_secs(1800));
            }
        })
        .await;
    assert_eq!(report.status, Status::Published, "{:?}", report.error);
    let of =
        |name: &str| seen.iter().filter(|(region, _)| region == name).map(|(_, percent)| *percent).collect::<Vec<_>>();
    for region in ["westus2", "westus"] {
        let percentages = of(region);
        assert!(percentages.is_sorted() && percentages.last() == Some(&100), "{region}: {percentages:?}");
        assert!(percentages.iter().any(|percent| (1..100).contains(percent)), "{region}: {percentages:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_does_not_wait_ends_when_the_version_is_accepted_and_status_looks_again() {
    let stage = Stage::paced(Pace { replication: Duration::from_secs(3600), ..Pace::instant() }).await;
    let accepted = stage.run(Mode::Submit).await;
    assert_eq!(accepted.status, Status::Pending, "{:?}", accepted.error);
    assert_eq!(
        accepted.regions.iter().map(|region| (region.region.as_str(), region.status)).collect::<Vec<_>>(),
        [("westus2", "pending"), ("westus", "pending")]
    );
    assert_eq!((stage.count("disks"), stage.count("open_sas")), (0, 0));
    assert_eq!(stage.count("images"), 1, "Azure copies from it");

    // The second region takes half as long again.
    let mutations = stage.audit()["mutations"].clone();
    stage.sandbox.advance(Duration::from_secs(1800));
    let halfway = stage.status().await;
    assert_eq!(halfway.status, Status::Pending, "{:?}", halfway.error);
    assert_eq!(halfway.regions.iter().map(|region| region.percent).collect::<Vec<_>>(), [Some(50), Some(33)]);
    stage.sandbox.advance(Duration::from_secs(1800));
    let later = stage.status().await;
    assert_eq!(later.regions.iter().map(|region| region.status).collect::<Vec<_>>(), ["available", "pending"]);
    stage.sandbox.advance(Duration::from_secs(1800));
    let done = stage.status().await;
    assert_eq!((done.status, &done.resources), (Status::Unchanged, &accepted.resources));
    assert_eq!(stage.audit()["mutations"], mutations, "looking changes nothing");

    // The run that finds it everywhere takes away what it was copied from.
    assert_eq!(stage.publish().await.status, Status::Unchanged);
    assert_eq!((stage.count("images"), stage.count("image_versions")), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_does_not_wait_leaves_the_disk_that_a_version_is_made_from() {
    let mut stage = Stage::paced(Pace { replication: Duration::from_secs(3600), ..Pace::instant() }).await;
    (stage.config.architecture, stage.config.generation) = (Some("Arm64".into()), Some("V2".into()));
    assert_eq!(stage.run(Mode::Submit).await.status, Status::Pending);
    assert_eq!((stage.count("disks"), stage.count("image_versions")), (1, 1));
    // The first region has it; the second is on its way, and the disk stays for its sake.
    stage.sandbox.advance(Duration::from_secs(3600));
    assert_eq!(stage.run(Mode::Submit).await.status, Status::Pending);
    assert_eq!(stage.count("disks"), 1);
    stage.sandbox.advance(Duration::from_secs(3600));
    assert_eq!(stage.run(Mode::Submit).await.status, Status::Unchanged);
    assert_eq!(stage.count("disks"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_is_added_waits_for_those_that_are_on_their_way() {
    let mut stage = Stage::paced(Pace { replication: Duration::from_secs(3600), ..Pace::instant() }).await;
    stage.config.regions = Some(publisher::Names::parse("westus2"));
    assert_eq!(stage.run(Mode::Submit).await.status, Status::Pending);
    stage.config.regions = Some(publisher::Names::parse("westus2,eastus"));
    let versions = stage.requests("PutImageVersion");
    let later = stage.run(Mode::Submit).await;
    assert_eq!((later.status, stage.requests("PutImageVersion")), (Status::Pending, versions), "one at a time");
    stage.sandbox.advance(Duration::from_secs(3600));
    assert_eq!(stage.run(Mode::Submit).await.status, Status::Pending);
    assert_eq!(stage.requests("PutImageVersion"), versions + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_that_is_refused_is_not_the_end_of_the_operation() {
    // The identity may not look at operations from here on: the version itself says how far it is.
    let stage = Stage::paced(Pace { replication: Duration::from_secs(3600), ..Pace::instant() }).await;
    let (report, _) = stage
        .watched(async || {
            while stage.count("image_versions") == 0 {
                tokio::task::yield_now().await;
            }
            stage.fault(r#"{"operation": "PollOperation", "times": 1000, "kind": "deny"}"#);
            let looks = stage.requests("PollOperation");
            while stage.requests("PollOperation") < looks + 2 {
                tokio::task::yield_now().await;
            }
            stage.sandbox.advance(Duration::from_secs(7200));
            while stage.requests("Read") < 1 {
                tokio::task::yield_now().await;
            }
        })
        .await;
    assert_eq!(report.status, Status::Published, "{:?}", report.error);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_otherwise_than_configured_is_said_and_not_changed() {
    let mut stage = Stage::new().await;
    stage.publish().await;
    stage.config.replicas = Some(3);
    stage.config.end_of_life = Some("2099-01-31".into());
    let before = stage.audit()["mutations"].clone();
    let (report, warnings) = stage.warned().await;
    assert_eq!(report.status, Status::Unchanged, "{:?}", report.error);
    assert_eq!(
        warnings,
        [
            "endOfLifeDate is null, the configuration says \"2099-01-31T00:00:00Z\"; a version that is there is not changed",
            "regionalReplicaCount in westus2 is 1, the configuration says 3; a version that is there is not changed",
            "regionalReplicaCount in westus is 1, the configuration says 3; a version that is there is not changed",
        ]
    );
    assert_eq!(stage.audit()["mutations"], before);
}

#[tokio::test(flavor = "multi_thread")]
async fn status_says_what_failed_and_what_is_not_there() {
    let mut stage = Stage::new().await;
    let error = stage.status().await.error.unwrap();
    assert_eq!(error.message, "there is no version of ecs-node");
    stage.fault(r#"{"operation": "Replicate", "region": "westus", "kind": "server_error"}"#);
    stage.publish().await;
    let report = stage.status().await;
    assert_eq!(report.status, Status::Partial);
    assert!(report.regions[1].error.as_ref().unwrap().message.contains("Not enough capacity"));
    stage.config.regions = Some(publisher::Names::parse("westus2,eastus"));
    let elsewhere = stage.status().await;
    let missing = elsewhere.regions.iter().find(|region| region.region == "eastus").unwrap();
    assert_eq!(missing.error.as_ref().unwrap().message, "the version is not in eastus");
    stage.spec.version = Some("7.0.0".into());
    assert_eq!(stage.status().await.error.unwrap().message, "there is no version 7.0.0 of ecs-node");
}
