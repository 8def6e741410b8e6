//! Who else may start instances of an AMI, and in which order that comes about.

use std::sync::{Arc, Mutex};

use backend_aws::{RegionConfig, Route, Sharing};
use publisher::{CloudName, Event, Kind, Names, Pipeline, Reporter, Runtime, Status, Target};
use sandbox::Decision;
use serde_json::json;

use crate::stage::{HOME, OTHER, Stage};

const PARTNER: &str = "210987654321";
const ORGANIZATION: &str = "arn:aws:organizations::123456789012:organization/o-abcdefghij";
const UNIT: &str = "arn:aws:organizations::123456789012:ou/o-abcdefghij/ou-ab12-cdefghij";

async fn stage(sharing: Sharing) -> Stage {
    let mut stage = Stage::new(Route::Ebs).await;
    stage.config.sharing = Some(sharing);
    stage
}

fn with(accounts: &str) -> Sharing {
    Sharing { accounts: Names::parse(accounts), ..Sharing::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ami_and_its_snapshot_are_shared_in_every_region_once() {
    let sharing = Sharing {
        organizations: Names::parse(ORGANIZATION),
        organizational_units: Names::parse(UNIT),
        ..with(PARTNER)
    };
    let stage = stage(sharing).await;
    let report = stage.publish().await;
    assert_eq!(report.status, Status::Published, "{:?}", report.error);
    for region in [HOME, OTHER] {
        let all = json!([["organizationArn", ORGANIZATION], ["organizationalUnitArn", UNIT], ["userId", PARTNER]]);
        assert_eq!(stage.list(region, "images")[0]["shared_with"], all, "{region}");
        assert_eq!(stage.list(region, "snapshots")[0]["shared_with"], json!([["userId", PARTNER]]), "{region}");
    }
    let before = stage.audit()["mutations"].clone();
    assert_eq!(stage.publish().await.status, Status::Unchanged);
    assert_eq!(stage.audit()["mutations"], before);
}

#[tokio::test(flavor = "multi_thread")]
async fn others_are_taken_off_only_where_that_is_asked_for() {
    let mut stage = stage(with(PARTNER)).await;
    stage.publish().await;
    let more = "111122223333";
    stage.config.sharing = Some(with(more));
    assert_eq!(stage.publish().await.status, Status::Published);
    let both = json!([["userId", more], ["userId", PARTNER]]);
    assert_eq!(stage.list(HOME, "images")[0]["shared_with"], both, "nobody is taken off");
    // One is added and two are taken off.
    let last = "444455556666";
    stage.config.sharing = Some(Sharing { remove_others: true, ..with(last) });
    let report = stage.publish().await;
    assert_eq!(report.status, Status::Published, "{:?}", report.regions);
    for kind in ["images", "snapshots"] {
        assert_eq!(stage.list(OTHER, kind)[0]["shared_with"], json!([["userId", last]]), "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_sees_an_ami_before_all_regions_that_have_to_have_it_do() {
    let stage = stage(Sharing { public: true, ..with(PARTNER) }).await;
    stage.fault(r#"{"operation": "Copy", "region": "eu-west-1", "kind": "server_error"}"#);
    assert_eq!(stage.publish().await.status, Status::Partial);
    assert_eq!(stage.list(HOME, "images")[0]["shared_with"], json!([]));
    assert_eq!(stage.publish().await.status, Status::Published);
    for region in [HOME, OTHER] {
        let all = json!([["group", "all"], ["userId", PARTNER]]);
        assert_eq!(stage.list(region, "images")[0]["shared_with"], all, "{region}");
    }
    // In each region once for those who are named, and once for everyone.
    for (operation, requests) in [("ec2:ModifySnapshotAttribute", 2), ("ec2:ModifyImageAttribute", 4)] {
        assert_eq!(stage.audit()["traffic"][operation]["requests"], requests, "{operation}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_lets_no_image_be_public_is_named_before_anything_is_made_and_never_unblocked() {
    let stage = stage(Sharing { public: true, ..Sharing::default() }).await;
    stage.sandbox.decide(OTHER, Decision::BlockPublicImages);
    let error = stage.publish().await.error.unwrap();
    assert_eq!(error.kind, Kind::Conflict);
    assert_eq!(error.message, "block public access for AMIs is on in eu-west-1, managed by the account");
    assert!(error.hint.unwrap().contains("aws ec2 disable-image-block-public-access --region eu-west-1"));
    assert_eq!(stage.audit()["mutations"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_shared_is_refused_before_anything_is_made() {
    type Change = fn(&mut Stage);
    let changes: [(Change, &str); 6] = [
        (|stage| stage.config.sharing = Some(with("1234")), "aws.sharing.accounts has \"1234\""),
        (
            |stage| stage.config.sharing.as_mut().unwrap().organizations = Names::parse("o-abcdefghij"),
            "aws.sharing.organizations has \"o-abcdefghij\"",
        ),
        (
            |stage| (stage.config.encrypted, stage.config.sharing.as_mut().unwrap().public) = (Some(true), true),
            "aws.sharing.public is true, and the snapshot is encrypted",
        ),
        (
            |stage| {
                stage.config.sharing.as_mut().unwrap().public = true;
                let key = Some("arn:aws:kms:eu-west-1:123456789012:key/ours".into());
                let region = RegionConfig { kms_key: key, ..RegionConfig::default() };
                drop(stage.config.per_region.insert(OTHER.into(), region));
            },
            "aws.per_region.eu-west-1.kms_key is set, and aws.sharing.public is true",
        ),
        (
            |stage| stage.config.sharing.as_mut().unwrap().public_snapshots = true,
            "aws.sharing.public_snapshots is true, and aws.sharing.public is not",
        ),
        (
            |stage| stage.config.kms_key = Some("alias/ours".into()),
            "aws.kms_key is \"alias/ours\", and has to be the ARN",
        ),
    ];
    for (change, said) in changes {
        let mut stage = stage(with(PARTNER)).await;
        change(&mut stage);
        let error = stage.backend().await.unwrap_err();
        assert_eq!(error.kind(), Kind::Config);
        assert!(error.to_string().starts_with(said), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_others_cannot_use_is_named_before_anything_is_made() {
    const OURS: &str = "arn:aws:kms:us-east-1:123456789012:key/ours";
    type Change = fn(&mut Stage);
    let changes: [(Change, &str); 3] = [
        (|stage| stage.config.encrypted = Some(true), HOME),
        // A key at home is none in the other region.
        (|stage| stage.config.kms_key = Some(OURS.into()), OTHER),
        (|stage| stage.sandbox.decide(OTHER, Decision::EncryptSnapshots), OTHER),
    ];
    for (change, region) in changes {
        let mut stage = stage(with(PARTNER)).await;
        change(&mut stage);
        let error = stage.publish().await.error.unwrap();
        assert_eq!(error.kind, Kind::Conflict);
        let said = format!("snapshots are encrypted in {region} with the account's own key, which others cannot use");
        assert_eq!(error.message, said);
        assert_eq!(stage.audit()["mutations"], 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_encrypts_with_a_key_of_its_own_making_can_share() {
    let stage = stage(with(PARTNER)).await;
    for region in [HOME, OTHER] {
        stage.sandbox.decide(region, Decision::EncryptSnapshots);
        let key = format!("arn:aws:kms:{region}:123456789012:key/the-accounts");
        stage.sandbox.decide(region, Decision::DefaultKey(key));
    }
    let report = stage.publish().await;
    assert_eq!(report.status, Status::Published, "{:?}", report.regions);
    assert_eq!(stage.list(OTHER, "snapshots")[0]["shared_with"], json!([["userId", PARTNER]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_encrypted_is_never_made_public() {
    let stage = stage(Sharing { public: true, ..Sharing::default() }).await;
    stage.sandbox.decide(HOME, Decision::EncryptSnapshots);
    let error = stage.publish().await.error.unwrap();
    assert_eq!(error.message, "snapshots are encrypted in us-east-1, and an AMI on such a one cannot be public");
    assert_eq!(stage.audit()["mutations"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_ami_has_a_public_snapshot_where_that_is_asked_for() {
    let public = Sharing { public: true, ..Sharing::default() };
    let mut stage = stage(public.clone()).await;
    assert_eq!(stage.publish().await.status, Status::Published);
    assert_eq!(stage.list(HOME, "snapshots")[0]["shared_with"], json!([]), "and not otherwise");
    stage.config.sharing = Some(Sharing { public_snapshots: true, remove_others: true, ..public });
    assert_eq!(stage.publish().await.status, Status::Published);
    for region in [HOME, OTHER] {
        for kind in ["snapshots", "images"] {
            assert_eq!(stage.list(region, kind)[0]["shared_with"], json!([["group", "all"]]), "{kind} in {region}");
        }
    }
    assert_eq!(stage.publish().await.status, Status::Unchanged);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_lets_no_snapshot_be_public_is_named() {
    let stage = stage(Sharing { public: true, public_snapshots: true, ..Sharing::default() }).await;
    stage.sandbox.decide(OTHER, Decision::BlockPublicSnapshots);
    let error = stage.publish().await.error.unwrap();
    assert_eq!(error.message, "block public access for snapshots is on in eu-west-1, managed by the account");
    assert!(error.hint.unwrap().contains("aws ec2 disable-snapshot-block-public-access --region eu-west-1"));
    assert_eq!(stage.audit()["mutations"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_quota_of_public_amis_is_asked_before_anything_is_made() {
    let mut stage = stage(Sharing { public: true, ..Sharing::default() }).await;
    stage.sandbox.decide(OTHER, Decision::PublicImages(1));
    assert_eq!(stage.publish().await.status, Status::Published);
    let before = stage.audit()["mutations"].clone();
    stage.spec.version = Some("2.0.0".into());
    let error = stage.publish().await.error.unwrap();
    assert_eq!(error.message, "the account has 1 public AMIs in eu-west-1, and may have 1");
    assert_eq!(stage.audit()["mutations"], before);
    // Whoever may not ask for a quota may have room all the same: AWS says so in the end.
    stage.fault(r#"{"operation": "servicequotas:GetServiceQuota", "times": 1000, "kind": "deny"}"#);
    let report = stage.publish().await;
    assert_eq!(report.status, Status::Partial, "{:?}", report.error);
    let failed = report.regions.iter().find(|region| region.region == OTHER).unwrap();
    assert!(failed.error.as_ref().unwrap().hint.as_ref().unwrap().contains("as many public AMIs as it may"));
    let there: Vec<_> =
        stage.list(OTHER, "images").iter().map(|image| image["id"].as_str().map(str::to_owned)).collect();
    assert!(failed.id.is_some() && there.contains(&failed.id), "it is there all the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_public_before_everyone_who_is_named_has_it() {
    let stage = stage(Sharing { public: true, ..with(PARTNER) }).await;
    stage.fault(r#"{"operation": "ec2:ModifySnapshotAttribute", "region": "eu-west-1", "kind": "deny"}"#);
    assert_eq!(stage.publish().await.status, Status::Partial);
    assert_eq!(stage.list(HOME, "images")[0]["shared_with"], json!([["userId", PARTNER]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn sharing_that_fails_is_its_regions_failure() {
    let stage = stage(with(PARTNER)).await;
    stage.fault(r#"{"operation": "ec2:ModifyImageAttribute", "region": "eu-west-1", "kind": "deny"}"#);
    let report = stage.publish().await;
    assert_eq!(report.status, Status::Partial);
    let error = report.regions.iter().find_map(|region| region.error.as_ref()).unwrap();
    assert!(
        error.message.starts_with("cannot share ami-") && error.message.ends_with(" in eu-west-1"),
        "{}",
        error.message
    );
    assert_eq!(stage.publish().await.status, Status::Published);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ami_that_is_there_is_not_made_public_in_part() {
    let mut stage = stage(with(PARTNER)).await;
    assert_eq!(stage.publish().await.status, Status::Published);
    stage.sandbox.decide(OTHER, Decision::BlockPublicImages);
    stage.config.sharing = Some(Sharing { public: true, ..with(PARTNER) });
    let before = stage.audit()["mutations"].clone();
    let error = stage.publish().await.error.unwrap();
    assert_eq!(error.message, "block public access for AMIs is on in eu-west-1, managed by the account");
    assert_eq!(stage.audit()["mutations"], before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_shared_already_stays_well_whatever_is_decided_later() {
    let stage = stage(Sharing { public: true, ..with(PARTNER) }).await;
    assert_eq!(stage.publish().await.status, Status::Published);
    stage.sandbox.decide(OTHER, Decision::BlockPublicImages);
    stage.sandbox.decide(OTHER, Decision::PublicImages(1));
    stage.sandbox.decide(OTHER, Decision::EncryptSnapshots);
    let report = stage.publish().await;
    assert_eq!(report.status, Status::Unchanged, "{:?}", report.error);
}

#[tokio::test(flavor = "multi_thread")]
async fn status_says_what_is_not_done_yet() {
    let mut stage = stage(with(PARTNER)).await;
    assert_eq!(stage.publish().await.status, Status::Published);
    stage.config.deprecate_after_days = Some(90);
    stage.config.ssm_parameters = Names::parse("/images/{name}");
    stage.config.sharing = Some(with("111122223333"));
    let heard = Arc::new(Warnings::default());
    let runtime = Runtime::new(heard.clone(), None);
    let pipeline = Pipeline::new(stage.backend().await.unwrap());
    assert_eq!(pipeline.status(&runtime).await.status, Status::Unchanged);
    let heard = heard.0.lock().unwrap();
    let due = "is not yet as configured: deprecation, sharing, the parameter /images/ecs-node; publish again";
    assert_eq!(heard.iter().filter(|warning| warning.ends_with(due)).count(), 2, "{heard:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn status_looks_at_a_region_that_need_not_have_the_image_alone() {
    let mut stage = stage(with(PARTNER)).await;
    assert_eq!(stage.publish().await.status, Status::Published);
    stage.config.per_region.insert(OTHER.into(), RegionConfig { best_effort: Some(true), ..RegionConfig::default() });
    for operation in ["ec2:DescribeImageAttribute", "ec2:DescribeImages"] {
        stage.fault(&format!(r#"{{"operation": "{operation}", "region": "{OTHER}", "times": 1000, "kind": "deny"}}"#));
        assert_eq!(stage.status().await.status, Status::Unchanged, "{operation}");
    }
}

/// What is said by the way.
#[derive(Debug, Default)]
struct Warnings(Mutex<Vec<String>>);

impl Reporter for Warnings {
    fn report(&self, _: CloudName, event: Event) {
        if let Event::Warning { message } = event {
            self.0.lock().unwrap().push(message);
        }
    }
}
