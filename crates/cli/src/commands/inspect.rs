use std::io::Write;

use publisher::Result;

use crate::{
    args::{Format, Inspect},
    exit::Exit,
    image,
    render::inspect::Inspection,
};

pub async fn inspect(args: &Inspect) -> Result<Exit> {
    let image = image::open(Some(&args.image), &args.opening).await?;
    let report = image::read(&image).await?;
    let info = image::info(&image).await?;
    let inspection = Inspection::new(&image, report, info)?;
    let text = match args.format {
        Format::Human => inspection.human(),
        Format::Json => inspection.json()?,
    };
    // Whoever reads may have gone.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(Exit::Done)
}
