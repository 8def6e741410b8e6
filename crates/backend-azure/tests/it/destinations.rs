//! What an image becomes, and what it goes through on the way.

use std::time::Duration;

use backend_azure::{Destination, Source};
use publisher::{Kind, Mode, Status};
use sandbox::Pace;
use serde_json::json;

use crate::{client::Client, stage::Stage};

#[tokio::test(flavor = "multi_thread")]
async fn a_managed_image_alone_is_made_once_and_found_again() {
    let mut stage = Stage::new().await;
    stage.config.destination = Some(Destination::ManagedImage);
    stage.config.regions = Some(publisher::Names::parse("westus2"));
    let first = stage.publish().await;
    assert_eq!(first.status, Status::Published, "{:?}", first.error);
    let image = first.resources["managed_image"].clone();
    assert!(image.ends_with("/images/ecs-node-1.0.0"), "{image}");
    assert_eq!((first.regions[0].region.as_str(), first.regions[0].id.as_deref()), ("westus2", Some(image.as_str())));
    for (kind, expected) in [
        ("disks", 0),
        ("images", 1),
        ("galleries", 0),
        ("image_definitions", 0),
        ("image_versions", 0),
        ("open_sas", 0),
    ] {
        assert_eq!(stage.count(kind), expected, "{kind}");
    }
    assert_eq!(stage.content_of("images").content().unwrap(), stage.image.content().unwrap());

    let before = stage.audit()["mutations"].clone();
    let second = stage.publish().await;
    assert_eq!((second.status, &second.resources), (Status::Unchanged, &first.resources), "{:?}", second.error);
    assert_eq!(stage.status().await.resources, first.resources);
    assert_eq!(stage.audit()["mutations"], before);

    stage.replace_image(&[3; 1 << 20]);
    let other = stage.publish().await;
    assert!(other.resources["managed_image"].ends_with("/images/ecs-node-1.0.1"), "{:?}", other.resources);
    stage.spec.version = Some("1.0.0".into());
    let refused = stage.publish().await.error.unwrap();
    assert_eq!(refused.message, "version 1.0.0 of ecs-node is there and holds another image");
    assert_eq!(stage.count("images"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_leaves_no_managed_image_that_was_wanted() {
    for operation in ["PutDisk", "PutPage", "EndGetAccess", "PutImage"] {
        let mut stage = Stage::new().await;
        stage.config.destination = Some(Destination::ManagedImage);
        stage.config.regions = Some(publisher::Names::parse("westus2"));
        // All of them: one page that is denied after others got through is only taken for an access that has ended.
        let times = if operation == "PutPage" { 1000 } else { 1 };
        stage.fault(&format!(r#"{{"operation": "{operation}", "times": {times}, "kind": "deny"}}"#));
        assert_eq!(stage.publish().await.status, Status::Failed, "{operation}");
        assert_eq!((stage.count("disks"), stage.count("images"), stage.count("open_sas")), (0, 0, 0), "{operation}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn x64_goes_through_a_managed_image_that_stays_if_it_is_to() {
    let mut stage = Stage::new().await;
    stage.config.keep_image = Some(true);
    let report = stage.publish().await;
    assert_eq!(report.status, Status::Published, "{:?}", report.error);
    let image = report.resources["managed_image"].clone();
    assert_eq!(stage.audit()["azure"]["images"][0]["id"], image);
    let version = &stage.audit()["azure"]["image_versions"][0];
    assert_eq!(version["properties"]["storageProfile"]["source"]["id"], image, "made from the managed image");
    // Neither does a run that is told nothing of it delete what was kept.
    stage.config.keep_image = None;
    let again = stage.publish().await;
    assert_eq!((again.status, again.resources), (Status::Unchanged, report.resources));
    assert_eq!(stage.count("images"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_intermediate_stays_until_its_version_is_everywhere() {
    let stage = Stage::new().await;
    stage.fault(r#"{"operation": "Replicate", "region": "westus", "kind": "server_error"}"#);
    assert_eq!(stage.publish().await.status, Status::Partial);
    assert_eq!(stage.count("images"), 1, "Azure may want it to copy from again");
    assert_eq!(stage.publish().await.status, Status::Published);
    assert_eq!(stage.count("images"), 0);
    assert_eq!(stage.count("image_versions"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn arm64_goes_from_the_disk_and_never_through_a_managed_image() {
    let mut stage = Stage::new().await;
    (stage.config.architecture, stage.config.generation) = (Some("Arm64".into()), Some("V2".into()));
    let report = stage.publish().await;
    assert_eq!(report.status, Status::Published, "{:?}", report.error);
    assert_eq!((stage.requests("PutImage"), stage.count("disks")), (0, 0));
    let audit = stage.audit();
    assert_eq!(audit["azure"]["image_definitions"][0]["properties"]["architecture"], "Arm64");
    let source = &audit["azure"]["image_versions"][0]["properties"]["storageProfile"]["osDiskImage"]["source"]["id"];
    assert!(source.as_str().unwrap().contains("/disks/publish-ecs-node-"), "{source}");
    for (destination, source, said) in [
        (
            Some(Destination::ManagedImage),
            None,
            "azure.destination is managed-image, and there are no managed images for Arm64",
        ),
        (None, Some(Source::ManagedImage), "azure.source is managed-image, and there are no managed images for Arm64"),
    ] {
        (stage.config.destination, stage.config.source) = (destination, source);
        let before = stage.audit()["traffic"].clone();
        let error = stage.publish().await.error.unwrap();
        assert_eq!((error.kind, error.message.as_str()), (Kind::Config, said));
        assert_eq!(stage.audit()["traffic"], before, "nobody is asked");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_a_version_is_made_from_stays_until_the_version_is_everywhere() {
    let mut stage = Stage::new().await;
    (stage.config.architecture, stage.config.generation) = (Some("Arm64".into()), Some("V2".into()));
    stage.fault(r#"{"operation": "Replicate", "times": 2, "kind": "server_error"}"#);
    let failed = stage.publish().await;
    assert_eq!(failed.status, Status::Failed, "no region has it");
    assert_eq!((stage.count("image_versions"), stage.count("disks"), stage.count("open_sas")), (1, 1, 0));
    assert_eq!(stage.audit()["azure"]["disks"][0]["id"], failed.resources["intermediate_disk"], "and it is named");
    let again = stage.publish().await;
    assert_eq!(again.status, Status::Published, "{:?}", again.error);
    assert_eq!(again.resources.keys().copied().collect::<Vec<_>>(), ["image_version"]);
    assert_eq!((stage.count("image_versions"), stage.count("disks"), stage.requests("BeginGetAccess")), (1, 0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_to_be_kept_stays_whatever_becomes_of_the_version() {
    for fault in [
        r#"{"operation": "ShareGallery", "kind": "deny"}"#,
        r#"{"operation": "Replicate", "region": "westus", "kind": "server_error"}"#,
    ] {
        let mut stage = Stage::new().await;
        (stage.config.architecture, stage.config.generation) = (Some("Arm64".into()), Some("V2".into()));
        stage.config.keep_disk = Some(true);
        let partner = publisher::Names::parse("00000000-0000-4000-8000-00000000beef");
        stage.config.sharing = Some(backend_azure::Sharing { subscriptions: partner, ..Default::default() });
        stage.fault(fault);
        let report = stage.publish().await;
        assert_eq!((stage.count("image_versions"), stage.count("disks")), (1, 1), "{:?}", report.error);
        let report = stage.publish().await;
        assert_eq!(report.resources["disk"], stage.audit()["azure"]["disks"][0]["id"].as_str().unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_intermediate_stays_while_regions_that_others_asked_for_are_copied_from_it() {
    let mut stage = Stage::paced(Pace { replication: Duration::from_secs(3600), ..Pace::instant() }).await;
    stage.config.regions = Some(publisher::Names::parse("westus2,westus,eastus"));
    assert_eq!(stage.run(Mode::Submit).await.status, Status::Pending);
    stage.sandbox.advance(Duration::from_secs(3600));
    // The first region has it, and is all that this run is about.
    stage.config.regions = Some(publisher::Names::parse("westus2"));
    let first = stage.publish().await;
    assert_eq!((first.status, stage.count("images")), (Status::Unchanged, 1));
    assert!(first.resources.contains_key("intermediate_image"), "{:?}", first.resources);
    stage.sandbox.advance(Duration::from_secs(3600));
    let last = stage.publish().await;
    assert_eq!((last.status, stage.count("images")), (Status::Unchanged, 0));
    assert!(!last.resources.contains_key("intermediate_image"), "{:?}", last.resources);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_stays_while_the_version_is_copied_from_it() {
    let mut stage = Stage::paced(Pace { replication: Duration::from_secs(3600), ..Pace::instant() }).await;
    (stage.config.source, stage.config.security_type) = (Some(Source::Disk), Some("Standard".into()));
    for _ in 0..2 {
        assert_eq!(stage.run(Mode::Submit).await.status, Status::Pending);
        assert_eq!(stage.count("disks"), 1);
    }
    stage.sandbox.advance(Duration::from_secs(7200));
    let report = stage.publish().await;
    assert_eq!((report.status, stage.count("disks")), (Status::Unchanged, 0), "{:?}", report.error);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_on_its_way_to_a_version_is_no_managed_image_that_anyone_wanted() {
    let mut stage = Stage::paced(Pace { replication: Duration::from_secs(3600), ..Pace::instant() }).await;
    assert_eq!(stage.run(Mode::Submit).await.status, Status::Pending);
    stage.config.destination = Some(Destination::ManagedImage);
    stage.config.regions = Some(publisher::Names::parse("westus2"));
    let report = stage.publish().await;
    assert_eq!(report.status, Status::Published, "{:?}", report.error);
    assert_eq!(stage.count("images"), 2, "one that stays, and one that does not");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_managed_image_that_is_still_being_made_is_waited_for() {
    // Every operation takes an hour of the sandbox's clock.
    let hour = Duration::from_secs(3600);
    let mut stage = Stage::paced(Pace { arm: hour, ..Pace::instant() }).await;
    stage.config.destination = Some(Destination::ManagedImage);
    stage.config.regions = Some(publisher::Names::parse("westus2"));
    // Killed as soon as Azure has accepted the image.
    let mut looks = 0;
    let accepted = async {
        while stage.count("images") == 0 {
            if stage.requests("PollOperation") > looks {
                looks = stage.requests("PollOperation");
                stage.sandbox.advance(hour);
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::select! { biased; () = accepted => {}, report = stage.publish() => panic!("{:?}", report.error) }
    assert_eq!(stage.audit()["azure"]["images"][0]["state"], "Creating");
    assert_eq!(stage.status().await.status, Status::Pending);

    let (reads, closed) = (stage.requests("Read"), stage.requests("EndGetAccess"));
    let mut waited = false;
    let made = async {
        // The list, and looks at the image, before anything is done about the disk that it is made from.
        while stage.requests("Read") < reads + 4 && stage.requests("EndGetAccess") == closed {
            tokio::task::yield_now().await;
        }
        waited = stage.requests("EndGetAccess") == closed;
        loop {
            stage.sandbox.advance(hour);
            tokio::task::yield_now().await;
        }
    };
    let report = tokio::select! { report = stage.publish() => report, () = made => panic!("it has no end") };
    assert_eq!(report.status, Status::Unchanged, "{:?}", report.error);
    assert!(waited, "it was not made yet");
    assert_eq!((stage.count("images"), stage.requests("PutImage"), stage.count("disks")), (1, 1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_disk_is_a_source_for_standard_alone() {
    let mut stage = Stage::new().await;
    (stage.config.source, stage.config.generation) = (Some(Source::Disk), Some("V2".into()));
    let report = stage.publish().await;
    assert_eq!(report.status, Status::Published, "{:?}", report.error);
    assert_eq!(stage.requests("PutImage"), 0);
    let features = stage.audit()["azure"]["image_definitions"][0]["properties"]["features"].clone();
    assert_eq!(features[0], json!({"name": "SecurityType", "value": "Standard"}));
    stage.config.security_type = Some("TrustedLaunchSupported".into());
    let before = stage.audit()["traffic"].clone();
    let error = stage.publish().await.error.unwrap();
    assert!(
        error.message.contains("the version is made from the disk: that takes Standard alone"),
        "{}",
        error.message
    );
    assert_eq!(stage.audit()["traffic"], before, "nobody is asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn azure_refuses_a_disk_for_trusted_launch_and_nothing_stays() {
    // The rule that the check above spares us, asked of the sandbox itself: the definition is another's.
    let mut stage = Stage::new().await;
    stage.config.generation = Some("V2".into());
    assert_eq!(stage.publish().await.status, Status::Published);
    stage.config.source = Some(Source::Disk);
    let error = stage.publish().await.error.unwrap();
    assert!(
        error.message.contains("SecurityType is TrustedLaunchSupported, the configuration says Standard"),
        "{}",
        error.message
    );
    let client = Client::new(&stage).await;
    let disk = client.empty_disk("other", "V2").await;
    let version =
        json!({"location": "westus2", "properties": {"storageProfile": {"osDiskImage": {"source": {"id": disk}}}}});
    let path = "/providers/Microsoft.Compute/galleries/publish/images/ecs-node/versions/9.0.0";
    let (status, answer) = client.put(path, &version).await;
    assert_eq!(status, 400);
    assert!(
        answer["error"]["message"].as_str().unwrap().contains("'TrustedLaunchSupported' is not supported"),
        "{answer}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_managed_image_is_in_one_region_and_goes_to_no_gallery() {
    let mut stage = Stage::new().await;
    stage.config.destination = Some(Destination::ManagedImage);
    let error = stage.publish().await.error.unwrap();
    assert_eq!(error.message, "a managed image is in one region, and besides westus2 there is westus");
    stage.config.source = Some(Source::Disk);
    let error = stage.publish().await.error.unwrap();
    assert!(error.message.contains("only a version can be made from the disk itself"), "{}", error.message);
    assert_eq!(stage.audit()["mutations"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_tells_the_whole_way_and_changes_nothing() {
    let mut stage = Stage::new().await;
    stage.spec.version = Some("1.4.0".into());
    for (change, expected) in [
        (
            None,
            &[
                "resource group",
                "upload at most",
                "managed image",
                "definition",
                "version",
                "delete the managed image",
                "delete the disk",
            ][..],
        ),
        (Some(Destination::ManagedImage), &["resource group", "upload at most", "managed image", "delete the disk"]),
    ] {
        stage.config.destination = change;
        if change.is_some() {
            stage.config.regions = Some(publisher::Names::parse("westus2"));
        }
        let report = stage.run(Mode::Plan).await;
        assert_eq!(report.status, Status::Planned, "{:?}", report.error);
        assert_eq!(report.plan.len(), expected.len(), "{:#?}", report.plan);
        assert!(report.plan.iter().zip(expected).all(|(step, word)| step.contains(word)), "{:#?}", report.plan);
        assert_eq!(stage.audit()["mutations"], 0);
    }
}
