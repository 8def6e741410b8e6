use std::io::Write;

use publisher::Result;
use serde_json::json;

use super::publish::read;
use crate::{
    args::{Format, Inspect},
    exit::Exit,
    image, render,
};

pub async fn inspect(args: &Inspect) -> Result<Exit> {
    let image = image::open(Some(&args.image))?;
    let report = read(&image).await?;
    let facts = image.facts()?;
    let text = match args.format {
        Format::Human => render::inspect::human(&report, facts, &image),
        Format::Json => format!("{:#}\n", json!({"schema": 1, "image": report, "facts": facts})),
    };
    // Whoever reads may have gone.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(Exit::Done)
}
