use std::process::ExitCode;

use publisher::{Kind, Status, TargetReport};

/// How the program ends. The numbers are part of its interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done, or there was nothing to do.
    Done,
    /// It failed.
    Failed,
    /// The command line or the configuration is wrong; nothing was attempted. `clap` uses the same number.
    Usage,
    /// Some regions or clouds failed, and some did not.
    Partly,
    /// The user ended it.
    Interrupted,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Partly => 3,
            Exit::Interrupted => 130,
        })
    }
}

impl Exit {
    /// How a run over these targets ended.
    pub fn of(targets: &[TargetReport]) -> Self {
        let is = |status: Status| move |target: &TargetReport| target.status == status;
        let misconfigured =
            |target: &TargetReport| target.error.as_ref().is_some_and(|error| error.kind == Kind::Config);
        if targets.iter().any(is(Status::Interrupted)) {
            Self::Interrupted
        } else if targets.iter().any(is(Status::Partial)) {
            Self::Partly
        } else if targets.iter().all(|target| target.status == Status::Failed && misconfigured(target)) {
            Self::Usage
        } else if targets.iter().all(is(Status::Failed)) {
            Self::Failed
        } else if targets.iter().any(is(Status::Failed)) {
            Self::Partly
        } else {
            Self::Done
        }
    }
}

#[cfg(test)]
mod tests {
    use publisher::{CloudName, Error};

    use super::*;

    fn target(status: Status, kind: Option<Kind>) -> TargetReport {
        let report = TargetReport::failed(CloudName("x"), &Error::new(kind.unwrap_or(Kind::Denied), "x"));
        TargetReport { status, ..report }
    }

    #[test]
    fn the_worst_that_is_not_all_is_partly() {
        let of =
            |statuses: &[Status]| Exit::of(&statuses.iter().map(|status| target(*status, None)).collect::<Vec<_>>());
        assert_eq!(of(&[Status::Published, Status::Unchanged]), Exit::Done);
        assert_eq!(of(&[Status::Planned]), Exit::Done);
        assert_eq!(of(&[Status::Published, Status::Failed]), Exit::Partly);
        assert_eq!(of(&[Status::Partial]), Exit::Partly);
        assert_eq!(of(&[Status::Failed, Status::Failed]), Exit::Failed);
        assert_eq!(of(&[Status::Published, Status::Interrupted]), Exit::Interrupted);
    }

    #[test]
    fn a_wrong_setting_everywhere_is_usage() {
        assert_eq!(Exit::of(&[target(Status::Failed, Some(Kind::Config))]), Exit::Usage);
        let mixed = [target(Status::Failed, Some(Kind::Config)), target(Status::Failed, None)];
        assert_eq!(Exit::of(&mixed), Exit::Failed);
    }
}
