use publisher::Result;
use tokio_util::sync::CancellationToken;

use crate::{
    args::{Format, Inspect},
    exit::Exit,
    image::{self, Opened},
    interrupt,
    render::{self, inspect::Inspection},
};

pub async fn inspect(args: &Inspect) -> Result<Exit> {
    let cancel = CancellationToken::new();
    interrupt::watch(cancel.clone(), &interrupt::LOOK);
    let Opened { image, .. } = &image::open(Some(&args.image), &args.opening, &cancel).await?;
    let report = interrupt::unless(&cancel, image::read(image)).await?;
    let info = image::info(image).await?;
    let inspection = Inspection::new(image, report, info)?;
    let text = match args.format {
        Format::Human => inspection.human(),
        Format::Json => inspection.json()?,
    };
    render::print(&text);
    Ok(Exit::Done)
}
