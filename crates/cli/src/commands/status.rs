use futures::future::join_all;
use publisher::{CloudName, Report, Result, Runtime, TargetReport, Variables};

use super::publish;
use crate::{args::Status, backends, exit::Exit, interrupt, render, settings::Settings};

pub async fn status(args: &Status) -> Result<Exit> {
    let clouds = backends::of(args.clouds);
    let mut settings = Settings::select(&args.selection)?;
    publish::regions(&args.selection, clouds, &mut settings);
    let spec = publish::spec_without_image(&mut settings, "publish status azure")?;
    let runtime = Runtime::new(render::reporter(), None);
    interrupt::watch(runtime.cancel.clone(), &interrupt::LOOK);
    let variables = Variables::of_process();
    let one = async |cloud: &CloudName| match backends::target(*cloud, &settings, spec.clone(), &variables).await {
        Ok(target) => target.status(&runtime).await,
        Err(error) => TargetReport::failed(*cloud, &error),
    };
    let report = Report::new(None, join_all(clouds.iter().map(one)).await);
    render::report::show(&report, args.format);
    Ok(Exit::of(&report.targets))
}
