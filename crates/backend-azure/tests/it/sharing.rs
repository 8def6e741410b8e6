//! Who else may use a gallery.

use backend_azure::{Community, Sharing};
use publisher::{Kind, Names, Status};
use serde_json::json;

use crate::stage::Stage;

const PARTNER: &str = "00000000-0000-4000-8000-00000000beef";
const TENANT: &str = "00000000-0000-4000-8000-00000000feed";

fn partners() -> Sharing {
    Sharing { subscriptions: Names::parse(PARTNER), tenants: Names::parse(TENANT), community: None }
}

fn community() -> Sharing {
    let community = Community {
        publisher: "https://images.kernel.org/nodes".into(),
        contact: "images@kernel.org".into(),
        eula: "https://images.kernel.org/terms".into(),
        prefix: "nodes2026".into(),
    };
    Sharing { community: Some(community), ..Sharing::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gallery_is_shared_with_subscriptions_and_tenants_once() {
    let mut stage = Stage::new().await;
    stage.config.sharing = Some(partners());
    let first = stage.publish().await;
    assert_eq!(first.status, Status::Published, "{:?}", first.error);
    let profile = stage.audit()["azure"]["galleries"][0]["properties"]["sharingProfile"].clone();
    assert_eq!(profile["permissions"], "Groups");
    assert_eq!(
        profile["groups"],
        json!([{"type": "Subscriptions", "ids": [PARTNER]}, {"type": "AADTenants", "ids": [TENANT]}])
    );
    let shared = &first.resources["shared_image"];
    assert!(shared.starts_with("/SharedGalleries/") && shared.ends_with("/Images/ecs-node/Versions/1.0.0"), "{shared}");

    let before = stage.audit()["mutations"].clone();
    let second = stage.publish().await;
    assert_eq!((second.status, &second.resources), (Status::Unchanged, &first.resources));
    assert_eq!(stage.audit()["mutations"], before);

    // Another one is added, and nobody is taken off.
    let more = "00000000-0000-4000-8000-0000000000ff";
    stage.config.sharing.as_mut().unwrap().subscriptions = Names::parse(more);
    assert_eq!(stage.publish().await.status, Status::Published);
    let profile = stage.audit()["azure"]["galleries"][0]["properties"]["sharingProfile"].clone();
    assert_eq!(profile["groups"][0]["ids"], json!([PARTNER, more]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_community_gallery_is_public_and_has_a_name_for_everyone() {
    let mut stage = Stage::new().await;
    stage.config.sharing = Some(community());
    let report = stage.publish().await;
    assert_eq!(report.status, Status::Published, "{:?}", report.error);
    let info = stage.audit()["azure"]["galleries"][0]["properties"]["sharingProfile"]["communityGalleryInfo"].clone();
    assert_eq!(info["communityGalleryEnabled"], true);
    assert_eq!(info["publisherContact"], "images@kernel.org");
    let public = &report.resources["community_image"];
    assert!(public.starts_with("/CommunityGalleries/nodes2026-"), "{public}");
    assert!(public.ends_with("/Images/ecs-node/Versions/1.0.0"), "{public}");
    assert_eq!(stage.status().await.resources, report.resources);
    let second = stage.publish().await;
    assert_eq!((second.status, second.resources), (Status::Unchanged, report.resources));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_community_without_a_real_contact_terms_or_prefix_is_refused_before_anything_is_asked() {
    type Change = fn(&mut Community);
    let changes: [(Change, &str); 4] = [
        (|community| community.contact = "test@foo.bar".into(), "contact"),
        (|community| community.eula = String::new(), "eula"),
        (|community| community.publisher = "example.com".into(), "publisher"),
        (|community| community.prefix = "x".into(), "prefix"),
    ];
    for (change, field) in changes {
        let mut stage = Stage::new().await;
        let mut sharing = community();
        change(sharing.community.as_mut().unwrap());
        stage.config.sharing = Some(sharing);
        let error = stage.backend().unwrap_err();
        assert_eq!(error.kind(), Kind::Config);
        assert!(error.to_string().starts_with(&format!("azure.sharing.community.{field} is ")), "{error}");
        assert_eq!(stage.audit()["traffic"], json!({}));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gallery_with_other_permissions_is_named_and_left_alone() {
    let mut stage = Stage::new().await;
    assert_eq!(stage.publish().await.status, Status::Published, "a private gallery, with no communityGalleryInfo");
    for (sharing, wanted) in [(partners(), "Groups"), (community(), "Community")] {
        stage.config.sharing = Some(sharing);
        let before = stage.audit()["mutations"].clone();
        let error = stage.publish().await.error.unwrap();
        assert_eq!(error.kind, Kind::Conflict);
        let said = format!("the permissions of gallery publish are Private, and azure.sharing needs {wanted}");
        assert_eq!(error.message, said);
        assert_eq!(stage.audit()["mutations"], before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sharing_that_fails_is_an_error_and_a_rerun_makes_up_for_it() {
    let mut stage = Stage::new().await;
    stage.config.sharing = Some(partners());
    stage.fault(r#"{"operation": "ShareGallery", "kind": "deny"}"#);
    let error = stage.publish().await.error.unwrap();
    assert_eq!((error.kind, error.message.as_str()), (Kind::Denied, "cannot share the gallery"));
    assert!(error.hint.unwrap().contains("Microsoft.Compute/galleries/share/action"));
    assert_eq!(stage.publish().await.status, Status::Published);
    assert_eq!(stage.count("image_versions"), 1);
}
