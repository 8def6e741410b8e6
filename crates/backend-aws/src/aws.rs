use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use async_trait::async_trait;
use aws_sdk_ec2::types::ImageState;
use publisher::{
    Attempt, Backend, Check, CloudName, Cx, Error, ImageSpec, Kind, Plan, Region, Replication, Result, RunKey,
    Variables,
};
use vhd::Image;

use crate::{
    Config, Imported, Registered, Replica, Undo, Uploaded,
    client::Clients,
    config::Via,
    doctor, find, identity, import,
    plan::{self, Shape},
    register, replicate, status, undo, upload,
};

/// The AWS backend.
pub struct Aws {
    pub(crate) config: Config,
    pub(crate) spec: ImageSpec,
    pub(crate) clients: Clients,
    /// The account, once it has been asked for.
    pub(crate) account: OnceLock<String>,
    /// What preflight found out; the later stages work by it.
    pub(crate) decided: OnceLock<plan::Decided>,
    /// Names this process in the tags of what it makes: what another has made or taken over is not its to take back. It makes
    /// its client tokens its own, too: AWS answers a token for ever with what it first made, and that may be gone. Across
    /// processes the run's tags say what is there.
    pub(crate) attempt: Attempt,
}

impl fmt::Debug for Aws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aws").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Aws {
    /// A backend for one image under one configuration and environment.
    ///
    /// # Errors
    /// [`Kind::Config`] for a setting that is missing or that AWS would refuse.
    pub async fn new(config: Config, spec: ImageSpec, variables: &Variables) -> Result<Self> {
        config.route()?;
        config.check()?;
        let clients = Clients::load(&config, spec.ca_file.as_deref(), variables).await?;
        let (account, decided) = (OnceLock::new(), OnceLock::new());
        Ok(Self { config, spec, clients, account, decided, attempt: Attempt::new() })
    }

    /// What preflight decided. The later stages run after it, in the same process.
    pub(crate) fn decided(&self) -> Result<&plan::Decided> {
        self.decided.get().ok_or_else(|| Error::new(Kind::Local, "a stage was run before its preflight"))
    }

    /// The home region.
    pub(crate) fn home(&self) -> Result<&str> {
        Ok(self.decided()?.home())
    }
}

#[async_trait]
impl Backend for Aws {
    type Uploaded = Uploaded;
    type Imported = Imported;
    type Registered = Registered;
    type Replica = Replica;
    type Undo = Undo;

    fn name(&self) -> CloudName {
        CloudName("aws")
    }

    async fn run_key(&self, cx: &Cx<Undo>, image: &Image) -> Result<RunKey> {
        let (shape, name, _) = plan::local(self, image)?;
        plan::wanted(self)?;
        Ok(RunKey::new([
            ("cloud", "aws".to_owned()),
            ("account", identity::account(self, cx).await?),
            ("endpoint", self.clients.endpoint().unwrap_or_default().to_owned()),
            ("digest", image.content()?.digest().to_string()),
            ("name", name),
            ("shape", format!("{shape:?}")),
        ]))
    }

    async fn preflight(&self, cx: &Cx<Undo>, image: &Arc<Image>) -> Result<Plan<Registered>> {
        plan::preflight(self, cx, image).await
    }

    async fn upload(&self, cx: &Cx<Undo>, image: &Arc<Image>) -> Result<Uploaded> {
        upload::upload(self, cx, image).await
    }

    async fn import(&self, cx: &Cx<Undo>, uploaded: &Uploaded) -> Result<Imported> {
        import::import(self, cx, uploaded).await
    }

    async fn register(&self, cx: &Cx<Undo>, imported: &Imported) -> Result<Registered> {
        register::register(self, cx, imported).await
    }

    async fn replicate(&self, cx: &Cx<Undo>, registered: &Registered, to: &[Region]) -> Result<Replication<Replica>> {
        replicate::replicate(self, cx, registered, to).await
    }

    async fn status(&self, cx: &Cx<Undo>) -> Result<(Registered, Replication<Replica>)> {
        status::status(self, cx).await
    }

    async fn doctor(&self, cx: &Cx<Undo>) -> Vec<Check> {
        doctor::doctor(self, cx).await
    }

    async fn leftovers(&self, cx: &Cx<Undo>, _: &Registered) -> Result<Vec<Undo>> {
        upload::leftovers(self, cx).await
    }

    async fn is_registered(&self, cx: &Cx<Undo>, undo: &Undo) -> Result<bool> {
        let images = find::images_of_run(self, cx, undo.region()).await?;
        Ok(images.iter().any(|image| matches!(image.state(), Some(ImageState::Available | ImageState::Pending))))
    }

    fn resumes(&self, _: &Cx<Undo>, undo: &Undo) -> bool {
        if self.home().ok() != Some(undo.region()) {
            return false;
        }
        match (undo, self.config.route()) {
            // Snapshots are looked for whatever the route.
            (Undo::DeleteSnapshots { .. } | Undo::DeregisterImages { .. }, _) => true,
            (Undo::CancelImports { .. }, Ok(Via::S3(_))) => true,
            (Undo::DeleteObject { bucket, .. }, Ok(Via::S3(now))) => bucket == now,
            (_, _) => false,
        }
    }

    async fn place(&self, cx: &Cx<Undo>) -> Result<String> {
        let account = identity::account(self, cx).await?;
        Ok(format!("{}, account {account}", self.clients.endpoint().unwrap_or("AWS")))
    }

    async fn undo(&self, cx: &Cx<Undo>, undo: &Undo) -> Result<()> {
        undo::undo(self, cx, undo).await
    }
}

/// Boot mode, architecture and volume size in GiB that an image has on AWS under a configuration.
///
/// # Errors
/// Why AWS would not take it.
pub fn shape(config: &Config, image: &Image) -> Result<(String, String, u32)> {
    Shape::of(config, image).map(|shape| (shape.boot_mode, shape.architecture, shape.volume_size))
}
