//! What is done with an AMI once it is in all regions that have to have it.

use aws_sdk_ec2::types::Image;
use futures::future::join_all;
use publisher::{Cx, Event, RegionOutcome, RegionState, Result};

use super::Replica;
use crate::{Aws, Config, Undo, deprecation, parameters, sharing};

/// One step, in all regions. The next one is taken only when no region that has to have the image failed: nothing is public,
/// and nothing names the AMI, before everything else is done everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Deprecate,
    /// With those who are named.
    Share,
    /// With everyone.
    MakePublic,
    /// In a parameter.
    Name,
}

impl Step {
    const ALL: [Self; 4] = [Self::Deprecate, Self::Share, Self::MakePublic, Self::Name];

    fn is_wanted(self, config: &Config) -> bool {
        match self {
            Self::Deprecate => config.deprecate_after_days.is_some(),
            Self::Share => config.sharing.is_some(),
            Self::MakePublic => config.sharing.as_ref().is_some_and(|sharing| sharing.public),
            Self::Name => !config.ssm_parameters.0.is_empty(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Deprecate => "deprecation",
            Self::Share => "sharing",
            Self::MakePublic => "making it public",
            Self::Name => "writing its parameters",
        }
    }

    async fn take(self, aws: &Aws, cx: &Cx<Undo>, region: &str, ami: &str) -> Result<bool> {
        match self {
            Self::Deprecate => deprecation::deprecate(aws, cx, region, ami).await,
            Self::Share => sharing::share(aws, cx, region, ami).await,
            Self::MakePublic => sharing::make_public(aws, cx, region, ami).await,
            Self::Name => parameters::write(aws, cx, region, ami).await,
        }
    }
}

/// Takes the steps that are configured; tells whether anything was changed. What fails is its region's outcome.
pub async fn take(aws: &Aws, cx: &Cx<Undo>, regions: &mut [RegionOutcome<Replica>]) -> bool {
    let mut changed = false;
    let wanted: Vec<_> = Step::ALL.into_iter().filter(|step| step.is_wanted(&aws.config)).collect();
    for (index, step) in wanted.iter().enumerate() {
        if let Some(why) = obstacle(regions) {
            let waiting: Vec<_> = wanted[index..].iter().map(|step| step.name()).collect();
            let message = format!("not done: {}: {why}; publish again", waiting.join(", "));
            cx.emit(Event::Warning { message });
            break;
        }
        for done in join_all(regions.iter_mut().map(|outcome| take_in(*step, aws, cx, outcome))).await {
            changed |= done;
        }
    }
    changed
}

/// What of the steps is still to be done with an AMI that is there, in words.
pub async fn due(aws: &Aws, cx: &Cx<Undo>, region: &str, image: &Image) -> Result<Vec<String>> {
    let ami = image.image_id().unwrap_or_default();
    let mut due = Vec::new();
    if deprecation::is_due(&aws.config, image) {
        due.push(Step::Deprecate.name().to_owned());
    }
    if sharing::is_due(aws, cx, region, image).await? {
        due.push(Step::Share.name().to_owned());
    }
    let architecture = image.architecture().map_or("", |architecture| architecture.as_str());
    // Without a version, what it stands in cannot be told.
    let names = parameters::names(&aws.config, &aws.spec, image.name().unwrap_or_default(), architecture);
    let names = parameters::due(aws, cx, region, ami, &names.unwrap_or_default()).await?;
    due.extend(names.iter().map(|name| format!("the parameter {name}")));
    Ok(due)
}

fn obstacle(regions: &[RegionOutcome<Replica>]) -> Option<&'static str> {
    let pending = |outcome: &RegionOutcome<Replica>| matches!(outcome.state, RegionState::Pending { .. });
    if regions.iter().any(RegionOutcome::is_failure) {
        Some("a region that has to have the AMI failed")
    } else if regions.iter().any(pending) {
        Some("the AMI is not everywhere yet")
    } else {
        None
    }
}

async fn take_in(step: Step, aws: &Aws, cx: &Cx<Undo>, outcome: &mut RegionOutcome<Replica>) -> bool {
    let RegionState::Available(replica) = &outcome.state else { return false };
    match step.take(aws, cx, &outcome.region.0, &replica.ami).await {
        Ok(changed) => changed,
        Err(error) => {
            cx.emit(Event::RegionFailed { region: outcome.region.clone(), error: error.to_string() });
            outcome.state = RegionState::Failed { replica: Some(replica.clone()), error };
            true
        }
    }
}
