use publisher::{Check, CheckStatus, CloudName, Error, ErrorReport, Kind, Result, Runtime, Variables};
use serde_json::json;

use super::publish;
use crate::{
    args::{Clouds, Doctor, Format},
    backends,
    exit::Exit,
    interrupt, render,
    settings::Settings,
};

pub async fn doctor(args: &Doctor) -> Result<Exit> {
    let clouds = backends::of(args.clouds);
    let mut settings = Settings::select(&args.selection)?;
    publish::regions(&args.selection, clouds, &mut settings);
    settings.set_route(&args.bucket, args.route);
    let spec = publish::spec_without_image(&mut settings, "publish doctor aws")?;
    if args.setup {
        if args.clouds != Clouds::Aws {
            return Err(Error::new(Kind::Config, "only AWS has a set-up to print")
                .with_hint("publish doctor aws --setup; docs/azure.md has Azure's role"));
        }
        render::print(&backend_aws::setup(&settings.aws, &spec)?);
        return Ok(Exit::Done);
    }
    let runtime = Runtime::new(render::reporter(), None);
    interrupt::watch(runtime.cancel.clone(), &interrupt::LOOK);
    let variables = Variables::of_process();
    let mut all = Vec::new();
    for cloud in clouds {
        let checks = match backends::target(*cloud, &settings, spec.clone(), &variables).await {
            Ok(target) => target.doctor(&runtime).await,
            Err(error) => vec![Check::new("configuration", Err(error))],
        };
        all.push((*cloud, checks));
    }
    render::print(&match args.format {
        Format::Human => human(&all),
        Format::Json => json(&all),
    });
    Ok(exit(&all))
}

fn exit(all: &[(CloudName, Vec<Check>)]) -> Exit {
    let errors = all.iter().flat_map(|(_, checks)| checks).filter_map(|check| check.error.as_ref());
    if errors.into_iter().any(|error| error.kind == Kind::Cancelled) {
        return Exit::Interrupted;
    }
    let bad = || all.iter().flat_map(|(_, checks)| checks).filter(|check| check.status == CheckStatus::Bad);
    let kinds: Vec<_> = bad().filter_map(|check| check.error.as_ref()).map(|error| error.kind).collect();
    match kinds.first() {
        None => Exit::Done,
        Some(_) if kinds.iter().all(|kind| *kind == Kind::Config) => Exit::Usage,
        Some(_) => Exit::Failed,
    }
}

fn json(all: &[(CloudName, Vec<Check>)]) -> String {
    let clouds: Vec<_> = all.iter().map(|(cloud, checks)| json!({"cloud": cloud, "checks": checks})).collect();
    format!("{:#}\n", json!({"schema": 1, "clouds": clouds}))
}

fn human(all: &[(CloudName, Vec<Check>)]) -> String {
    let mut text = String::new();
    for (cloud, checks) in all {
        for check in checks {
            let status = match check.status {
                CheckStatus::Good => "good",
                CheckStatus::Unknown => "unknown",
                CheckStatus::Bad => "BAD",
            };
            let found = check.found.as_deref().unwrap_or_default();
            let said = check.error.as_ref().map_or(found, |error| &error.message);
            text += &format!("{cloud:5}  {status:7}  {}: {said}\n", check.what);
            for line in check.error.iter().flat_map(explanation) {
                text += &format!("{:16}{line}\n", "");
            }
        }
    }
    text
}

/// Why, and what to do.
fn explanation(error: &ErrorReport) -> impl Iterator<Item = String> {
    let causes = error.causes.iter().map(|cause| format!("caused by: {cause}"));
    causes.chain(error.hint.as_ref().map(|hint| format!("hint: {hint}")))
}
