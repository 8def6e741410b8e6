use std::{fmt, sync::Arc};

use async_trait::async_trait;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use vhd::Image;

use crate::{Check, Cx, Error, Result, RunKey};

/// What a journal can hold: it survives the process.
pub trait Durable: Serialize + DeserializeOwned + Clone + fmt::Debug + Send + Sync + 'static {}

impl<T: Serialize + DeserializeOwned + Clone + fmt::Debug + Send + Sync + 'static> Durable for T {}

/// What a stage leaves behind in a cloud and a user may want to name.
pub trait Artifact: Durable {
    /// The resources in it: what each is (`image_version`, `ami`, …) and its id.
    fn resources(&self) -> Vec<(&'static str, String)>;
}

/// The name of a cloud, as the command line and the report have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct CloudName(pub &'static str);

impl fmt::Display for CloudName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

/// A region by its programmatic name, such as `westus2` or `us-east-1`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Region(pub String);

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The stages of a run, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Checks, and reads only.
    Preflight,
    /// The bytes.
    Upload,
    /// From bytes to something the cloud can make an image of.
    Import,
    /// The image, in its home region.
    Register,
    /// The image, everywhere else.
    Replicate,
}

impl Stage {
    /// What it is called.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Preflight => "preflight",
            Self::Upload => "upload",
            Self::Import => "import",
            Self::Register => "register",
            Self::Replicate => "replicate",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What a run is going to do, as far as reading alone can tell.
#[derive(Clone, Debug)]
pub struct Plan<R> {
    /// Each change that would be made, in order, in words.
    pub steps: Vec<String>,
    /// Where the image has to be in the end, the home region first.
    pub regions: Vec<Region>,
    /// What the identity may not do of it, as the cloud names its actions; asked for a plan alone, and where the cloud
    /// answers that.
    pub denied: Vec<String>,
    /// The image, if an earlier run of the same key registered it: nothing is uploaded again.
    pub found: Option<R>,
}

/// How replication ended, region by region.
#[derive(Debug)]
pub struct Replication<R> {
    /// One outcome for each region that was asked for.
    pub regions: Vec<RegionOutcome<R>>,
    /// Whether anything had to be changed.
    pub changed: bool,
    /// What there is in the end, in place of what registering left: what it is, and its id.
    pub resources: Vec<(&'static str, String)>,
}

/// What became of one region.
#[derive(Debug)]
pub struct RegionOutcome<R> {
    /// The region.
    pub region: Region,
    /// What became of it.
    pub state: RegionState<R>,
    /// Whether the run has failed if the region has.
    pub required: bool,
}

impl<R> RegionOutcome<R> {
    /// What became of a region that has to have the image.
    pub fn new(region: Region, state: RegionState<R>) -> Self {
        Self { region, state, required: true }
    }

    /// Whether the region failed, and had to have the image.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        self.required && matches!(self.state, RegionState::Failed { .. })
    }
}

/// What became of one region.
#[derive(Debug)]
pub enum RegionState<R> {
    /// The image can be used there.
    Available(R),
    /// The cloud is still at it.
    Pending {
        /// What will be there.
        replica: Option<R>,
        /// How far it is, where the cloud tells.
        percent: Option<u8>,
    },
    /// It failed.
    Failed {
        /// What is there all the same.
        replica: Option<R>,
        /// Why, with the cloud's own words.
        error: Error,
    },
}

impl<R> RegionState<R> {
    /// A failure that left nothing there.
    pub fn failed(error: Error) -> Self {
        Self::Failed { replica: None, error }
    }
}

/// A cloud that images can be published to.
///
/// A run is `preflight`, then the four stages in order, each taking what the one before it left. The types of the
/// artifacts make another order impossible to write. [`Pipeline`](crate::Pipeline) is the only caller.
///
/// # Contract
///
/// **What a stage may assume.** The artifact it is given is what the stage before it returned, in this process or in an
/// earlier one: it is serialised into the journal between the two, so it holds ids and sizes, and no handles and no
/// secrets. The image is the one `preflight` saw. Two runs of the same key may be under way at once.
///
/// **What a stage must leave.** On success: everything its artifact names exists, is whole, and carries the run key and
/// the image's digest as tags from its creation on. On failure: nothing that is not covered by an undo. Before any
/// request that creates something or opens an access, the stage hands the undo to [`Cx::always`] or
/// [`Cx::on_failure`], which return only when it is on disk; a stage whose act made the undo pointless (an access that
/// it has itself revoked) says so with [`Cx::settle`].
///
/// **Idempotent** means: called again with the same artifact after any cut-off (before a request, after it was sent, after
/// its answer), a stage ends in the same state as if it had been called once. It asks the cloud what is there (by name,
/// tag or client token derived from the run key) before it makes anything, takes what is its own, and refuses what is
/// not with [`Kind::Conflict`](crate::Kind::Conflict). A change that is already made is a success and no mutation.
///
/// **Errors.** A stage classifies what the cloud says into a [`Kind`](crate::Kind) and sends nothing twice on its own
/// account: [`Cx::retry`], [`Cx::poll`] and the transfer engine do that, within the run's one budget. So the SDK's own retries
/// are off. A message never holds a signature, a token or a key.
///
/// **Cancellation.** A stage's future may be dropped at any await. It keeps no state whose loss would matter.
///
/// **Resuming.** A run whose process was killed is gone through again from its first stage, and each stage finds in the cloud
/// what it had made: so a journal that is lost with its machine costs nothing. What the cloud cannot tell, such as which blocks
/// of a pending snapshot are there, a sink notes with [`Cx::note_sent`], and finds again with [`Cx::sent`]. What it takes over
/// it makes its own by its attempt ([`Attempt`](crate::Attempt)); whoever had it before finds that out, and says whose it is.
#[async_trait]
pub trait Backend: fmt::Debug + Send + Sync + 'static {
    /// What `upload` leaves: the bytes are there.
    type Uploaded: Durable;
    /// What `import` leaves: the cloud has looked at the bytes and taken them.
    type Imported: Durable;
    /// What `register` leaves: the image can be used in its home region.
    type Registered: Artifact;
    /// The image in one region.
    type Replica: Artifact;
    /// How to take one act back. Shown as what is left behind where that fails.
    type Undo: Durable + fmt::Display;

    /// The name of the cloud.
    fn name(&self) -> CloudName;

    /// The identity of a run of this image with this configuration, in this account: what one account has is found and taken
    /// back in no other. Asks the cloud for nothing but that account, where the configuration does not name it, and not even
    /// for that if the image or the configuration would be refused.
    ///
    /// # Errors
    /// [`Kind::Image`](crate::Kind::Image) or [`Kind::Config`](crate::Kind::Config) for what the cloud would refuse, and what
    /// it answers.
    async fn run_key(&self, cx: &Cx<Self::Undo>, image: &Image) -> Result<RunKey>;

    /// Checks everything that can be checked without changing anything: what the cloud would say of the image and of the
    /// configuration (both without asking it), then credentials, regions, and what is there already.
    ///
    /// # Errors
    /// Whatever would make a later stage fail, found before the first mutating request.
    async fn preflight(&self, cx: &Cx<Self::Undo>, image: &Arc<Image>) -> Result<Plan<Self::Registered>>;

    /// Brings the bytes to the cloud, and no zeros that need not be sent.
    ///
    /// # Errors
    /// See the contract.
    async fn upload(&self, cx: &Cx<Self::Undo>, image: &Arc<Image>) -> Result<Self::Uploaded>;

    /// Has the cloud validate and take over what was uploaded, and removes what only the upload needed.
    ///
    /// # Errors
    /// See the contract. What the cloud gives as its reason is part of the message.
    async fn import(&self, cx: &Cx<Self::Undo>, uploaded: &Self::Uploaded) -> Result<Self::Imported>;

    /// Makes the image in the home region.
    ///
    /// # Errors
    /// See the contract. A different image under the same name is a [`Kind::Conflict`](crate::Kind::Conflict).
    async fn register(&self, cx: &Cx<Self::Undo>, imported: &Self::Imported) -> Result<Self::Registered>;

    /// Brings the image to all regions, at the same time, and waits until each has it or has failed; if the run does not
    /// wait ([`Cx::waits`]), until the cloud has accepted it.
    ///
    /// # Errors
    /// Only what concerns all regions. A region that fails is an outcome, and stops no other.
    async fn replicate(
        &self,
        cx: &Cx<Self::Undo>,
        registered: &Self::Registered,
        to: &[Region],
    ) -> Result<Replication<Self::Replica>>;

    /// Looks at what an earlier run registered under the name and version that are configured; at the latest, where no
    /// version is. Reads only.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if there is nothing.
    async fn status(&self, cx: &Cx<Self::Undo>) -> Result<(Self::Registered, Replication<Self::Replica>)>;

    /// Looks at all that publishing as configured needs, one thing after the other: who the identity is, what it may do, where
    /// the image is to go. Reads only; what is wrong is a finding and not a failure.
    async fn doctor(&self, cx: &Cx<Self::Undo>) -> Vec<Check>;

    /// What is left in the cloud of the runs of this key that only making the image needed, and that the image needs no more.
    /// Asked where the image is there; where it is still to be made, making it takes over or discards what is there. Reads only.
    ///
    /// # Errors
    /// What the cloud answers.
    async fn leftovers(&self, cx: &Cx<Self::Undo>, registered: &Self::Registered) -> Result<Vec<Self::Undo>>;

    /// Whether an image of the run's is there, in the place that an act was done in: by now others may have published it. Reads
    /// only.
    ///
    /// # Errors
    /// What the cloud answers.
    async fn is_registered(&self, cx: &Cx<Self::Undo>, undo: &Self::Undo) -> Result<bool>;

    /// Whether a run that goes on from a killed one finds, and takes over or discards, what this act of the killed one made. Any
    /// other act is taken back before it goes on. Asked after preflight.
    fn resumes(&self, cx: &Cx<Self::Undo>, undo: &Self::Undo) -> bool;

    /// Where acts are done, in words: endpoint, and account or subscription. What one place has is not taken back in another.
    ///
    /// # Errors
    /// What the cloud answers, where it has to be asked for the account.
    async fn place(&self, cx: &Cx<Self::Undo>) -> Result<String>;

    /// Takes one act back. What is not there any more is success.
    ///
    /// # Errors
    /// What the cloud answers.
    async fn undo(&self, cx: &Cx<Self::Undo>, undo: &Self::Undo) -> Result<()>;
}
