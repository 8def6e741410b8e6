//! How long a run takes is how long the clouds take for what has to follow one another, and nothing more. On the sandbox's clock,
//! which is the runtime's, and paused: it moves only when everybody waits.

use std::{fs::File, os::unix::fs::FileExt, sync::Arc, time::Duration};

use backend_aws::Aws;
use backend_azure::{Azure, Endpoints};
use publisher::{ImageSpec, Mode, Names, Pipeline, Runtime, Silent, Status, Target, TargetReport, Variables};
use sandbox::{Pace, Sandbox, Settings};
use tempfile::TempDir;
use tokio::time::Instant;
use vhd::Image;

/// Times of which one more would be noticed.
const PACE: Pace = Pace {
    arm: Duration::from_secs(100),
    replication: Duration::from_secs(55),
    import: Duration::from_secs(410),
    snapshot: Duration::from_secs(430),
    copy: Duration::from_secs(730),
    parameter: Duration::ZERO,
    retry_after: None,
};

struct Clouds {
    dir: TempDir,
    sandbox: Sandbox,
    image: Arc<Image>,
}

impl Clouds {
    async fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("disk.raw");
        let file = File::create(&path).unwrap();
        file.set_len(1 << 30).unwrap();
        file.write_all_at(&[7; 3 << 20], 5 << 20).unwrap();
        let settings = Settings { pace: PACE, ..Settings::new(dir.path().join("sandbox")) };
        let sandbox = Sandbox::start(settings).await.unwrap();
        Self { image: Arc::new(Image::open(path).unwrap()), dir, sandbox }
    }

    fn spec(&self, name: &str) -> ImageSpec {
        let (name, version) = (name.to_owned(), Some("1.0.0".to_owned()));
        ImageSpec { name, version, ca_file: Some(self.sandbox.ca_file().to_owned()), ..ImageSpec::default() }
    }

    fn variables(&self) -> Variables {
        self.sandbox.environment().iter().collect()
    }

    fn azure(&self, name: &str) -> Box<dyn Target> {
        let url = Some(self.sandbox.url());
        let config = backend_azure::Config {
            regions: Some(Names::parse("westus2,westeurope,japaneast")),
            endpoints: Some(Endpoints { resource_manager: url.clone(), authority: url }),
            ..backend_azure::Config::default()
        };
        Box::new(Pipeline::new(Azure::new(config, self.spec(name), &self.variables()).unwrap()))
    }

    async fn aws(&self, name: &str, bucket: Option<&str>) -> Box<dyn Target> {
        let config = backend_aws::Config {
            regions: Some(Names::parse("us-east-1,eu-west-1,ap-northeast-1")),
            bucket: bucket.map(str::to_owned),
            endpoint_url: Some(self.sandbox.url()),
            ..backend_aws::Config::default()
        };
        Box::new(Pipeline::new(Aws::new(config, self.spec(name), &self.variables()).await.unwrap()))
    }

    /// Publishes to all targets at once; how long it took, and what each tells of it.
    async fn publish(&self, targets: &[Box<dyn Target>]) -> (f64, Vec<TargetReport>) {
        let runtime = Runtime::new(Arc::new(Silent), Some(self.dir.path().join("state")));
        let began = Instant::now();
        let each = targets.iter().map(|target| target.publish(&runtime, &self.image, Mode::Publish));
        let reports = futures::future::join_all(each).await;
        for report in &reports {
            assert_eq!(report.status, Status::Published, "{:?}", report.error);
        }
        (began.elapsed().as_secs_f64(), reports)
    }
}

/// The end of each operation is seen a tenth of its time late at the most; all of that together is less than one operation.
fn assert_is(took: f64, path: Duration, what: &str) {
    let path = path.as_secs_f64();
    assert!(took >= path && took <= path * 1.1, "{what} took {took} s, and its critical path has {path} s");
}

/// The disk is made, opened, marked as whole and closed; the managed image is made, and beside it the gallery and then the
/// definition; the version is made everywhere at once, as long as that takes in the last region; the managed image goes. The disk
/// went meanwhile.
fn azures() -> Duration {
    4 * PACE.arm + 2 * PACE.arm + 2 * PACE.replication + PACE.arm
}

/// The snapshot is completed, the AMI registered, and copied everywhere at once.
fn by_blocks() -> Duration {
    2 * PACE.snapshot + PACE.copy
}

/// The object is imported, the AMI registered, and copied everywhere at once.
fn by_bucket() -> Duration {
    PACE.import + PACE.snapshot + PACE.copy
}

#[tokio::test(start_paused = true)]
async fn each_cloud_takes_its_critical_path_and_nothing_more() {
    let clouds = Clouds::new().await;
    let (took, reports) = clouds.publish(&[clouds.azure("one")]).await;
    assert_is(took, azures(), "Azure");
    assert_tells(&reports[0], took, &["replicating the image version", "deleting the managed image"]);
    let (took, reports) = clouds.publish(&[clouds.aws("two", None).await]).await;
    assert_is(took, by_blocks(), "EBS direct");
    assert_tells(&reports[0], took, &["completing the snapshot"]);
    let (took, reports) = clouds.publish(&[clouds.aws("three", Some("publish-sandbox")).await]).await;
    assert_is(took, by_bucket(), "S3");
    assert_tells(&reports[0], took, &["importing the snapshot"]);
}

#[tokio::test(start_paused = true)]
async fn two_clouds_at_once_take_as_long_as_the_slower() {
    let clouds = Clouds::new().await;
    let targets = [clouds.azure("both"), clouds.aws("both", None).await];
    let (took, _) = clouds.publish(&targets).await;
    assert_is(took, azures().max(by_blocks()), "both");
}

/// The stages of a report are all of its time, and what was waited for is named.
fn assert_tells(report: &TargetReport, took: f64, waits: &[&str]) {
    let all: f64 = report.stages.iter().map(|stage| stage.seconds).sum();
    assert!((took - all).abs() < 1.0, "{took} s, of which {all} s are told");
    let told: Vec<_> = report.stages.iter().flat_map(|stage| &stage.waits).collect();
    for what in waits {
        assert!(told.iter().any(|wait| wait.what == *what), "{what} is not told of: {told:?}");
    }
}
