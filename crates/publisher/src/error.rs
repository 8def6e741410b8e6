use std::{error::Error as StdError, fmt, time::Duration};

use crate::Stage;

/// What this crate's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What sort of failure it is. A backend classifies; only [`retry`](crate::Cx::retry) and the transfer engine decide
/// what follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// The settings are wrong or incomplete. Nothing was attempted.
    Config,
    /// The image cannot be published: its file, its format, or what a cloud allows.
    Image,
    /// There are no credentials, or they are not accepted.
    Credentials,
    /// The identity may not do this.
    Denied,
    /// The resource is not there.
    NotFound,
    /// Something else is already there, or is using it.
    Conflict,
    /// The service refused the request or the content as it is.
    Invalid,
    /// The service asks for fewer requests.
    Throttled,
    /// It may work the next time: a server error, a broken connection, a time-out of one attempt.
    Transient,
    /// It took longer than it may.
    TimedOut,
    /// The user ended the run.
    Cancelled,
    /// A state file cannot be written, or something else on this machine failed.
    Local,
}

impl Kind {
    /// Whether the same request may succeed if it is sent again.
    #[must_use]
    pub fn is_retryable(self) -> bool {
        matches!(self, Self::Throttled | Self::Transient)
    }

    /// The next thing to do about a failure of which no more is known.
    fn advice(self) -> Option<&'static str> {
        match self {
            Self::Throttled => {
                Some("the service has too much to do: publish again later; what is there by then is found")
            }
            Self::Transient | Self::TimedOut => Some("publish again; what is there by then is found"),
            Self::Credentials => Some("log in again; publish doctor says whether the credential is taken"),
            Self::Denied => Some("the identity lacks a permission; publish doctor says which ones it needs"),
            Self::NotFound | Self::Conflict | Self::Invalid => Some(
                "publish doctor says whether all is as publishing needs it; docs/ has known failures with their cures",
            ),
            Self::Config | Self::Image | Self::Cancelled | Self::Local => None,
        }
    }
}

/// A failure with what the user needs to act on it. `Display` is the failure alone; the chain of causes is in
/// [`source`](StdError::source), and the next thing to do in [`hint`](Self::hint).
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: Kind,
    message: String,
    stage: Option<Stage>,
    resource: Option<String>,
    hint: Option<String>,
    retry_after: Option<Duration>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// A failure of `kind`; `message` is a fragment in lower case, such as "cannot create the disk".
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            stage: None,
            resource: None,
            hint: None,
            retry_after: None,
            source: None,
        }))
    }

    /// The run was ended by the user.
    #[must_use]
    pub fn cancelled() -> Self {
        Self::new(Kind::Cancelled, "interrupted")
    }

    /// Another run of the same image is at it, or has what this one needs.
    #[must_use]
    pub fn overtaken(message: impl Into<String>) -> Self {
        Self::new(Kind::Conflict, message).with_hint("publish again when that run has ended: what it has made is found")
    }

    /// Adds what caused it.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Adds the next thing to do.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Adds the resource it is about.
    #[must_use]
    pub fn about(mut self, resource: impl Into<String>) -> Self {
        self.0.resource = Some(resource.into());
        self
    }

    /// Adds how long the service asked to wait.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Option<Duration>) -> Self {
        self.0.retry_after = wait;
        self
    }

    /// Adds the stage, unless one is there already.
    #[must_use]
    pub fn in_stage(mut self, stage: Stage) -> Self {
        self.0.stage.get_or_insert(stage);
        self
    }

    /// Puts `message` in front; kind, hint and waiting time stay those of the cause.
    #[must_use]
    pub fn context(self, message: impl Into<String>) -> Self {
        let (kind, retry_after, hint, stage) = (self.0.kind, self.0.retry_after, self.0.hint.clone(), self.0.stage);
        let mut outer = Self::new(kind, message).with_retry_after(retry_after).caused_by(self);
        (outer.0.hint, outer.0.stage) = (hint, stage);
        outer
    }

    /// What sort of failure it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The stage it happened in.
    #[must_use]
    pub fn stage(&self) -> Option<Stage> {
        self.0.stage
    }

    /// The next thing to do: what is known of this failure, or else of its kind.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref().or_else(|| self.kind().advice())
    }

    /// How long the service asked to wait.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The failure and its causes, in one line.
    #[must_use]
    pub fn in_full(&self) -> String {
        std::iter::once(self.to_string()).chain(self.causes()).collect::<Vec<_>>().join(": ")
    }

    /// The causes, nearest first.
    #[must_use]
    pub fn causes(&self) -> Vec<String> {
        let mut next = self.source();
        std::iter::from_fn(|| {
            let cause = next?;
            next = cause.source();
            Some(cause.to_string())
        })
        .collect()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        match &self.0.resource {
            Some(resource) => write!(f, " {resource}"),
            None => Ok(()),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

impl From<vhd::Error> for Error {
    fn from(error: vhd::Error) -> Self {
        let hint = error.hint();
        let kind = match &error {
            // Nothing is wrong with the image.
            vhd::Error::NoSpace { .. } | vhd::Error::Exists { .. } | vhd::Error::Output { .. } => Kind::Local,
            vhd::Error::Interrupted => Kind::Cancelled,
            _ => Kind::Image,
        };
        let mut outer = Self::new(kind, error.to_string());
        outer.0.hint = hint;
        match error {
            vhd::Error::Io { source, .. }
            | vhd::Error::Output { source, .. }
            | vhd::Error::Compressed { source, .. } => outer.caused_by(source),
            vhd::Error::ImageInfo { source, .. } => outer.caused_by(source),
            _ => outer,
        }
    }
}
