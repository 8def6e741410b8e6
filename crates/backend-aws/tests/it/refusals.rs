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
