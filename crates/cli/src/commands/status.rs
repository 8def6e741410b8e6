use std::path::Path;

use futures::future::join_all;
use publisher::{CloudName, Error, Kind, Report, Result, Runtime, TargetReport, Variables};

use super::publish;
use crate::{args::Status, backends, exit::Exit, image, interrupt, render, settings::Settings};

pub async fn status(args: &Status) -> Result<Exit> {
    let clouds = backends::of(args.clouds);
    let mut settings = Settings::select(&args.selection)?;
    publish::regions(&args.selection, clouds, &mut settings);
    settings.version = image::version_without_image(settings.version.take())?;
    // The file need not be there: all that is wanted of it is the name that it gave the image.
    let named_by_file =
        settings.image.as_deref().is_some_and(|named| !image::is_pattern(named) && !named.contains('#'));
    if settings.name.is_none() && !named_by_file {
        return Err(Error::new(Kind::Config, "no image is named")
            .with_hint("publish status azure --name ecs-node, or a profile of publish.toml with a name"));
    }
    let spec = settings.image_spec(Path::new(settings.image.as_deref().unwrap_or_default()));
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
