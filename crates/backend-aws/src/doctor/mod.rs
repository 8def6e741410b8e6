//! What publishing needs, looked at one thing after the other.

mod policy;
mod role;
mod setup;

use publisher::{Check, Cx, Error, Kind, Region, Result};

pub use self::setup::setup;
use crate::{
    Aws, Undo,
    config::Via,
    identity::{self, Identity},
    parameters, permissions, plan, sharing,
};

pub async fn doctor(aws: &Aws, cx: &Cx<Undo>) -> Vec<Check> {
    let home = aws.config.home_or(aws.clients.default_region());
    let credential = async {
        aws.clients.check_credentials().await?;
        identity::identity(aws, cx, &home).await
    };
    let who = match credential.await {
        Ok(who) => who,
        // Whoever cannot be recognised can ask for nothing else.
        Err(error) => return vec![Check::new("identity", Err(error))],
    };
    let mut checks = vec![Check::new("identity", Ok(who.arn.clone()))];
    let regions = plan::regions(aws, cx).await;
    let named = |regions: &Vec<Region>| regions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    checks.push(match &regions {
        Ok(regions) => Check::new("regions", Ok(named(regions))),
        Err(error) => Check::new("regions", Err(copied(error))),
    });
    let parameters = parameter_names(aws);
    checks.push(permissions(aws, cx, &who, &home, parameters.as_deref().unwrap_or_default()).await);
    if let Ok(Via::S3(bucket)) = aws.config.route() {
        let place = plan::check_bucket(aws, cx, bucket, &home).await;
        checks.push(Check::new("bucket", place.map(|()| format!("{bucket} in {home}"))));
        checks.extend(role::checks(aws, cx, &who, &home, bucket).await);
    }
    let Ok(regions) = regions else { return checks };
    if aws.config.sharing.as_ref().is_some_and(|sharing| !sharing.is_private()) {
        let shared = sharing::preflight(aws, cx, &regions, aws.config.is_encrypted()).await;
        checks.push(Check::new("sharing", shared.map(|()| "each region allows it".to_owned())));
    }
    if !aws.config.ssm_parameters.0.is_empty() {
        let written = async {
            let names = parameters?;
            for region in &regions {
                parameters::preflight(aws, cx, &region.0, &names).await?;
            }
            Ok(names.join(", "))
        };
        checks.push(Check::new("parameters", written.await));
    }
    checks
}

/// An error's copy without its causes, for a report that has the original elsewhere.
fn copied(error: &Error) -> Error {
    let copy = Error::new(error.kind(), error.to_string());
    match error.hint() {
        Some(hint) => copy.with_hint(hint.to_owned()),
        None => copy,
    }
}

/// The names of the parameters as far as they can be told without the image: what only it tells is filled with something.
fn parameter_names(aws: &Aws) -> Result<Vec<String>> {
    let architecture = aws.config.architecture.as_deref().unwrap_or("x86_64");
    let mut spec = aws.spec.clone();
    spec.version.get_or_insert_with(|| "0".to_owned());
    let name = plan::configured_name(&aws.config, &spec).unwrap_or_else(|| spec.name.clone());
    parameters::names(&aws.config, &spec, &name, architecture)
}

async fn permissions(aws: &Aws, cx: &Cx<Undo>, who: &Identity, home: &str, parameters: &[String]) -> Check {
    let what = "permissions";
    let needed = match permissions::needed(&aws.config, parameters) {
        Ok(needed) => needed,
        Err(error) => return Check::new(what, Err(error)),
    };
    let count: usize = needed.iter().map(|permission| permission.actions.len()).sum();
    match permissions::simulate(aws, cx, who, home, &needed).await {
        Ok(denied) if denied.is_empty() => Check::new(what, Ok(format!("{count} actions, all allowed"))),
        Ok(denied) => {
            let text = format!("the identity may not {}", denied.join(", "));
            let hint = "`publish doctor aws --setup` prints the policy that publishing as configured needs";
            Check::new(what, Err(Error::new(Kind::Denied, text).with_hint(hint)))
        }
        Err(error) => Check::unknown(what, &error.context("what the identity may do cannot be asked")),
    }
}
