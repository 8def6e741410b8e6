use backend_aws::Route;
use publisher::{Mode, Status};
use vhd::Image;

use crate::stage::{BOTH, HOME, OTHER, Stage};

#[tokio::test(flavor = "multi_thread")]
async fn an_image_becomes_an_ami_in_every_region() {
    for route in BOTH {
        let stage = Stage::new(route).await;
        let report = stage.publish().await;
        assert_eq!(report.status, Status::Published, "{route:?}: {:?}", report.error);
        for region in [HOME, OTHER] {
            let images = stage.list(region, "images");
            assert_eq!(images.len(), 1, "{route:?}: {region}");
            let reported = report.regions.iter().find(|r| r.region == region).unwrap();
            assert_eq!((reported.status, reported.id.as_deref()), ("available", images[0]["id"].as_str()));
            assert_eq!(images[0]["tags"]["team"], "platform");
            assert_eq!(images[0]["tags"]["publish-digest"], stage.image.content().unwrap().digest().to_string());
            assert_eq!(stage.list(region, "snapshots").len(), 1);
            assert_eq!(stage.list(region, "snapshots")[0]["tags"]["publish-run"], report.run.as_str());
        }
        let image = &stage.list(HOME, "images")[0];
        for (field, value) in [
            ("virtualizationType", "hvm"),
            ("enaSupport", "true"),
            ("sriovNetSupport", "simple"),
            ("imdsSupport", "v2.0"),
            ("rootDeviceName", "/dev/xvda"),
            ("architecture", "x86_64"),
            ("bootMode", "legacy-bios"),
        ] {
            assert_eq!(image["fields"][field], value, "{route:?}");
        }
        assert_eq!(image["device"]["volumeType"], "gp3");
        assert_eq!(stage.list(HOME, "s3_objects").len() + stage.list(HOME, "uploads").len(), 0, "{route:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_of_an_ami_can_be_said() {
    let mut stage = Stage::new(Route::Ebs).await;
    let variables = stage.dir.path().join("uefi");
    // As tools write it: in lines.
    std::fs::write(&variables, "QU1aTlVFRkk=\n").unwrap();
    let config = &mut stage.config;
    (config.boot_mode, config.tpm, config.uefi_data) = (Some("uefi".into()), Some(true), Some(variables));
    (config.volume_type, config.iops, config.throughput) = (Some("gp3".into()), Some(6000), Some(500));
    (config.root_device, config.volume_size) = (Some("/dev/sda1".into()), Some(8));
    let report = stage.publish().await;
    assert_eq!(report.status, Status::Published, "{:?}", report.error);
    let image = &stage.list(HOME, "images")[0];
    for (field, value) in
        [("bootMode", "uefi"), ("tpmSupport", "v2.0"), ("uefiData", "QU1aTlVFRkk="), ("rootDeviceName", "/dev/sda1")]
    {
        assert_eq!(image["fields"][field], value, "{field}");
    }
    for (field, value) in [("volumeType", "gp3"), ("iops", "6000"), ("throughput", "500"), ("volumeSize", "8")] {
        assert_eq!(image["device"][field], value, "{field}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_arrives_is_the_disk_and_no_block_is_all_zeros() {
    for (route, operation) in [(Route::S3, "s3:UploadPart"), (Route::Ebs, "ebs:PutSnapshotBlock")] {
        let stage = Stage::new(route).await;
        let report = stage.publish().await;
        for region in [HOME, OTHER] {
            let content = stage.list(region, "images")[0]["content"].as_str().unwrap().to_owned();
            let arrived = Image::open(stage.sandbox.content_file(&content).unwrap()).unwrap();
            assert_eq!(arrived.content().unwrap(), stage.image.content().unwrap(), "{route:?}");
            assert_eq!(arrived.virtual_size(), 1 << 30, "a volume has whole gibibytes");
        }
        let traffic = &stage.audit()["traffic"][operation];
        assert_eq!(traffic["zero_bodies"], 0, "{route:?}");
        assert_eq!(traffic["bytes"], report.transfer.bytes_sent, "{route:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_changes_nothing_and_names_the_same() {
    for route in BOTH {
        let stage = Stage::new(route).await;
        let first = stage.publish().await;
        let before = stage.audit()["mutations"].clone();
        let second = stage.publish().await;
        assert_eq!(second.status, Status::Unchanged, "{route:?}: {:?}", second.error);
        assert_eq!(first.resources, second.resources);
        let ids = |report: &publisher::TargetReport| report.regions.iter().map(|r| r.id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&first), ids(&second));
        assert_eq!(stage.audit()["mutations"], before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_region_gets_a_copy_of_the_ami_that_is_there() {
    let mut stage = Stage::new(Route::Ebs).await;
    let first = stage.publish().await;
    stage.config.regions = Some(publisher::Names::parse("us-east-1,eu-west-1,us-west-2"));
    let second = stage.publish().await;
    assert_eq!(second.status, Status::Published, "{:?}", second.error);
    assert_eq!(first.resources, second.resources);
    assert_eq!(stage.list("us-west-2", "images").len(), 1);
    assert_eq!(stage.audit()["traffic"]["ec2:CopyImage"]["requests"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_version_other_content_gets_another_name() {
    let mut stage = Stage::new(Route::Ebs).await;
    stage.spec.version = None;
    stage.publish().await;
    let path = stage.dir.path().join("other.raw");
    std::fs::write(&path, vec![3; 1 << 20]).unwrap();
    stage.image = std::sync::Arc::new(Image::open(path).unwrap());
    let report = stage.publish().await;
    assert_eq!(report.status, Status::Published, "{:?}", report.error);
    assert_eq!(stage.list(HOME, "images").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_changes_nothing() {
    for route in BOTH {
        let stage = Stage::new(route).await;
        let report = stage.run(Mode::Plan).await;
        assert_eq!(report.status, Status::Planned, "{:?}", report.error);
        assert!(report.plan.iter().any(|step| step.contains("register AMI ecs-node-1.0.0")), "{:?}", report.plan);
        assert_eq!(stage.audit()["mutations"], 0);
    }
}
