use publisher::Result;

use crate::{
    args::{Format, Inspect},
    exit::Exit,
    image::{self, Opened},
    render::{self, inspect::Inspection},
};

pub async fn inspect(args: &Inspect) -> Result<Exit> {
    let Opened { image, .. } = &image::open(Some(&args.image), &args.opening).await?;
    let report = image::read(image).await?;
    let info = image::info(image).await?;
    let inspection = Inspection::new(image, report, info)?;
    let text = match args.format {
        Format::Human => inspection.human(),
        Format::Json => inspection.json()?,
    };
    render::print(&text);
    Ok(Exit::Done)
}
