//! What is refused, and that nothing was changed before.

use backend_aws::Route;
use publisher::{Kind, Names, Status};
use vhd::Image;

use crate::stage::Stage;

/// Kind and message of the error, with a check that nothing was changed.
async fn refused(stage: &Stage) -> (Kind, String) {
    let before = stage.audit()["mutations"].clone();
    let report = stage.publish().await;
    assert_eq!(report.status, Status::Failed);
    assert_eq!(stage.audit()["mutations"], before, "a refusal changes nothing");
    let error = report.error.unwrap();
    (error.kind, error.message)
}

#[tokio::test(flavor = "multi_thread")]
async fn regions_are_checked_before_anything_is_sent() {
    let mut stage = Stage::new(Route::Ebs).await;
    stage.config.regions = Some(Names::parse("us-east-1,us-east-9"));
    assert_eq!(refused(&stage).await, (Kind::Config, "AWS has no region \"us-east-9\"".into()));
    stage.config.regions = Some(Names::parse("us-east-9,us-east-1"));
    assert_eq!(refused(&stage).await.0, Kind::Config, "as the home region too");
    stage.config.regions = Some(Names::parse("us-east-1,ap-east-1"));
    assert_eq!(refused(&stage).await.1, "the account has not opted in to the region ap-east-1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_elsewhere_or_nowhere_is_refused() {
    let mut stage = Stage::new(Route::S3).await;
    stage.config.regions = Some(Names::parse("eu-west-1"));
    assert_eq!(
        refused(&stage).await,
        (Kind::Config, "the bucket publish-sandbox is in us-east-1, and the home region is eu-west-1".into())
    );
    stage.config.bucket = Some("no-such-bucket".into());
    assert_eq!(refused(&stage).await, (Kind::Config, "there is no bucket no-such-bucket".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_holds_another_image_is_refused() {
    let mut stage = Stage::new(Route::Ebs).await;
    assert_eq!(stage.publish().await.status, Status::Published);
    let path = stage.dir.path().join("other.raw");
    std::fs::write(&path, vec![3; 1 << 20]).unwrap();
    stage.image = std::sync::Arc::new(Image::open(path).unwrap());
    let (kind, message) = refused(&stage).await;
    assert_eq!(kind, Kind::Conflict);
    assert!(message.contains("has the name ecs-node-1.0.0 and holds another image"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_contradicts_is_refused() {
    let mut stage = Stage::new(Route::Ebs).await;
    stage.config.tpm = Some(true);
    assert_eq!(refused(&stage).await.1, "a TPM needs the boot mode uefi, and it is legacy-bios");
    stage.config.tpm = None;
    (stage.config.architecture, stage.config.boot_mode) = (Some("arm64".into()), Some("legacy-bios".into()));
    assert_eq!(refused(&stage).await.1, "an arm64 AMI boots with UEFI alone, and the boot mode is legacy-bios");
    (stage.config.architecture, stage.config.boot_mode) = (None, Some("uefi".into()));
    let file = stage.dir.path().join("uefi");
    stage.config.uefi_data = Some(file.clone());
    assert!(refused(&stage).await.1.ends_with("it cannot be read"));
    std::fs::write(&file, "no base64!").unwrap();
    assert!(refused(&stage).await.1.ends_with("it is no base64 of at most 64,000 characters"));
    stage.config.boot_mode = Some("legacy-bios".into());
    assert!(refused(&stage).await.1.ends_with("the boot mode is legacy-bios, which has no use for it"));
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_aws_would_refuse_are_named_before_anything_is_asked() {
    type Change = fn(&mut backend_aws::Config);
    let changes: [(Change, &str); 13] = [
        (|config| config.volume_type = Some("sc1".into()), "aws.volume_type is \"sc1\", and may be gp3 or gp2 or"),
        (|config| config.volume_type = Some("io2".into()), "aws.iops is not set, and volumes of type io2 want it"),
        (
            |config| (config.volume_type, config.iops) = (Some("gp2".into()), Some(3000)),
            "aws.iops is set, and volumes of type gp2 take none",
        ),
        (
            |config| (config.volume_type, config.throughput) = (Some("gp2".into()), Some(250)),
            "aws.throughput is set, and volumes of type gp2 take none",
        ),
        (
            |config| (config.encrypted, config.kms_key) = (Some(false), Some("arn:aws:kms:us-east-1:1:key/x".into())),
            "aws.kms_key is set, and aws.encrypted is false",
        ),
        (
            |config| {
                let region = backend_aws::RegionConfig { kms_key: Some("alias/x".into()), ..Default::default() };
                drop(config.per_region.insert("eu-west-1".into(), region));
            },
            "aws.per_region.eu-west-1.kms_key is \"alias/x\", and has to be the ARN of a key",
        ),
        (
            |config| {
                let key = Some("arn:aws:kms:us-east-1:123456789012:key/x".into());
                let region = backend_aws::RegionConfig { kms_key: key, ..Default::default() };
                drop(config.per_region.insert("eu-west-1".into(), region));
            },
            "aws.per_region.eu-west-1.kms_key is \"arn:aws:kms:us-east-1:123456789012:key/x\", which is a key of another",
        ),
        (
            |config| {
                let region = backend_aws::RegionConfig { best_effort: Some(true), ..Default::default() };
                drop(config.per_region.insert("us-east-1".into(), region));
            },
            "aws.per_region.us-east-1.best_effort is true, and us-east-1 is the home region",
        ),
        (
            |config| {
                let role = Some("arn:aws:iam::123456789012:role/publish".into());
                let region = backend_aws::RegionConfig { assume_role: role, ..Default::default() };
                drop(config.per_region.insert("us-east-1".into(), region));
            },
            "aws.per_region.us-east-1.assume_role is set, and us-east-1 is the home region: aws.assume_role",
        ),
        (|config| config.blocks_per_second = Some(0), "aws.blocks_per_second is 0"),
        (|config| config.external_id = Some("x".into()), "aws.external_id is set, and aws.assume_role is not"),
        (
            |config| config.kms_key = Some("arn:aws:kms:eu-west-1:123456789012:key/x".into()),
            "aws.kms_key is \"arn:aws:kms:eu-west-1:123456789012:key/x\", and the home region is us-east-1",
        ),
        (|config| config.deprecate_after_days = Some(4000), "aws.deprecate_after_days is 4000, and may be 1 to 3650"),
    ];
    for (change, said) in changes {
        let mut stage = Stage::new(Route::Ebs).await;
        change(&mut stage.config);
        let error = stage.backend().await.unwrap_err();
        assert_eq!(error.kind(), Kind::Config);
        assert!(error.to_string().starts_with(said), "{error}");
        assert_eq!(stage.audit()["traffic"], serde_json::json!({}));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_is_taken_on_and_one_that_cannot_be_is_named() {
    let mut stage = Stage::new(Route::Ebs).await;
    stage.config.assume_role = Some("arn:aws:iam::123456789012:role/publish".into());
    let report = stage.publish().await;
    assert_eq!(report.status, Status::Published, "{:?}", report.error);
    assert!(stage.audit()["traffic"]["sts:AssumeRole"]["requests"].as_u64() > Some(0));
    stage.config.assume_role = Some("arn:aws:iam::210987654321:role/other".into());
    let error = stage.publish().await.error.unwrap();
    assert_eq!((error.kind, error.message.as_str()), (Kind::Credentials, "the AWS credential cannot be loaded"));
    assert!(error.hint.unwrap().contains("arn:aws:iam::210987654321:role/other is there"));
    assert!(error.causes.iter().any(|cause| cause.contains("sts:AssumeRole")), "{:?}", error.causes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_is_a_credential_error() {
    let stage = Stage::new(Route::Ebs).await;
    let variables = [("AWS_ACCESS_KEY_ID", "AKIAWRONG"), ("AWS_SECRET_ACCESS_KEY", "wrong-secret")];
    let aws = backend_aws::Aws::new(stage.config.clone(), stage.spec.clone(), &variables.into_iter().collect())
        .await
        .unwrap();
    let pipeline = publisher::Pipeline::new(aws);
    let report = publisher::Target::publish(&pipeline, &stage.runtime(), &stage.image, publisher::Mode::Publish).await;
    let error = report.error.unwrap();
    assert_eq!(error.kind, Kind::Credentials);
    assert!(!format!("{error:?}").contains("wrong-secret"), "{error:?}");
    assert_eq!(stage.audit()["mutations"], 0);
}
