use std::{path::PathBuf, sync::Arc};

use futures::future::join_all;
use publisher::{
    CloudName, CommandLine, Error, ImageSpec, Kind, Mode, Report, Result, RunKey, Runtime, TargetReport, Variables,
};
use sandbox::{Pace, Sandbox};
use tempfile::TempDir;
use vhd::Image;

use crate::{
    args::{Opening, Publish, Selection},
    backends::{self, AWS, AZURE},
    exit::Exit,
    image::{self, Opened, Place},
    interrupt, render,
    settings::Settings,
};

pub async fn publish(args: &Publish, clouds: &[CloudName]) -> Result<Exit> {
    publish_as(args, clouds, typed(), None).await
}

/// What was typed, for whoever goes on with the run.
fn typed() -> CommandLine {
    let args = std::env::args_os().map(|arg| arg.to_string_lossy().into_owned()).collect();
    CommandLine { args, dir: std::env::current_dir().unwrap_or_default() }
}

/// Publishes by what was typed for `clouds`: to all of them, or goes on with one of the runs that it began.
pub async fn publish_as(
    args: &Publish,
    clouds: &[CloudName],
    command: CommandLine,
    resumed: Option<(CloudName, RunKey)>,
) -> Result<Exit> {
    let mut settings = Settings::resolve(args)?;
    regions(&args.selection, clouds, &mut settings);
    let deadline = settings.deadline()?;
    // The image first: no cloud is asked anything for a file that is none.
    let (spool_dir, nix_flags) = (settings.spool_dir.clone(), settings.nix_flags.0.clone());
    let opening = Opening { spool_dir, nix_flags, ..args.opening };
    settings.check_templates()?;
    let stage = if args.sandbox { Some(Rehearsal::start().await?) } else { None };
    let variables = stage.as_ref().map_or_else(Variables::of_process, |stage| stage.point_at(&mut settings));
    let state_dir = stage.as_ref().map(Rehearsal::state_dir).or_else(|| settings.state_dir());
    let mut runtime = Runtime::new(render::reporter(), state_dir);
    (runtime.keep, runtime.deadline, runtime.command) = (args.keep, deadline, Some(command));
    interrupt::watch_runs(&runtime);
    let opened = image::open(settings.image.as_deref(), &opening, &runtime.cancel).await?;
    image::check_info(&opened.image).await?;
    settings.version = image::version(settings.version.take(), &opened.image).await?;
    settings.fill_templates(Some(&opened.called))?;
    let mode = match (args.plan, args.no_wait) {
        (true, _) => Mode::Plan,
        (false, true) => Mode::Submit,
        (false, false) => Mode::Publish,
    };
    let only = resumed.as_ref().map(|(cloud, _)| [*cloud]);
    runtime.resumes = resumed.map(|(_, run)| run);
    let clouds = only.as_ref().map_or(clouds, |only| only);
    let report = run(clouds, &settings, &variables, runtime, &opened, mode).await?;
    render::report::show(&report, args.format);
    // What a rehearsal has made is nowhere.
    if stage.is_none() {
        render::github::show(&report, &settings.image_spec(&opened.called).name);
    }
    Ok(Exit::of(&report.targets))
}

/// Gives each cloud its own of the regions on the command line.
pub fn regions(selection: &Selection, clouds: &[CloudName], settings: &mut Settings) {
    if let [cloud] = clouds {
        let mine = |other: CloudName| if *cloud == other { selection.regions.clone() } else { Vec::new() };
        settings.set_regions(mine(AZURE), mine(AWS));
        return;
    }
    let (aws, azure) = selection.regions.iter().cloned().partition(|name| backends::cloud_of_region(name) == AWS);
    settings.set_regions(azure, aws);
}

/// What is meant, where no image is opened; `command` is what the hint begins with.
///
/// # Errors
/// [`Kind::Config`] if nothing says what the image is called.
pub fn spec_without_image(settings: &mut Settings, command: &str) -> Result<ImageSpec> {
    settings.version = image::version_without_image(settings.version.take())?;
    // The image need not be there: all that is wanted of it is the name that it gave.
    let called = settings.image.as_deref().and_then(|named| Place::of(named).called());
    if settings.name.is_none() && called.is_none() {
        return Err(Error::new(Kind::Config, "no image is named")
            .with_hint(format!("{command} --name ecs-node, or a profile of publish.toml with a name")));
    }
    settings.fill_names(called.as_deref())?;
    Ok(settings.image_spec(&called.unwrap_or_default()))
}

/// Publishes to all clouds at the same time, until what `runtime` watches ends it; one that fails stops no other.
pub async fn run(
    clouds: &[CloudName],
    settings: &Settings,
    variables: &Variables,
    runtime: Runtime,
    opened: &Opened,
    mode: Mode,
) -> Result<Report> {
    let (image, spec) = (&opened.image, settings.image_spec(&opened.called));
    let group = render::github::group(&format!("Publish {}", spec.name));
    let image_report = interrupt::unless(&runtime.cancel, image::read(image)).await?;
    let one = async |cloud: &CloudName| one(*cloud, settings, &spec, variables, &runtime, image, mode).await;
    let targets = join_all(clouds.iter().map(one)).await;
    drop((runtime, group));
    Ok(Report::new(Some(image_report), targets))
}

async fn one(
    cloud: CloudName,
    settings: &Settings,
    spec: &ImageSpec,
    variables: &Variables,
    runtime: &Runtime,
    image: &Arc<Image>,
    mode: Mode,
) -> TargetReport {
    match backends::target(cloud, settings, spec.clone(), variables).await {
        Ok(target) => target.publish(runtime, image, mode).await,
        Err(error) => TargetReport::failed(cloud, &error),
    }
}

/// A sandbox in this process, for a demo or a rehearsal.
pub struct Rehearsal {
    sandbox: Sandbox,
    dir: TempDir,
}

impl Rehearsal {
    pub async fn start() -> Result<Self> {
        let dir = TempDir::new().map_err(|e| Error::new(Kind::Local, "cannot make a temporary folder").caused_by(e))?;
        let settings = sandbox::Settings { pace: Pace::live(), ..sandbox::Settings::new(dir.path().join("sandbox")) };
        let sandbox = Sandbox::start(settings).await;
        let sandbox = sandbox.map_err(|e| Error::new(Kind::Local, "the sandbox cannot be started").caused_by(e))?;
        Ok(Self { sandbox, dir })
    }

    pub fn state_dir(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// Points the settings at the sandbox, and gives the variables that hold its credentials.
    pub fn point_at(&self, settings: &mut Settings) -> Variables {
        let url = Some(self.sandbox.url());
        settings.ca_file = Some(self.sandbox.ca_file().to_owned());
        settings.azure.subscription = None;
        settings.azure.credential = None;
        settings.azure.endpoints =
            Some(backend_azure::Endpoints { resource_manager: url.clone(), authority: url.clone() });
        settings.aws.profile = None;
        (settings.aws.assume_role, settings.aws.external_id) = (None, None);
        for region in settings.aws.per_region.values_mut() {
            (region.assume_role, region.external_id) = (None, None);
        }
        settings.aws.endpoint_url = url;
        settings.aws.regions.get_or_insert_with(|| publisher::Names::parse("us-east-1"));
        self.sandbox.environment().iter().collect()
    }
}
