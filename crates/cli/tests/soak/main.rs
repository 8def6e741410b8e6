//! Two hundred images published by one process, to one sandbox: nothing grows but what is published.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    dead_code,
    reason = "a test fails by panicking, says what it measured, and needs only some of what it shares with other tests"
)]

use std::{
    fs,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use backend_aws::Aws;
use backend_azure::Azure;
use publisher::{ImageSpec, Mode, Names, Pipeline, Runtime, Silent, Status, Target, Variables};
use vhd::Image;

#[path = "../it/disks.rs"]
mod disks;
#[path = "../it/stage.rs"]
mod stage;

use stage::Stage;

/// Publishes, a third of them to Azure and a third to AWS by each route.
const PUBLISHES: usize = 200;
/// After so many, all that is made once has been made.
const WARM: usize = 60;
/// What memory may differ by from one moment to another.
const SLACK_KIB: u64 = 16 << 10;
/// What is kept open for the next request, more or less.
const MORE_FILES: usize = 8;
/// How long after the last publish what is not kept may still be open.
const SETTLES: Duration = Duration::from_secs(30);

/// Resident memory in KiB (proc(5), `VmRSS`), and open files.
fn size_of(process: &str) -> (u64, usize) {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kib = line.split_whitespace().next().unwrap().parse().unwrap();
    (kib, fs::read_dir(format!("/proc/{process}/fd")).unwrap().count())
}

async fn target(stage: &Stage, nth: usize) -> Box<dyn Target> {
    let variables: Variables = stage.variables().collect();
    let spec = ImageSpec {
        name: "node".into(),
        version: Some(format!("1.0.{nth}")),
        ca_file: Some(stage.variable("PUBLISH_CA_FILE").into()),
        ..ImageSpec::default()
    };
    let url = Some(stage.variable("PUBLISH_SANDBOX_URL").to_owned());
    if nth.is_multiple_of(3) {
        let config = backend_azure::Config {
            regions: Some(Names::parse("westus2,eastus")),
            resource_group: Some("soak".into()),
            endpoints: Some(backend_azure::Endpoints { resource_manager: url.clone(), authority: url }),
            ..backend_azure::Config::default()
        };
        return Box::new(Pipeline::new(Azure::new(config, spec, &variables).unwrap()));
    }
    let config = backend_aws::Config {
        regions: Some(Names::parse("us-east-1,eu-west-1")),
        bucket: (nth % 3 == 1).then(|| "publish-sandbox".to_owned()),
        endpoint_url: url,
        ..backend_aws::Config::default()
    };
    Box::new(Pipeline::new(Aws::new(config, spec, &variables).await.unwrap()))
}

/// glibc keeps an arena for each thread, and gives none of them back: what is lost does not show among what is merely kept. So
/// the test runs itself again, with one arena.
const ONE_ARENA: (&str, &str) = ("MALLOC_ARENA_MAX", "1");

#[test]
fn two_hundred_publishes_grow_nothing_but_what_is_published() {
    if std::env::var_os(ONE_ARENA.0).is_none() {
        let mut again = Command::new(std::env::current_exe().unwrap());
        let args: Vec<_> = std::env::args().skip(1).filter(|arg| arg != "--nocapture").collect();
        let status = again.args(args).arg("--nocapture").env(ONE_ARENA.0, ONE_ARENA.1).status();
        assert!(status.unwrap().success(), "its own output says why");
        return;
    }
    let stage = Stage::with_node();
    let image = Arc::new(Image::open(stage.path("node.raw")).unwrap());
    let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut warm = None;
    for nth in 0..PUBLISHES {
        let runtime = Runtime::new(Arc::new(Silent), Some(stage.path("state")));
        let report = threads.block_on(async {
            let target = target(&stage, nth).await;
            target.publish(&runtime, &image, Mode::Publish).await
        });
        assert_eq!(report.status, Status::Published, "{nth}: {:?}", report.error);
        if nth == WARM {
            warm = Some(size_of("self"));
        }
    }
    let warm = warm.unwrap();
    // Connections of the last publish are closed by tasks that may still be about to; what is lost stays, however often it is
    // looked at.
    let until = Instant::now() + SETTLES;
    let mut end = size_of("self");
    while end.1 > warm.1 + MORE_FILES && Instant::now() < until {
        std::thread::yield_now();
        end = size_of("self");
    }
    eprintln!("resident memory and open files after {WARM} publishes: {warm:?}, after {PUBLISHES}: {end:?}");
    assert!(end.0 < warm.0 + SLACK_KIB, "{} KiB more", end.0 - warm.0);
    assert!(end.1 <= warm.1 + MORE_FILES, "{} open files more", end.1 - warm.1);

    let audit = stage.audit();
    let count = |list: &serde_json::Value| list.as_array().map_or(0, Vec::len);
    let azure = &audit["azure"];
    let left = ["disks", "images", "open_sas"].map(|kind| count(&azure[kind]));
    assert_eq!((count(&azure["image_versions"]), left), (67, [0; 3]));
    for region in ["us-east-1", "eu-west-1"] {
        let region = &audit["aws"][region];
        assert_eq!((count(&region["images"]), count(&region["snapshots"])), (133, 133));
        assert_eq!((count(&region["s3_objects"]), count(&region["uploads"])), (0, 0));
    }
    assert!(publisher::runs(&stage.path("state")).unwrap().iter().all(|run| run.due == 0));
}
