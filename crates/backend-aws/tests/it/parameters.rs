//! Parameters of Systems Manager that name the AMI.

use backend_aws::{Route, Sharing};
use publisher::{Kind, Mode, Names, Status};
use sandbox::Decision;
use serde_json::Value;

use crate::stage::{HOME, OTHER, Stage};

async fn stage(templates: &str) -> Stage {
    let mut stage = Stage::new(Route::Ebs).await;
    stage.config.ssm_parameters = Names::parse(templates);
    stage
}

/// Name and value of each parameter in a region.
fn named(stage: &Stage, region: &str) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    stage.list(region, "parameters").iter().map(|entry| (text(&entry["id"]), text(&entry["value"]))).collect()
}

fn ami(stage: &Stage, region: &str, index: usize) -> String {
    stage.list(region, "images")[index]["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_region_names_its_own_ami() {
    let stage = stage("/images/{name}/{version}/{architecture},/images/{name}/latest").await;
    let report = stage.publish().await;
    assert_eq!(report.status, Status::Published, "{:?}", report.regions);
    for region in [HOME, OTHER] {
        let ami = ami(&stage, region, 0);
        let expected = [("/images/ecs-node/1.0.0/x86_64".into(), ami.clone()), ("/images/ecs-node/latest".into(), ami)];
        assert_eq!(named(&stage, region), expected, "{region}");
        let parameter = &stage.list(region, "parameters")[0];
        assert_eq!(parameter["data_type"], "aws:ec2:image");
        assert_eq!(parameter["tags"]["team"], "platform");
    }
    let before = stage.audit()["mutations"].clone();
    assert_eq!(stage.publish().await.status, Status::Unchanged);
    assert_eq!(stage.audit()["mutations"], before);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_version_takes_the_name_over_and_a_rerun_of_the_older_one_does_not_take_it_back() {
    let mut stage = stage("/images/latest").await;
    assert_eq!(stage.publish().await.status, Status::Published);
    let first = ami(&stage, OTHER, 0);
    // Two AMIs have different dates.
    stage.sandbox.advance(std::time::Duration::from_secs(60));
    stage.spec.version = Some("2.0.0".into());
    let report = stage.publish().await;
    assert_eq!(report.status, Status::Published, "{:?}", report.regions);
    let second = named(&stage, OTHER)[0].1.clone();
    assert_ne!(second, first);
    stage.spec.version = Some("1.0.0".into());
    assert_eq!(stage.publish().await.status, Status::Unchanged);
    assert_eq!(named(&stage, OTHER)[0].1, second);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_copy_of_an_older_version_takes_no_name_over() {
    let mut stage = stage("/images/latest").await;
    stage.config.regions = Some(Names::parse(HOME));
    assert_eq!(stage.publish().await.status, Status::Published);
    stage.sandbox.advance(std::time::Duration::from_secs(60));
    stage.config.regions = Some(Names::parse("us-east-1,eu-west-1"));
    stage.spec.version = Some("2.0.0".into());
    assert_eq!(stage.publish().await.status, Status::Published);
    let second = named(&stage, OTHER)[0].1.clone();
    stage.sandbox.advance(std::time::Duration::from_secs(60));
    // The region is added to what the older version is in.
    stage.spec.version = Some("1.0.0".into());
    assert_eq!(stage.publish().await.status, Status::Published);
    assert_eq!(stage.list(OTHER, "images").len(), 2);
    assert_eq!(named(&stage, OTHER)[0].1, second);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_named_before_everything_else_is_done_everywhere() {
    for fault in [
        r#"{"operation": "Copy", "region": "eu-west-1", "kind": "server_error"}"#,
        r#"{"operation": "Alter", "region": "eu-west-1", "kind": "corrupt"}"#,
        r#"{"operation": "ec2:ModifyImageAttribute", "region": "eu-west-1", "nth": 2, "kind": "deny"}"#,
    ] {
        let mut stage = stage("/images/latest").await;
        let accounts = Names::parse("210987654321");
        stage.config.sharing = Some(Sharing { public: true, accounts, ..Sharing::default() });
        stage.fault(fault);
        assert_eq!(stage.publish().await.status, Status::Partial, "{fault}");
        for region in [HOME, OTHER] {
            assert!(named(&stage, region).is_empty(), "{fault}: {region}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ami_that_is_not_there_yet_is_named_by_nothing() {
    let hour = std::time::Duration::from_secs(3600);
    let mut stage = Stage::paced(Route::Ebs, sandbox::Pace { copy: hour, ..sandbox::Pace::instant() }).await;
    stage.config.ssm_parameters = Names::parse("/images/latest");
    assert_eq!(stage.run(Mode::Submit).await.status, Status::Pending);
    assert_eq!(named(&stage, HOME), []);
    stage.sandbox.advance(hour);
    assert_eq!(stage.publish().await.status, Status::Published);
    assert_eq!(named(&stage, OTHER)[0].1, ami(&stage, OTHER, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_ends_when_the_parameters_have_their_values() {
    // An answer that is good comes before the value takes its place.
    let looked_at = std::time::Duration::from_millis(400);
    let mut stage = Stage::paced(Route::Ebs, sandbox::Pace { parameter: looked_at, ..sandbox::Pace::instant() }).await;
    stage.config.ssm_parameters = Names::parse("/images/latest");
    assert_eq!(stage.publish().await.status, Status::Published);
    for region in [HOME, OTHER] {
        assert_eq!(named(&stage, region), [("/images/latest".to_owned(), ami(&stage, region, 0))], "{region}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_writes_a_parameter_once() {
    let stage = stage("/images/latest").await;
    stage.fault(r#"{"operation": "ssm:PutParameter", "region": "eu-west-1", "kind": "reset_after"}"#);
    let report = stage.publish().await;
    assert_eq!(report.status, Status::Published, "{:?}", report.regions);
    assert_eq!(stage.list(OTHER, "parameters")[0]["version"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parameter_that_cannot_be_written_is_its_regions_failure() {
    let stage = stage("/images/latest").await;
    stage.fault(r#"{"operation": "ssm:PutParameter", "region": "eu-west-1", "kind": "deny"}"#);
    let report = stage.publish().await;
    assert_eq!(report.status, Status::Partial);
    let failed = report.regions.iter().find(|region| region.region == OTHER).unwrap();
    let error = failed.error.as_ref().unwrap();
    assert_eq!(error.message, "cannot write the parameter /images/latest in eu-west-1");
    assert_eq!(failed.id.as_deref(), Some(ami(&stage, OTHER, 0).as_str()));
    assert_eq!(stage.publish().await.status, Status::Published);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parameter_of_another_type_is_named_before_anything_is_made() {
    let stage = stage("/images/latest").await;
    stage.sandbox.decide(OTHER, Decision::Secret("/images/latest".into()));
    let error = stage.publish().await.error.unwrap();
    assert_eq!(error.kind, Kind::Conflict);
    let said = "the parameter /images/latest in eu-west-1 is a SecureString, and would have to be a String";
    assert_eq!(error.message, said);
    assert_eq!(stage.audit()["mutations"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_that_stands_for_nothing_is_refused_before_anything_is_asked() {
    let stage = stage("/images/{flavour}").await;
    let error = stage.publish().await.error.unwrap();
    assert_eq!(error.kind, Kind::Config);
    assert_eq!(stage.audit()["traffic"], serde_json::json!({}));
}
