use std::{fmt, sync::Arc};

use async_trait::async_trait;
use azure_core::http::Transport;
use publisher::{
    Attempt, Backend, Check, CloudName, Cx, Error, ImageSpec, Kind, Plan, Region, Replication, Result, RunKey,
    Variables,
};
use tokio::sync::OnceCell;
use vhd::Image;

use crate::{
    Config, Destination, Imported, Registered, Replica, Undo, Uploaded,
    client::{self, Arm},
    doctor, import,
    names::{self, Names},
    plan::{self, Shape},
    register, replicate, status, undo, upload,
    version::Version,
};

/// The Azure backend.
pub struct Azure {
    pub(crate) config: Config,
    pub(crate) spec: ImageSpec,
    pub(crate) names: Names,
    pub(crate) arm: Arc<Arm>,
    pub(crate) transport: Transport,
    /// The home region where the configuration names none, from the variable that `az` reads.
    pub(crate) home: Option<String>,
    /// Names this process in the tags of what it makes: what another has made or taken over is not its to take back.
    pub(crate) attempt: Attempt,
    /// What preflight found out; the later stages work by it.
    pub(crate) decided: OnceCell<plan::Decided>,
}

impl fmt::Debug for Azure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Azure").field("names", &self.names).finish_non_exhaustive()
    }
}

impl Azure {
    /// A backend for one image under one configuration and environment. Asks no cloud.
    ///
    /// # Errors
    /// [`Kind::Config`] for a setting that is missing or that Azure would refuse, [`Kind::Credentials`] if there is no
    /// credential to begin with.
    pub fn new(config: Config, spec: ImageSpec, variables: &Variables) -> Result<Self> {
        config.check()?;
        let names = resolve_names(&config, &spec, variables)?;
        let home = variables.get("AZURE_DEFAULTS_LOCATION").map(str::to_owned);
        if let Some(version) = &spec.version
            && Version::of(version).is_none()
        {
            return Err(Error::new(
                Kind::Config,
                format!("the version is \"{version}\", which cannot be made one of Azure's, three numbers"),
            )
            .with_hint("such as --version 1.4.0, 25.05.20250629.b43c397, or a date: 2026-11-21"));
        }
        let transport = client::transport(config.resource_manager(), spec.ca_file.as_deref())?;
        let credential = client::Credential::new(&config, variables, &transport)?;
        let arm = Arc::new(Arm::new(config.resource_manager(), credential, transport.clone())?);
        Ok(Self { config, spec, names, arm, transport, home, attempt: Attempt::new(), decided: OnceCell::new() })
    }

    /// The version that is asked for.
    pub(crate) fn version(&self) -> Option<Version> {
        self.spec.version.as_deref().and_then(Version::of)
    }

    /// Whether the managed image stays, because it is what is wanted or because it is to be kept.
    pub(crate) fn keeps_image(&self) -> bool {
        self.config.destination() == Destination::ManagedImage || self.config.keep_image.unwrap_or_default()
    }

    /// What preflight decided. The later stages run after it, in the same process.
    pub(crate) fn decided(&self) -> Result<&plan::Decided> {
        self.decided.get().ok_or_else(|| Error::new(Kind::Local, "a stage was run before its preflight"))
    }
}

fn resolve_names(config: &Config, spec: &ImageSpec, variables: &Variables) -> Result<Names> {
    let variable = |name: &str| variables.get(name).map(str::to_owned);
    let missing = |setting: &str, flag: &str, variable: &str| {
        Error::new(Kind::Config, format!("azure.{setting} is not set"))
            .with_hint(format!("set it in publish.toml, as PUBLISH_AZURE__{flag}, or as {variable}"))
    };
    let subscription = config.subscription.clone().or_else(|| variable("AZURE_SUBSCRIPTION_ID"));
    let group = config.resource_group.clone().or_else(|| variable("AZURE_DEFAULTS_GROUP"));
    let image = names::cleaned(&spec.name);
    let names = Names {
        subscription: subscription.ok_or_else(|| missing("subscription", "SUBSCRIPTION", "AZURE_SUBSCRIPTION_ID"))?,
        resource_group: group.ok_or_else(|| missing("resource_group", "RESOURCE_GROUP", "AZURE_DEFAULTS_GROUP"))?,
        gallery: config.gallery.clone().unwrap_or_else(|| "publish".to_owned()),
        definition: config.definition.clone().unwrap_or_else(|| image.clone()),
        image,
    };
    names.check()?;
    Ok(names)
}

#[async_trait]
impl Backend for Azure {
    type Uploaded = Uploaded;
    type Imported = Imported;
    type Registered = Registered;
    type Replica = Replica;
    type Undo = Undo;

    fn name(&self) -> CloudName {
        CloudName("azure")
    }

    async fn run_key(&self, _: &Cx<Undo>, image: &Image) -> Result<RunKey> {
        let shape = Shape::of(&self.config, image)?;
        Ok(RunKey::new([
            ("cloud", "azure".to_owned()),
            ("endpoint", self.config.resource_manager().to_owned()),
            ("digest", image.content()?.digest().to_string()),
            ("destination", format!("{:?}", self.config.destination())),
            ("definition", self.names.definition().to_lowercase()),
            ("version", self.version().map(|version| version.to_string()).unwrap_or_default()),
            ("shape", format!("{shape:?}")),
        ]))
    }

    async fn preflight(&self, cx: &Cx<Undo>, image: &Arc<Image>) -> Result<Plan<Registered>> {
        plan::preflight(self, cx, image).await
    }

    async fn upload(&self, cx: &Cx<Undo>, _: &Arc<Image>) -> Result<Uploaded> {
        upload::upload(self, cx).await
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

    async fn leftovers(&self, cx: &Cx<Undo>, registered: &Registered) -> Result<Vec<Undo>> {
        upload::leftovers(self, cx, registered).await
    }

    async fn is_registered(&self, cx: &Cx<Undo>, undo: &Undo) -> Result<bool> {
        register::is_registered(self, cx, undo).await
    }

    /// Each stage looks first for what has the name of its own.
    fn resumes(&self, cx: &Cx<Undo>, undo: &Undo) -> bool {
        let Ok(decided) = self.decided() else { return false };
        match undo {
            Undo::EndAccess { .. } | Undo::DeleteDisk { .. } => true,
            Undo::DeleteImage { image, .. } => *image == import::image_id(self, cx, decided),
            Undo::DeleteVersion { version, .. } => *version == self.names.version(&decided.version.to_string()),
        }
    }

    async fn place(&self, _: &Cx<Undo>) -> Result<String> {
        Ok(format!("{}, subscription {}", self.config.resource_manager(), self.names.subscription))
    }

    async fn undo(&self, cx: &Cx<Undo>, undo: &Undo) -> Result<()> {
        undo::undo(self, cx, undo).await
    }
}

/// Generation, architecture and disk size in bytes that an image has on Azure under a configuration.
///
/// # Errors
/// Why Azure would not take it.
pub fn shape(config: &Config, image: &Image) -> Result<(String, String, u64)> {
    Shape::of(config, image).map(|shape| (shape.generation, shape.architecture, shape.disk_size))
}
