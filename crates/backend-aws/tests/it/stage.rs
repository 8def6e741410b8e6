//! A sandbox, an image and a backend, ready to publish.

use std::{fs::File, os::unix::fs::FileExt, sync::Arc};

use backend_aws::{Aws, Config, Route};
use publisher::{Check, ImageSpec, Mode, Names, Pipeline, Runtime, Silent, Target, TargetReport, Variables};
use sandbox::{Pace, Sandbox, Settings};
use serde_json::Value;
use tempfile::TempDir;
use vhd::Image;

pub const HOME: &str = "us-east-1";
pub const OTHER: &str = "eu-west-1";
pub const BOTH: [Route; 2] = [Route::S3, Route::Ebs];

/// Everything a test needs; the sandbox ends with it.
pub struct Stage {
    pub dir: TempDir,
    pub sandbox: Sandbox,
    pub image: Arc<Image>,
    pub config: Config,
    pub spec: ImageSpec,
}

impl Stage {
    /// An image of 24 MiB with data at both ends and holes between.
    pub async fn new(route: Route) -> Self {
        Self::paced(route, Pace::instant()).await
    }

    /// The same, with long operations that are long.
    pub async fn paced(route: Route, pace: Pace) -> Self {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("disk.raw");
        let file = File::create(&path).unwrap();
        file.set_len(24 << 20).unwrap();
        file.write_all_at(&[7; 9000], 0).unwrap();
        file.write_all_at(&[8; 11 << 20], 4 << 20).unwrap();
        file.write_all_at(&[9; 512], (24 << 20) - 512).unwrap();
        let sandbox = Sandbox::start(Settings { pace, ..Settings::new(dir.path().join("sandbox")) }).await.unwrap();
        let config = Config {
            regions: Some(Names::parse(&format!("{HOME},{OTHER}"))),
            bucket: (route == Route::S3).then(|| "publish-sandbox".to_owned()),
            endpoint_url: Some(sandbox.url()),
            ..Config::default()
        };
        let spec = ImageSpec {
            name: "ecs-node".into(),
            version: Some("1.0.0".into()),
            ca_file: Some(sandbox.ca_file().to_owned()),
            tags: [("team".to_owned(), "platform".to_owned())].into(),
            ..ImageSpec::default()
        };
        Self { image: Arc::new(Image::open(path).unwrap()), dir, sandbox, config, spec }
    }

    /// Leaves the beginning of the image alone.
    pub fn shrink_to(&mut self, size: u64) {
        let path = self.dir.path().join("small.raw");
        std::fs::copy(self.dir.path().join("disk.raw"), &path).unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        file.set_len(size).unwrap();
        file.write_all_at(&[6; 1 << 20], size - (1 << 20)).unwrap();
        self.image = Arc::new(Image::open(path).unwrap());
    }

    pub fn variables(&self) -> Variables {
        self.sandbox.environment().iter().collect()
    }

    pub async fn backend(&self) -> publisher::Result<Aws> {
        Aws::new(self.config.clone(), self.spec.clone(), &self.variables()).await
    }

    pub fn runtime(&self) -> Runtime {
        Runtime::new(Arc::new(Silent), Some(self.dir.path().join("state")))
    }

    pub async fn publish(&self) -> TargetReport {
        self.run(Mode::Publish).await
    }

    pub async fn run(&self, mode: Mode) -> TargetReport {
        Pipeline::new(self.backend().await.unwrap()).publish(&self.runtime(), &self.image, mode).await
    }

    pub async fn status(&self) -> TargetReport {
        Pipeline::new(self.backend().await.unwrap()).status(&self.runtime()).await
    }

    pub async fn doctor(&self) -> Vec<Check> {
        Pipeline::new(self.backend().await.unwrap()).doctor(&self.runtime()).await
    }

    /// Makes calls go wrong, by a rule as the sandbox's audit takes it.
    pub fn fault(&self, rule: &str) {
        self.sandbox.add_fault(rule.parse().unwrap());
    }

    pub fn audit(&self) -> Value {
        self.sandbox.state()
    }

    /// What the sandbox holds in a region.
    pub fn list(&self, region: &str, kind: &str) -> Vec<Value> {
        self.audit()["aws"][region][kind].as_array().cloned().unwrap_or_default()
    }

    /// That nothing of the run is left anywhere.
    pub fn assert_empty(&self, what: &str) {
        for region in [HOME, OTHER] {
            for kind in ["images", "snapshots", "s3_objects", "uploads"] {
                assert_eq!(self.list(region, kind), Vec::<Value>::new(), "{what}: {kind} in {region}");
            }
        }
    }
}
