//! A cloud in memory. Each stage makes one thing, and each can be made to fail before or after it has.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use publisher::{
    Artifact, Backend, Check, CloudName, Cx, Error, Kind, Plan, Region, RegionOutcome, RegionState, Replication,
    Result, RunKey, Stage, UndoId,
};
use serde::{Deserialize, Serialize};
use vhd::Image;

/// What there is, and what was done, in order.
#[derive(Debug, Default)]
pub struct Cloud {
    pub things: BTreeSet<String>,
    pub log: Vec<String>,
}

#[derive(Clone, Debug, Default)]
pub struct Scripted {
    pub cloud: Arc<Mutex<Cloud>>,
    /// The stage that fails, and whether its thing is made before it does.
    pub fail: Option<(Stage, bool)>,
    /// The stage that never ends.
    pub hang: Option<Stage>,
    /// Which act of a killed run it goes on from.
    pub resumes: Option<String>,
    /// Where it says that it is.
    pub place: String,
    /// Whether preflight finds the image, and looking for leftovers never ends.
    pub is_found: bool,
    /// Whether another process has published what it registered.
    pub is_published: bool,
    /// Whether the first attempt at every undo fails in a way that may pass.
    pub undo_stutters: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Made {
    pub thing: String,
    pub undo: UndoId,
}

impl Artifact for Made {
    fn resources(&self) -> Vec<(&'static str, String)> {
        vec![("thing", self.thing.clone())]
    }
}

impl Scripted {
    async fn make(&self, cx: &Cx<String>, stage: Stage, always: bool) -> Result<Made> {
        let thing = stage.to_string();
        let undo = if always { cx.always(thing.clone()).await? } else { cx.on_failure(thing.clone()).await? };
        if self.hang == Some(stage) {
            self.cloud.lock().unwrap().things.insert(thing.clone());
            std::future::pending::<()>().await;
        }
        if self.fail == Some((stage, false)) {
            return Err(Error::new(Kind::Denied, format!("no {thing}")));
        }
        self.cloud.lock().unwrap().things.insert(thing.clone());
        if self.fail == Some((stage, true)) {
            return Err(Error::new(Kind::Denied, format!("no {thing}")));
        }
        Ok(Made { thing, undo })
    }
}

#[async_trait]
impl Backend for Scripted {
    type Uploaded = Made;
    type Imported = Made;
    type Registered = Made;
    type Replica = Made;
    type Undo = String;

    fn name(&self) -> CloudName {
        CloudName("scripted")
    }

    async fn run_key(&self, _: &Cx<String>, image: &Image) -> Result<RunKey> {
        Ok(RunKey::new([("digest", image.content()?.digest().to_string())]))
    }

    async fn preflight(&self, _: &Cx<String>, _: &Arc<Image>) -> Result<Plan<Made>> {
        if self.fail == Some((Stage::Preflight, false)) {
            return Err(Error::new(Kind::Config, "no preflight"));
        }
        Ok(Plan {
            steps: vec!["make things".into()],
            regions: vec![Region("here".into())],
            denied: Vec::new(),
            found: self.is_found.then(|| Made { thing: "register".into(), undo: UndoId::default() }),
        })
    }

    async fn upload(&self, cx: &Cx<String>, _: &Arc<Image>) -> Result<Made> {
        self.make(cx, Stage::Upload, true).await
    }

    async fn import(&self, cx: &Cx<String>, _: &Made) -> Result<Made> {
        self.make(cx, Stage::Import, false).await
    }

    async fn register(&self, cx: &Cx<String>, imported: &Made) -> Result<Made> {
        let made = self.make(cx, Stage::Register, false).await?;
        cx.settle([made.undo, imported.undo]).await?;
        Ok(made)
    }

    async fn replicate(&self, cx: &Cx<String>, registered: &Made, to: &[Region]) -> Result<Replication<Made>> {
        if self.hang == Some(Stage::Replicate) {
            cx.sleep(std::time::Duration::from_secs(1 << 30)).await?;
        }
        let state = |region: &Region| match self.fail {
            Some((Stage::Replicate, _)) => {
                RegionState::failed(Error::new(Kind::Invalid, format!("no room in {region}")))
            }
            _ if !cx.waits() => RegionState::Pending { replica: Some(registered.clone()), percent: Some(30) },
            _ => RegionState::Available(registered.clone()),
        };
        let regions = to.iter().map(|region| RegionOutcome::new(region.clone(), state(region))).collect();
        Ok(Replication { regions, changed: true, resources: Vec::new() })
    }

    async fn status(&self, _: &Cx<String>) -> Result<(Made, Replication<Made>)> {
        Err(Error::new(Kind::NotFound, "nothing was registered"))
    }

    async fn doctor(&self, _: &Cx<String>) -> Vec<Check> {
        Vec::new()
    }

    async fn leftovers(&self, _: &Cx<String>, _: &Made) -> Result<Vec<String>> {
        if self.is_found {
            std::future::pending::<()>().await;
        }
        Ok(Vec::new())
    }

    async fn is_registered(&self, _: &Cx<String>, undo: &String) -> Result<bool> {
        Ok(undo == "register" && self.is_published)
    }

    fn resumes(&self, _: &Cx<String>, undo: &String) -> bool {
        self.resumes.as_deref() == Some(undo)
    }

    async fn place(&self, _: &Cx<String>) -> Result<String> {
        Ok(self.place.clone())
    }

    async fn undo(&self, cx: &Cx<String>, undo: &String) -> Result<()> {
        // As an undo that waits for a long operation does: it works after the run was cancelled too.
        cx.sleep(std::time::Duration::from_millis(1)).await?;
        let mut cloud = self.cloud.lock().unwrap();
        cloud.log.push(format!("undo {undo}"));
        let first = cloud.log.iter().filter(|entry| **entry == format!("undo {undo}")).count() == 1;
        if self.undo_stutters && first {
            return Err(Error::new(Kind::Transient, "not now"));
        }
        cloud.things.remove(undo);
        Ok(())
    }
}
