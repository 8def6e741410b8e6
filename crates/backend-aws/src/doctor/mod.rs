//! What publishing needs, looked at one thing after the other.

mod policy;
mod role;
mod setup;

use publisher::{Check, Cx, Error, Kind, Result};

pub use self::setup::setup;
use crate::{
    Aws, Undo,
    config::Via,
    identity, parameters,
    permissions::{self, Asked},
    plan, sharing,
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
    let names = parameter_names(aws);
    let wanted = regions.as_deref().unwrap_or_default();
    for (region, asked) in permissions::ask(aws, cx, &home, wanted, names.as_deref().unwrap_or_default()).await {
        let what = if region == home { "permissions".to_owned() } else { format!("permissions in {region}") };
        checks.push(allowed(what, asked));
    }
    if let Ok(Via::S3(bucket)) = aws.config.route() {
        let place = plan::check_bucket(aws, cx, bucket, &home).await;
        checks.push(Check::new("bucket", place.map(|()| format!("{bucket} in {home}"))));
        checks.extend(role::checks(aws, cx, &who, &home, bucket).await);
    }
    let regions = match regions {
        Ok(regions) => regions,
        Err(error) => {
            checks.push(Check::new("regions", Err(error)));
            return checks;
        }
    };
    let all: Vec<_> = regions.iter().map(ToString::to_string).collect();
    checks.push(Check::new("regions", Ok(all.join(", "))));
    if aws.config.sharing.as_ref().is_some_and(|sharing| !sharing.is_private()) {
        let name = plan::configured_name(&aws.config, &aws.spec).unwrap_or_default();
        let shared = sharing::preflight(aws, cx, &regions, &name, aws.config.is_encrypted()).await;
        checks.push(Check::new("sharing", shared.map(|()| "each region allows it".to_owned())));
    }
    if !aws.config.ssm_parameters.0.is_empty() {
        let written = async {
            let names = names?;
            parameters::preflight(aws, cx, &regions, &names).await.map(|()| names.join(", "))
        };
        checks.push(Check::new("parameters", written.await));
    }
    checks
}

fn allowed(what: String, asked: Asked) -> Check {
    let not = |actions: &[String]| format!("the identity may not {}", actions.join(", "));
    let hint = "`publish doctor aws --setup` prints the policy that publishing as configured needs";
    match asked {
        Ok((_, denied)) if !denied.surely.is_empty() => {
            Check::new(what, Err(Error::new(Kind::Denied, not(&denied.surely)).with_hint(hint)))
        }
        Ok((_, denied)) if !denied.perhaps.is_empty() => {
            let text = format!("by its own policies {}, which may be well all the same", not(&denied.perhaps));
            Check::unknown(what, &Error::new(Kind::Denied, text).with_hint(hint))
        }
        Ok((count, _)) => Check::new(what, Ok(format!("{count} actions, all allowed"))),
        Err(error) => Check::unknown(what, &error.context("what the identity may do cannot be asked")),
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
