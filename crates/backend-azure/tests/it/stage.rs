//! A sandbox, an image and a backend, ready to publish.

use std::{fs::File, os::unix::fs::FileExt, sync::Arc};

use backend_azure::{Azure, Config};
use publisher::{ImageSpec, Mode, Names, Pipeline, Runtime, Silent, Target, TargetReport, Variables};
use sandbox::{Pace, Sandbox, Settings};
use serde_json::Value;
use tempfile::TempDir;
use vhd::Image;

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
    pub async fn new() -> Self {
        Self::paced(Pace::instant()).await
    }

    /// The same, with long operations that are long.
    pub async fn paced(pace: Pace) -> Self {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("disk.raw");
        let file = File::create(&path).unwrap();
        file.set_len(24 << 20).unwrap();
        file.write_all_at(&[7; 9000], 0).unwrap();
        file.write_all_at(&[8; 5 << 20], 10 << 20).unwrap();
        file.write_all_at(&[9; 512], (24 << 20) - 512).unwrap();
        let sandbox = Sandbox::start(Settings { pace, ..Settings::new(dir.path().join("sandbox")) }).await.unwrap();
        let config = Config { regions: Some(Names::parse("westus2,West US")), ..Config::default() };
        let spec = ImageSpec {
            name: "ecs-node".into(),
            ca_file: Some(sandbox.ca_file().to_owned()),
            tags: [("team".to_owned(), "platform".to_owned())].into(),
            ..ImageSpec::default()
        };
        Self { image: Arc::new(Image::open(path).unwrap()), dir, sandbox, config, spec }
    }

    pub fn variables(&self) -> Variables {
        self.sandbox.environment().iter().collect()
    }

    pub fn backend(&self) -> publisher::Result<Azure> {
        self.backend_with(&self.variables())
    }

    /// A backend in another environment.
    pub fn backend_with(&self, variables: &Variables) -> publisher::Result<Azure> {
        let mut config = self.config.clone();
        let url = Some(self.sandbox.url());
        config.endpoints = Some(backend_azure::Endpoints { resource_manager: url.clone(), authority: url });
        Azure::new(config, self.spec.clone(), variables)
    }

    pub fn runtime(&self) -> Runtime {
        Runtime::new(Arc::new(Silent), Some(self.dir.path().join("state")))
    }

    pub async fn publish(&self) -> TargetReport {
        self.run(Mode::Publish).await
    }

    pub async fn run(&self, mode: Mode) -> TargetReport {
        Pipeline::new(self.backend().unwrap()).publish(&self.runtime(), &self.image, mode).await
    }

    pub fn audit(&self) -> Value {
        self.sandbox.state()
    }

    /// How many resources of a kind the sandbox holds.
    pub fn count(&self, kind: &str) -> usize {
        self.audit()["azure"][kind].as_array().unwrap().len()
    }
}
