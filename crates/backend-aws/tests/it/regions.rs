//! The AMI in every region: what it is there, and which regions have to have it.

use std::sync::Arc;

use backend_aws::{RegionConfig, Route};
use publisher::{CloudName, Event, Kind, Mode, Names, Pipeline, Reporter, Runtime, Status, Target};
use tokio::sync::mpsc;

use crate::stage::{HOME, OTHER, Stage};

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_is_not_what_it_was_copied_from_is_a_failure() {
    let stage = Stage::new(Route::Ebs).await;
    stage.fault(r#"{"operation": "Alter", "region": "eu-west-1", "kind": "corrupt"}"#);
    let report = stage.publish().await;
    assert_eq!(report.status, Status::Partial, "{:?}", report.error);
    let failed = report.regions.iter().find(|region| region.region == OTHER).unwrap();
    let error = failed.error.as_ref().unwrap();
    assert!(error.message.ends_with("is not what it was copied from: IMDS support is optional, was v2.0"), "{error:?}");
    // It is looked at again by every run, and stays a failure while it is there.
    assert_eq!(stage.publish().await.status, Status::Partial);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_region_says_which_ami_is_there_all_the_same() {
    let stage = Stage::new(Route::Ebs).await;
    stage.fault(r#"{"operation": "Alter", "region": "eu-west-1", "kind": "corrupt"}"#);
    let report = stage.publish().await;
    let failed = report.regions.iter().find(|region| region.region == OTHER).unwrap();
    assert_eq!(failed.id.as_deref(), stage.list(OTHER, "images")[0]["id"].as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_partition_has_its_own_regions_and_no_others() {
    let mut stage = Stage::new(Route::Ebs).await;
    stage.config.regions = Some(Names::parse("us-gov-west-1,us-gov-east-1"));
    let report = stage.publish().await;
    assert_eq!(report.status, Status::Published, "{:?}", report.error);
    assert_eq!(stage.list("us-gov-east-1", "images").len(), 1);
    assert!(stage.audit()["aws"][HOME]["callers"].is_null(), "nobody else was asked");
    stage.config.regions = Some(Names::parse("us-gov-west-1,us-east-1"));
    let error = stage.publish().await.error.unwrap();
    assert_eq!(error.message, "us-east-1 is in the partition aws, and us-gov-west-1 in aws-us-gov");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_with_another_key_than_is_configured_is_a_failure() {
    let mut stage = Stage::new(Route::Ebs).await;
    stage.config.encrypted = Some(true);
    assert_eq!(stage.publish().await.status, Status::Published);
    let key = Some("arn:aws:kms:eu-west-1:123456789012:key/ours".to_owned());
    stage.config.per_region.insert(OTHER.into(), RegionConfig { kms_key: key, ..RegionConfig::default() });
    let report = stage.publish().await;
    assert_eq!(report.status, Status::Partial, "{:?}", report.error);
    let failed = report.regions.iter().find(|region| region.region == OTHER).unwrap();
    let message = &failed.error.as_ref().unwrap().message;
    assert!(message.contains("its snapshot's key is alias/aws/ebs, and is to be arn:aws:kms:eu-west-1"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_is_not_the_home_region_is_asked_for_no_regions() {
    let mut stage = Stage::new(Route::Ebs).await;
    stage.config.regions = Some(Names::parse("eu-west-1,us-east-1"));
    // The regions are asked for in us-east-1, whose own role cannot be taken on.
    let role = RegionConfig { best_effort: Some(true), ..role(ELSEWHERE, None) };
    stage.config.per_region.insert(HOME.into(), role);
    let report = stage.publish().await;
    assert_eq!(report.status, Status::Published, "{:?}", report.error);
    assert_eq!(report.regions.len(), 1);
}

const ELSEWHERE: &str = "arn:aws:iam::123456789012:role/publish-elsewhere";

fn role(arn: &str, external_id: Option<&str>) -> RegionConfig {
    RegionConfig {
        assume_role: Some(arn.into()),
        external_id: external_id.map(str::to_owned),
        ..RegionConfig::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_may_have_a_role_of_its_own() {
    let mut stage = Stage::new(Route::Ebs).await;
    stage.config.per_region.insert(OTHER.into(), role(ELSEWHERE, Some("sandbox")));
    let report = stage.publish().await;
    assert_eq!(report.status, Status::Published, "{:?} {:?}", report.error, report.regions);
    let callers = |region: &str| stage.audit()["aws"][region]["callers"].clone();
    assert_eq!(callers(HOME), serde_json::json!(["arn:aws:iam::123456789012:user/publish"]));
    assert_eq!(callers(OTHER), serde_json::json!(["arn:aws:sts::123456789012:assumed-role/publish-elsewhere/publish"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_regions_role_that_cannot_be_taken_on_or_is_another_accounts_is_named_before_anything_is_made() {
    let mut stage = Stage::new(Route::Ebs).await;
    stage.config.per_region.insert(OTHER.into(), role(ELSEWHERE, None));
    let error = stage.publish().await.error.unwrap();
    assert_eq!(error.kind, Kind::Credentials);
    assert!(error.hint.unwrap().contains(ELSEWHERE));
    let partner = "arn:aws:iam::210987654321:role/partner";
    stage.config.per_region.insert(OTHER.into(), role(partner, None));
    let error = stage.publish().await.error.unwrap();
    assert_eq!(error.kind, Kind::Config);
    let said =
        format!("aws.per_region.eu-west-1.assume_role is {partner}, and the AMI is made in account 123456789012");
    assert_eq!(error.message, said);
    // A region that need not have the image is left out.
    stage.config.per_region.insert(OTHER.into(), role(ELSEWHERE, None));
    stage.config.per_region.get_mut(OTHER).unwrap().best_effort = Some(true);
    let report = stage.run(Mode::Plan).await;
    assert_eq!(report.status, Status::Planned, "{:?}", report.error);
    assert!(!report.plan.iter().any(|step| step.contains(OTHER)), "{:?}", report.plan);
    assert_eq!(stage.audit()["mutations"], 0);
}

/// Tells of each time at which a run waits for the cloud.
#[derive(Debug)]
struct Waits(mpsc::UnboundedSender<()>);

impl Reporter for Waits {
    fn report(&self, _: CloudName, event: Event) {
        if matches!(event, Event::Waiting { .. } | Event::Retrying { .. }) {
            let _ = self.0.send(());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_made_once_a_region_has_room_for_it() {
    let hour = std::time::Duration::from_secs(3600);
    let mut stage = Stage::paced(Route::Ebs, sandbox::Pace { copy: hour, ..sandbox::Pace::instant() }).await;
    // As many copies as a region makes at a time.
    for number in 0..20 {
        stage.spec.version = Some(format!("1.0.{number}"));
        assert_eq!(stage.run(Mode::Submit).await.status, Status::Pending);
    }
    stage.spec.version = Some("2.0.0".into());
    let (waits, mut waited) = mpsc::unbounded_channel();
    let runtime = Runtime::new(Arc::new(Waits(waits)), None);
    let pipeline = Pipeline::new(stage.backend().await.unwrap());
    let time_passes = async {
        while waited.recv().await.is_some() {
            stage.sandbox.advance(hour);
        }
    };
    let report = tokio::select! {
        report = pipeline.publish(&runtime, &stage.image, Mode::Publish) => report,
        () = time_passes => unreachable!(),
    };
    assert_eq!(report.status, Status::Published, "{:?}", report.regions);
    assert_eq!(stage.audit()["traffic"]["ec2:CopyImage"]["requests"], 22, "the first of the last two was refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_need_not_have_the_image_fails_no_run() {
    let mut stage = Stage::new(Route::Ebs).await;
    stage.config.per_region.insert(OTHER.into(), RegionConfig { best_effort: Some(true), ..Default::default() });
    stage.config.deprecate_after_days = Some(90);
    stage.fault(r#"{"operation": "Copy", "region": "eu-west-1", "kind": "server_error"}"#);
    let report = stage.publish().await;
    assert_eq!(report.status, Status::Published, "{:?}", report.error);
    let failed = report.regions.iter().find(|region| region.region == OTHER).unwrap();
    assert_eq!((failed.status, failed.required), ("failed", false), "and it is reported all the same");
    assert!(!stage.list(HOME, "images")[0]["deprecation"].is_null(), "what comes after goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_does_not_wait_ends_when_the_copies_are_accepted_and_status_looks_again() {
    let hour = std::time::Duration::from_secs(3600);
    let stage = Stage::paced(Route::Ebs, sandbox::Pace { copy: hour, ..sandbox::Pace::instant() }).await;
    let accepted = stage.run(Mode::Submit).await;
    assert_eq!(accepted.status, Status::Pending, "{:?}", accepted.error);
    assert_eq!(accepted.regions.iter().map(|region| region.status).collect::<Vec<_>>(), ["available", "pending"]);
    assert_eq!(stage.status().await.status, Status::Pending);
    let mutations = stage.audit()["mutations"].clone();
    stage.sandbox.advance(hour);
    let done = stage.status().await;
    assert_eq!((done.status, done.resources), (Status::Unchanged, accepted.resources));
    assert_eq!(stage.audit()["mutations"], mutations, "looking changes nothing");
    assert_eq!(stage.publish().await.status, Status::Unchanged);
}

#[tokio::test(flavor = "multi_thread")]
async fn deprecation_is_set_once_from_the_day_an_ami_was_made() {
    let mut stage = Stage::new(Route::Ebs).await;
    stage.config.deprecate_after_days = Some(1000);
    assert_eq!(stage.publish().await.status, Status::Published);
    let dates = |stage: &Stage| {
        [HOME, OTHER].map(|region| stage.list(region, "images")[0]["deprecation"].as_str().unwrap().to_owned())
    };
    let before = dates(&stage);
    for date in &before {
        let hours =
            (date.parse::<jiff::Timestamp>().unwrap() - jiff::Timestamp::now()).total(jiff::Unit::Hour).unwrap();
        assert!((hours - 1000.0 * 24.0).abs() < 1.0, "{date}");
    }
    stage.config.deprecate_after_days = Some(2000);
    let again = stage.publish().await;
    assert_eq!(again.status, Status::Unchanged, "{:?}", again.error);
    assert_eq!(dates(&stage), before, "not pushed out");
}
