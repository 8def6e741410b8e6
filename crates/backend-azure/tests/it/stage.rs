//! A sandbox, an image and a backend, ready to publish.

use std::{
    fs::File,
    os::unix::fs::FileExt,
    sync::{Arc, Mutex},
};

use backend_azure::{Azure, Config};
use publisher::{
    CloudName, Event, ImageSpec, Mode, Names, Pipeline, Region, Reporter, Runtime, Silent, Target, TargetReport,
    Variables,
};
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

    /// Runs, and gives the percentages of each region in their order.
    pub async fn watched(&self, between: impl AsyncFnOnce()) -> (TargetReport, Vec<(String, u8)>) {
        let reporter = Arc::new(Percentages::default());
        let runtime = Runtime::new(reporter.clone(), Some(self.dir.path().join("state")));
        let pipeline = Pipeline::new(self.backend().unwrap());
        let (report, ()) = tokio::join!(pipeline.publish(&runtime, &self.image, Mode::Publish), between());
        let seen = reporter.0.lock().unwrap().clone();
        (report, seen)
    }

    /// Runs, and gives what it warned of.
    pub async fn warned(&self) -> (TargetReport, Vec<String>) {
        let reporter = Arc::new(Warnings::default());
        let runtime = Runtime::new(reporter.clone(), Some(self.dir.path().join("state")));
        let report = Pipeline::new(self.backend().unwrap()).publish(&runtime, &self.image, Mode::Publish).await;
        let seen = reporter.0.lock().unwrap().clone();
        (report, seen)
    }

    pub async fn status(&self) -> TargetReport {
        Pipeline::new(self.backend().unwrap()).status(&self.runtime()).await
    }

    /// Puts another image in the place of this one.
    pub fn replace_image(&mut self, content: &[u8]) {
        let path = self.dir.path().join("other.raw");
        std::fs::write(&path, content).unwrap();
        self.image = Arc::new(Image::open(path).unwrap());
    }

    /// The disk that a version, or a managed image, has in the sandbox.
    pub fn content_of(&self, kind: &str) -> Image {
        let audit = self.audit();
        let content = audit["azure"][kind][0]["content"].as_str().unwrap();
        Image::open(self.sandbox.content_file(content).unwrap()).unwrap()
    }

    /// How often an operation was asked for.
    pub fn requests(&self, operation: &str) -> u64 {
        self.audit()["traffic"][operation]["requests"].as_u64().unwrap_or(0)
    }

    /// Makes calls go wrong, by a rule as the sandbox's audit takes it.
    pub fn fault(&self, rule: &str) {
        self.sandbox.add_fault(rule.parse().unwrap());
    }

    pub fn audit(&self) -> Value {
        self.sandbox.state()
    }

    /// How many resources of a kind the sandbox holds.
    pub fn count(&self, kind: &str) -> usize {
        self.audit()["azure"][kind].as_array().unwrap().len()
    }
}

/// Keeps how far each region was said to be.
#[derive(Debug, Default)]
pub struct Percentages(Mutex<Vec<(String, u8)>>);

impl Reporter for Percentages {
    fn report(&self, _: CloudName, event: Event) {
        if let Event::Region { region: Region(name), percent } = event {
            self.0.lock().unwrap().push((name, percent));
        }
    }
}

/// Keeps what was warned of.
#[derive(Debug, Default)]
pub struct Warnings(Mutex<Vec<String>>);

impl Reporter for Warnings {
    fn report(&self, _: CloudName, event: Event) {
        if let Event::Warning { message } = event {
            self.0.lock().unwrap().push(message);
        }
    }
}
