use publisher::{Error, ErrorReport, Kind, PastRun, PastState, Result, Runtime, Variables};
use serde_json::json;

use super::runs::settings;
use crate::{
    args::{Cleanup, Format},
    backends,
    exit::Exit,
    interrupt, render,
    settings::Settings,
};

const TEXTS: interrupt::Texts = interrupt::Texts {
    first: "interrupted; what is not taken back yet stays in the journal",
    second: "left at once; what is not taken back yet stays in the journal",
};

pub async fn cleanup(args: &Cleanup) -> Result<Exit> {
    let (mut settings, dir) = settings(&args.journals)?;
    let meant = meant(publisher::runs(&dir)?, args.run.as_deref())?;
    forget_the_image(&mut settings);
    let spec = settings.image_spec(ANY);
    let runtime = Runtime::new(render::reporter(), Some(dir));
    interrupt::watch(runtime.cancel.clone(), &TEXTS);
    let variables = Variables::of_process();
    let mut done = Vec::new();
    for run in meant {
        let cleaned = match backends::named(&run.cloud) {
            Some(cloud) => match backends::target(cloud, &settings, spec.clone(), &variables).await {
                Ok(target) => target.clean_up(&runtime, &run.run).await,
                Err(error) => Err(error),
            },
            None => Err(Error::new(Kind::Config, format!("this program knows no cloud called {}", run.cloud))),
        };
        done.push((run, cleaned));
    }
    drop(runtime);
    render::print(&match args.journals.format {
        Format::Human => human(&done),
        Format::Json => json(&done),
    });
    Ok(exit(&done))
}

/// A name where any will do.
const ANY: &str = "cleanup";

/// Taking back goes by what the journals say, whatever the image is called and however it got to the cloud: none of that has to
/// be given again.
fn forget_the_image(settings: &mut Settings) {
    (settings.name, settings.version) = (None, None);
    (settings.azure.definition, settings.aws.ami_name) = (None, None);
    settings.azure.resource_group.get_or_insert_with(|| ANY.to_owned());
    (settings.aws.route, settings.aws.bucket) = (None, None);
}

type Cleaned = (PastRun, Result<publisher::Cleanup>);

/// The runs whose acts are to be taken back.
fn meant(runs: Vec<PastRun>, named: Option<&str>) -> Result<Vec<PastRun>> {
    let Some(named) = named else {
        let is_due = |run: &PastRun| run.due > 0 && !matches!(run.state, PastState::Running | PastState::Unreadable);
        return Ok(runs.into_iter().filter(is_due).collect());
    };
    super::runs::named(runs, named)
}

fn human(done: &[Cleaned]) -> String {
    if done.is_empty() {
        return "nothing is to be taken back\n".to_owned();
    }
    let line = |(run, cleaned): &Cleaned| {
        let what = match cleaned {
            Ok(cleaned) if cleaned.left > 0 => format!("{} taken back, {} left", cleaned.undone, cleaned.left),
            Ok(cleaned) => format!("{} taken back", cleaned.undone),
            Err(error) => {
                let hint = error.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
                format!("{}{hint}", error.in_full())
            }
        };
        format!("{}  {:5}  {what}\n", run.run, run.cloud)
    };
    done.iter().map(line).collect()
}

fn json(done: &[Cleaned]) -> String {
    let one = |(run, cleaned): &Cleaned| {
        let counts = cleaned.as_ref().ok();
        json!({
            "run": run.run, "cloud": run.cloud, "undone": counts.map(|counts| counts.undone),
            "left": counts.map(|counts| counts.left), "error": cleaned.as_ref().err().map(ErrorReport::from),
        })
    };
    format!("{:#}\n", json!({"schema": 1, "runs": done.iter().map(one).collect::<Vec<_>>()}))
}

fn exit(done: &[Cleaned]) -> Exit {
    let is_well = |(_, cleaned): &&Cleaned| cleaned.as_ref().is_ok_and(|cleaned| cleaned.left == 0);
    if done.iter().any(|(_, cleaned)| cleaned.as_ref().is_err_and(|error| error.kind() == Kind::Cancelled)) {
        return Exit::Interrupted;
    }
    let is_misconfigured = |(_, cleaned): &Cleaned| cleaned.as_ref().is_err_and(|error| error.kind() == Kind::Config);
    if !done.is_empty() && done.iter().all(is_misconfigured) {
        return Exit::Usage;
    }
    match done.iter().filter(is_well).count() {
        all if all == done.len() => Exit::Done,
        0 => Exit::Failed,
        _ => Exit::Partly,
    }
}
