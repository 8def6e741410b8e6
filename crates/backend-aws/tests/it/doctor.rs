//! What is looked at before the first byte, and that what it says is enough is enough.

use backend_aws::{Config, RegionConfig, Route, Sharing};
use publisher::{Check, CheckStatus, Mode, Names, Status};
use sandbox::{Decision, Grant};
use serde_json::{Value, json};

use crate::stage::{BOTH, OTHER, Stage};

/// A stage that uses everything that there is to use without a key of one's own.
async fn stage(route: Route) -> Stage {
    let mut stage = Stage::new(route).await;
    stage.config.verify = Some(true);
    stage.config.deprecate_after_days = Some(90);
    stage.config.ssm_parameters = Names::parse("/images/{name}/latest");
    let accounts = Names::parse("210987654321");
    stage.config.sharing = Some(Sharing { accounts, public: true, public_snapshots: true, ..Sharing::default() });
    stage
}

/// The policy documents that a set-up has in it, by the names of their files.
fn documents(script: &str) -> Vec<(&str, &str)> {
    let document = |part| {
        let (file, rest) = str::split_once(part, " <<'POLICY'\n").unwrap();
        (file, rest.split_once("\nPOLICY\n").unwrap().0)
    };
    script.split("cat > ").skip(1).map(document).collect()
}

/// Has the sandbox's account allow what a set-up says, and nothing else.
fn set_up(stage: &Stage) -> Value {
    let script = backend_aws::setup(&stage.config, &stage.spec).unwrap();
    let role = || "vmimport".to_owned();
    let mut identity = Value::Null;
    stage.sandbox.grant(Grant::NoRole(role())).unwrap();
    for (file, document) in documents(&script) {
        let document = document.to_owned();
        let grant = match file {
            "publish-policy.json" => {
                identity = serde_json::from_str(&document).unwrap();
                Grant::Identity(document)
            }
            "import-trust.json" => Grant::Trust { role: role(), document },
            "import-policy.json" => Grant::Role { role: role(), document },
            // The sandbox's sessions may do what the identity may.
            "publish-ecs-node-eu-west-1.json" => continue,
            other => panic!("{other}"),
        };
        stage.sandbox.grant(grant).unwrap();
    }
    identity
}

/// Lets the identity do nothing but publish as set up, and ask what it may.
fn and_ask(mut policy: Value) -> Value {
    let asks = json!({"Effect": "Allow", "Action": ["iam:GetRole", "iam:SimulatePrincipalPolicy"], "Resource": "*"});
    policy["Statement"].as_array_mut().unwrap().push(asks);
    policy
}

fn statuses(checks: &[Check]) -> Vec<(&str, CheckStatus)> {
    checks.iter().map(|check| (check.what.as_str(), check.status)).collect()
}

/// What is said to be wrong, or perhaps wrong.
fn told(checks: &[Check]) -> String {
    let messages: Vec<_> = checks.iter().filter_map(|check| Some(check.error.as_ref()?.message.clone())).collect();
    messages.join("; ")
}

fn bad(checks: &[Check]) -> Vec<String> {
    let bad = checks.iter().filter(|check| check.status == CheckStatus::Bad);
    bad.map(|check| check.error.as_ref().unwrap().message.clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policies_that_are_printed_are_enough_to_publish() {
    for route in BOTH {
        let stage = stage(route).await;
        set_up(&stage);
        let report = stage.publish().await;
        assert_eq!(report.status, Status::Published, "{route:?}: {:?} {:?}", report.error, report.regions);
    }
}

/// The documents in docs/aws.md, in their order.
fn documented() -> Vec<Value> {
    let docs = include_str!("../../../../docs/aws.md");
    let block = |part| serde_json::from_str(str::split_once(part, "```").unwrap().0).unwrap();
    docs.split("```json\n").skip(1).map(block).collect()
}

#[test]
fn the_documentation_has_the_policies_that_are_printed() {
    let spec = publisher::ImageSpec::default();
    let printed = |bucket: Option<&str>| -> Vec<Value> {
        let regions = Some(Names::parse("us-east-1"));
        let config = Config { bucket: bucket.map(str::to_owned), regions, ..Config::default() };
        let script = backend_aws::setup(&config, &spec).unwrap();
        documents(&script).into_iter().map(|(_, document)| serde_json::from_str(document).unwrap()).collect()
    };
    assert_eq!([printed(None), printed(Some("BUCKET"))].concat(), documented());
}

/// What only a run does that takes something back or finds something there, or what it can end well without.
const SELDOM: [&str; 10] = [
    "ec2:DeregisterImage",
    "ec2:DeleteSnapshot",
    "ec2:CancelImportTask",
    "s3:AbortMultipartUpload",
    "s3:GetObject",
    "s3:ListMultipartUploadParts",
    // The object stays, which is said.
    "s3:ListBucketMultipartUploads",
    "s3:DeleteObject",
    // The answer that they may not be asked for is said, and ends no run.
    "servicequotas:GetServiceQuota",
    "ec2:GetEbsDefaultKmsKeyId",
];

#[tokio::test(flavor = "multi_thread")]
async fn each_action_of_the_printed_policy_is_needed_and_its_absence_is_told_beforehand() {
    for route in BOTH {
        let policy = set_up(&stage(route).await);
        let count = policy["Statement"].as_array().unwrap().len();
        let actions = (0..count).flat_map(|at| {
            let list = policy["Statement"][at]["Action"].as_array().unwrap();
            list.iter().map(move |action| (at, action.as_str().unwrap().to_owned())).collect::<Vec<_>>()
        });
        for (at, action) in actions {
            let stage = stage(route).await;
            set_up(&stage);
            let mut without = and_ask(policy.clone());
            without["Statement"][at]["Action"].as_array_mut().unwrap().retain(|other| other != action.as_str());
            stage.sandbox.grant(Grant::Identity(without.to_string())).unwrap();
            let told = told(&stage.doctor().await);
            assert!(told.contains(&action), "{route:?}: {action}: {told}");
            if !SELDOM.contains(&action.as_str()) {
                assert_ne!(stage.publish().await.status, Status::Published, "{route:?}: {action}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_is_as_it_has_to_be_is_good() {
    use CheckStatus::Good;
    let stage = stage(Route::S3).await;
    let expected = [
        ("identity", Good),
        ("permissions", Good),
        ("bucket", Good),
        ("role vmimport", Good),
        ("what the role may do", Good),
        ("regions", Good),
        ("sharing", Good),
        ("parameters", Good),
    ];
    assert_eq!(statuses(&stage.doctor().await), expected);
    assert_eq!(stage.audit()["mutations"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_imports_cannot_use_is_told_before_the_first_byte_and_would_fail_them() {
    let role = || "vmimport".to_owned();
    let trust = r#"{"Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}"#;
    let blind = r#"{"Statement": [{"Effect": "Allow", "Action": ["ec2:*", "s3:ListBucket", "s3:GetBucketLocation"], "Resource": "*"}]}"#;
    for (grant, expected, failed) in [
        (Grant::NoRole(role()), "there is no role vmimport", "does not exist"),
        (
            Grant::Trust { role: role(), document: trust.into() },
            "the role's trust policy does not name vmie.amazonaws.com",
            "does not exist",
        ),
        (
            Grant::Role { role: role(), document: blind.into() },
            "by its own policies the role may not s3:GetObject for the bucket publish-sandbox",
            "403 Forbidden",
        ),
    ] {
        let stage = Stage::new(Route::S3).await;
        stage.sandbox.grant(grant).unwrap();
        assert_eq!(told(&stage.doctor().await), expected);
        assert_eq!(stage.audit()["mutations"], 0);
        let error = stage.publish().await.error.unwrap();
        let said: Vec<_> = std::iter::once(&error.message).chain(&error.causes).collect();
        assert!(said.iter().any(|said| said.contains(failed)), "{error:?}");
        assert!(error.hint.is_some(), "{error:?}");
        stage.assert_empty(expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_bucket_regions_and_sharing_is_told_at_once() {
    let mut stage = stage(Route::S3).await;
    stage.config.bucket = Some("no-such-bucket".into());
    stage.config.regions = Some(Names::parse("us-east-1,eu-west-1"));
    stage.sandbox.decide(OTHER, Decision::BlockPublicImages);
    stage.sandbox.decide(OTHER, Decision::Secret("/images/ecs-node/latest".into()));
    let expected = [
        "there is no bucket no-such-bucket",
        "block public access for AMIs is on in eu-west-1, managed by the account",
        "the parameter /images/ecs-node/latest in eu-west-1 is a SecureString, and would have to be a String",
    ];
    assert_eq!(bad(&stage.doctor().await), expected);
    stage.config.regions = Some(Names::parse("us-east-1,ap-east-1"));
    assert_eq!(bad(&stage.doctor().await)[1], "the account has not opted in to the region ap-east-1");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_not_ask_what_he_may_is_told_that_and_no_more() {
    let stage = stage(Route::Ebs).await;
    set_up(&stage);
    let checks = stage.doctor().await;
    let permissions = checks.iter().find(|check| check.what == "permissions").unwrap();
    assert_eq!(permissions.status, CheckStatus::Unknown);
    assert_eq!(permissions.error.as_ref().unwrap().message, "what the identity may do cannot be asked");
    assert_eq!(bad(&checks), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_names_the_actions_that_are_denied_and_changes_nothing() {
    let stage = stage(Route::Ebs).await;
    let mut policy = and_ask(set_up(&stage));
    policy["Statement"]
        .as_array_mut()
        .unwrap()
        .push(json!({"Effect": "Deny", "Action": ["ec2:CopyImage", "ssm:Put*"], "Resource": "*"}));
    stage.sandbox.grant(Grant::Identity(policy.to_string())).unwrap();
    let report = stage.run(Mode::Plan).await;
    assert_eq!(report.status, Status::Planned, "{:?}", report.error);
    let parameter = "ssm:PutParameter on arn:aws:ssm:us-east-1:123456789012:parameter/images/ecs-node/latest";
    assert_eq!(report.denied, ["ec2:CopyImage in us-east-1".to_owned(), format!("{parameter} in us-east-1")]);
    assert_eq!(stage.audit()["mutations"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_keys_own_policy_may_allow_is_not_said_to_be_denied() {
    let mut stage = Stage::new(Route::S3).await;
    stage.config.kms_key = Some("arn:aws:kms:us-east-1:123456789012:key/ours".into());
    let policy = r#"{"Statement": [{"Effect": "Allow", "Action": ["ec2:*", "s3:*", "iam:*"], "Resource": "*"}]}"#;
    stage.sandbox.grant(Grant::Identity(policy.into())).unwrap();
    stage.sandbox.grant(Grant::Role { role: "vmimport".into(), document: policy.into() }).unwrap();
    let checks = stage.doctor().await;
    assert_eq!(bad(&checks), Vec::<String>::new());
    let unknown: Vec<_> = checks.iter().filter(|check| check.status == CheckStatus::Unknown).collect();
    assert_eq!(statuses_of(&unknown), ["permissions", "what the role may do"]);
    let said = unknown.iter().map(|check| check.error.as_ref().unwrap().message.as_str());
    assert!(said.into_iter().all(|said| said.contains("kms:CreateGrant")));
}

fn statuses_of<'a>(checks: &[&'a Check]) -> Vec<&'a str> {
    checks.iter().map(|check| check.what.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_regions_role_is_asked_for_too() {
    let mut stage = stage(Route::Ebs).await;
    let role = Some("arn:aws:iam::123456789012:role/publish-elsewhere".to_owned());
    let region = RegionConfig { assume_role: role, external_id: Some("sandbox".into()), ..RegionConfig::default() };
    stage.config.per_region.insert(OTHER.into(), region);
    let checks = stage.doctor().await;
    assert!(statuses(&checks).contains(&("permissions in eu-west-1", CheckStatus::Good)), "{checks:?}");
    assert_eq!(bad(&checks), Vec::<String>::new());
    // The set-up has what it needs, and that it may be taken on.
    let identity = set_up(&stage).to_string();
    assert!(identity.contains(r#""Action":["sts:AssumeRole"]"#), "{identity}");
    let report = stage.publish().await;
    assert_eq!(report.status, Status::Published, "{:?} {:?}", report.error, report.regions);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sessions_role_is_asked_for_and_not_the_session() {
    let mut stage = Stage::new(Route::Ebs).await;
    stage.config.assume_role = Some("arn:aws:iam::123456789012:role/publish".into());
    let checks = stage.doctor().await;
    assert_eq!(checks[0].found.as_deref(), Some("arn:aws:sts::123456789012:assumed-role/publish/publish"));
    assert_eq!(bad(&checks), Vec::<String>::new());
}
