//! What an AMI is registered as: by the image, by what its builder says of it, by the configuration.

use std::{fs, sync::Arc};

use backend_aws::{BlockDevice, Route};
use publisher::{Kind, Status};
use serde_json::{Value, json};
use vhd::Image;

use crate::stage::{HOME, OTHER, Stage};

/// A stage whose image has an `image-info.json` beside it.
async fn stage(info: &Value) -> Stage {
    let mut stage = Stage::new(Route::Ebs).await;
    fs::write(stage.dir.path().join("image-info.json"), info.to_string()).unwrap();
    stage.image = Arc::new(Image::open(stage.image.path()).unwrap());
    stage
}

fn declared(register_image: Value) -> Value {
    json!({"label": "25.05", "system": "x86_64-linux", "registerImage": register_image})
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_builder_says_is_registered() {
    let info = declared(json!({
        "Architecture": "arm64", "BootMode": "uefi", "TpmSupport": "v2.0", "ImdsSupport": "v2.0", "EnaSupport": false,
        "VirtualizationType": "hvm", "RootDeviceName": "/dev/sda1", "UefiData": "QU1aTlVFRkk=", "SriovNetSupport": null,
        "BlockDeviceMappings": [
            {"DeviceName": "/dev/sda1", "Ebs": {"VolumeType": "io2", "Iops": 4000, "VolumeSize": 9}},
            {"DeviceName": "/dev/sdb", "Ebs": {"VolumeSize": 20, "DeleteOnTermination": false}},
            {"DeviceName": "/dev/sdc", "VirtualName": "ephemeral1"},
        ],
    }));
    let stage = stage(&info).await;
    let report = stage.publish().await;
    assert_eq!(report.status, Status::Published, "{:?}", report.error);
    for region in [HOME, OTHER] {
        let image = &stage.list(region, "images")[0];
        for (field, value) in [
            ("architecture", "arm64"),
            ("bootMode", "uefi"),
            ("tpmSupport", "v2.0"),
            ("enaSupport", "false"),
            ("rootDeviceName", "/dev/sda1"),
            ("uefiData", "QU1aTlVFRkk="),
        ] {
            assert_eq!(image["fields"][field], value, "{field} in {region}");
        }
        for (field, value) in [("volumeType", "io2"), ("iops", "4000"), ("volumeSize", "9")] {
            assert_eq!(image["device"][field], value, "{field} in {region}");
        }
        let more = json!({
            "/dev/sdb": {"volumeSize": "20", "volumeType": "gp3", "deleteOnTermination": "false"},
            "/dev/sdc": {"virtualName": "ephemeral1"},
        });
        assert_eq!(image["more_devices"], more, "{region}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_goes_before_the_builder_and_the_builder_before_the_image() {
    let root = json!([{"DeviceName": "/dev/sda1", "Ebs": {"VolumeType": "gp2"}}]);
    let said = json!({"RootDeviceName": "/dev/sda1", "EnaSupport": false, "BlockDeviceMappings": root});
    let info = json!({"boot_mode": "uefi-preferred", "registerImage": said});
    let mut stage = stage(&info).await;
    (stage.config.root_device, stage.config.ena) = (Some("/dev/xvda".into()), Some(true));
    stage.config.sriov = Some(false);
    assert_eq!(stage.publish().await.status, Status::Published);
    let image = &stage.list(HOME, "images")[0];
    assert_eq!((&image["device"]["volumeType"], &image["more_devices"]), (&"gp2".into(), &json!({})));
    let fields = &image["fields"];
    assert_eq!((&fields["rootDeviceName"], &fields["enaSupport"]), (&"/dev/xvda".into(), &"true".into()));
    assert_eq!(fields["bootMode"], "uefi-preferred", "the image alone would be legacy-bios");
    assert_eq!(fields["sriovNetSupport"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_builder_says_and_no_ami_can_be_is_refused_before_anything_is_asked() {
    for (register_image, said) in [
        (json!({"VirtualizationType": "paravirtual"}), "VirtualizationType is \"paravirtual\", and may be \"hvm\""),
        (json!({"TpmSupport": "v2.0"}), "a TPM needs the boot mode uefi, and it is legacy-bios"),
        (json!({"Architecture": "arm64", "BootMode": "legacy-bios"}), "an arm64 AMI boots with UEFI alone"),
        (json!({"BillingProducts": ["x"]}), "registerImage cannot be used"),
        (
            json!({"BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"DeleteOnTermination": false}}]}),
            "the root volume always goes with its instance",
        ),
        (json!({"BlockDeviceMappings": [{"DeviceName": "/dev/sdb"}]}), "image-info.json under it"),
    ] {
        let stage = stage(&declared(register_image)).await;
        let error = stage.publish().await.error.unwrap();
        assert!(matches!(error.kind, Kind::Image | Kind::Config), "{error:?}");
        assert!(error.message.contains(said), "{}", error.message);
        assert_eq!(stage.audit()["traffic"], json!({}));
    }
}

fn volume(name: &str, size: u32) -> BlockDevice {
    BlockDevice { device: name.into(), volume_size: Some(size), ..BlockDevice::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn further_devices_are_part_of_what_an_ami_is() {
    let mut stage = Stage::new(Route::Ebs).await;
    let fast = BlockDevice {
        volume_type: Some("io1".into()),
        iops: Some(500),
        encrypted: Some(true),
        ..volume("/dev/sdb", 8)
    };
    let host = BlockDevice { device: "/dev/sdc".into(), instance_store: Some(0), ..BlockDevice::default() };
    stage.config.block_devices = vec![fast, host];
    let report = stage.publish().await;
    assert_eq!(report.status, Status::Published, "{:?}", report.error);
    let fast = json!({"volumeSize": "8", "volumeType": "io1", "iops": "500", "encrypted": "true", "deleteOnTermination": "true"});
    assert_eq!(
        stage.list(OTHER, "images")[0]["more_devices"],
        json!({"/dev/sdb": fast, "/dev/sdc": {"virtualName": "ephemeral0"}})
    );
    assert_eq!(stage.publish().await.status, Status::Unchanged);
    stage.config.block_devices.pop();
    let error = stage.publish().await.error.unwrap();
    assert!(error.message.ends_with("holds this image and was registered otherwise"), "{}", error.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_that_aws_would_refuse_are_named() {
    for (device, said) in [
        (volume("", 8), "a device has no name"),
        (volume("/dev/xvda", 8), "/dev/xvda: there are two of this name"),
        (BlockDevice { volume_size: None, ..volume("/dev/sdb", 8) }, "volume_size is not set, nor instance_store"),
        (BlockDevice { instance_store: Some(1), ..volume("/dev/sdb", 8) }, "a disk of the host has no volume_size"),
        (
            BlockDevice { instance_store: Some(1), volume_size: None, iops: Some(100), ..volume("/dev/sdb", 8) },
            "nothing of what is said of volumes",
        ),
        (BlockDevice { instance_store: Some(24), volume_size: None, ..volume("/dev/sdb", 8) }, "may be 0 to 23"),
        (
            BlockDevice { volume_type: Some("io2".into()), ..volume("/dev/sdb", 8) },
            "iops is not set, and volumes of type io2 want it",
        ),
        (
            BlockDevice { volume_type: Some("fast".into()), ..volume("/dev/sdb", 8) },
            "volume_type is \"fast\", and may be",
        ),
    ] {
        let mut stage = Stage::new(Route::Ebs).await;
        stage.config.block_devices = vec![device];
        let error = stage.backend().await.unwrap_err();
        assert_eq!(error.kind(), Kind::Config);
        assert!(error.to_string().contains(said), "{error}");
    }
}
