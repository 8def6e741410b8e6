//! What is refused, and that nothing was changed before.

use backend_azure::RegionConfig;
use publisher::{Kind, Names, Status, Variables};
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
async fn an_unknown_region_is_refused() {
    let mut stage = Stage::new().await;
    stage.config.regions = Some(Names::parse("westus2,atlantis"));
    assert_eq!(refused(&stage).await, (Kind::Config, "Azure has no region \"atlantis\"".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_holds_another_image_is_refused() {
    let mut stage = Stage::new().await;
    stage.spec.version = Some("1.0.0".into());
    assert_eq!(stage.publish().await.status, Status::Published);
    let path = stage.dir.path().join("other.raw");
    std::fs::write(&path, vec![3; 1 << 20]).unwrap();
    stage.image = std::sync::Arc::new(Image::open(path).unwrap());
    let (kind, message) = refused(&stage).await;
    assert_eq!(kind, Kind::Conflict);
    assert_eq!(message, "version 1.0.0 of ecs-node is there and holds another image");
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_settings_are_named_before_anything_is_asked() {
    let mut stage = Stage::new().await;
    stage.config.gallery = Some("my-gallery".into());
    assert!(stage.backend().unwrap_err().to_string().contains("no hyphens"));
    stage.config.gallery = None;
    stage.spec.version = Some("latest".into());
    assert!(stage.backend().unwrap_err().to_string().contains("three numbers"));
    let none = Variables::default();
    let error = backend_azure::Azure::new(backend_azure::Config::default(), stage.spec.clone(), &none).unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (Kind::Config, "azure.subscription is not set"));
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_azure_would_refuse_are_named_before_anything_is_asked() {
    type Change = fn(&mut backend_azure::Config);
    let changes: [(Change, &str); 5] = [
        (|config| config.replicas = Some(0), "azure.replicas is 0, and may be 1 to 100"),
        (|config| config.storage = Some("Standard".into()), "azure.storage is \"Standard\", and may be"),
        (
            |config| {
                drop(
                    config
                        .per_region
                        .insert("westus2".into(), RegionConfig { replicas: Some(101), ..Default::default() }),
                )
            },
            "azure.per_region.westus2.replicas is 101, and may be 1 to 100",
        ),
        (|config| config.end_of_life = Some("tomorrow".into()), "azure.end_of_life is \"tomorrow\", and no date"),
        (|config| config.access_minutes = Some(1441), "azure.access_minutes is 1441, and may be 1 to 1440"),
    ];
    for (change, said) in changes {
        let mut stage = Stage::new().await;
        change(&mut stage.config);
        let error = stage.backend().unwrap_err();
        assert_eq!(error.kind(), Kind::Config);
        assert!(error.to_string().starts_with(said), "{error}");
        assert_eq!(stage.audit()["traffic"], serde_json::json!({}));
    }
    let mut stage = Stage::new().await;
    stage.config.per_region.insert("atlantis".into(), RegionConfig::default());
    let (kind, said) = refused(&stage).await;
    assert_eq!((kind, said.as_str()), (Kind::Config, "azure.per_region.atlantis is no region's"));
    // A region that this run is not about, as when --regions names others than the file, is only said.
    stage.config.per_region = [("East US".to_owned(), RegionConfig::default())].into();
    let (report, warnings) = stage.warned().await;
    assert_eq!(report.status, Status::Published, "{:?}", report.error);
    assert_eq!(warnings, ["azure.per_region.East US is configured, and the image does not go there"]);
    stage.config.per_region.insert("eastus".into(), RegionConfig::default());
    let error = stage.backend().unwrap_err();
    assert_eq!(error.to_string(), "azure.per_region has East US and eastus, which are the same region");
    let stage = Stage::new().await;
    let large = stage.dir.path().join("large.raw");
    std::fs::File::create(&large).unwrap().set_len(3 << 30).unwrap();
    let config = backend_azure::Config { disk_size_gib: Some(2), ..Default::default() };
    let error = backend_azure::shape(&config, &Image::open(large).unwrap()).unwrap_err();
    assert_eq!(error.to_string(), "azure.disk_size_gib is 2, and the image needs at least 3");
}
