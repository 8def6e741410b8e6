use std::path::Path;

use publisher::{Error, Kind, Mode, Names, Result, Runtime};
use tempfile::TempDir;

use super::publish::{self, Rehearsal};
use crate::{
    args::{Demo, Opening},
    backends::{AWS, AZURE},
    demo_disk,
    exit::Exit,
    image, interrupt,
    render::{self, message},
    settings::Settings,
};

pub async fn demo(args: &Demo) -> Result<Exit> {
    if let Some(path) = &args.write_image {
        write(path)?;
        return Ok(Exit::Done);
    }
    let dir = TempDir::new().map_err(|e| Error::new(Kind::Local, "cannot make a temporary folder").caused_by(e))?;
    let path = dir.path().join("demo.raw");
    write(&path)?;
    message::line(
        "a disk of 2 GiB with a GPT, an EFI system partition and 48 MiB of data, for two clouds on this machine",
    );
    let stage = Rehearsal::start().await?;
    let mut settings = Settings { name: Some("demo".into()), version: Some("1.0.0".into()), ..Settings::default() };
    settings.azure.regions = Some(Names::parse("westus2,westeurope"));
    settings.aws.regions = Some(Names::parse("us-east-1,eu-west-1"));
    let variables = stage.point_at(&mut settings);
    let opened = image::open_file(path, &Opening::default()).await?;
    let runtime = Runtime::new(render::reporter(), Some(stage.state_dir()));
    interrupt::watch_runs(&runtime);
    let report = publish::run(&[AZURE, AWS], &settings, &variables, runtime, &opened, Mode::Publish).await?;
    render::report::show(&report, args.format);
    Ok(Exit::of(&report.targets))
}

fn write(path: &Path) -> Result<()> {
    demo_disk::write(path).map_err(|e| Error::new(Kind::Local, format!("cannot write {}", path.display())).caused_by(e))
}
