use std::{ops::ControlFlow, sync::Arc};

use publisher::Result;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use vhd::{Converted, DynamicVhd, FixedVhd, Image, Raw};

use crate::{
    args::{self, Convert, Format},
    exit::Exit,
    image,
    interrupt::{self, Texts},
    render::{self, meter::Meter, sizes::bytes},
};

const TEXTS: Texts = Texts {
    first: "interrupted: removing what was written; once more to leave at once",
    second: "left at once; a file .publish-….part may be left beside the one that was to be written",
};

pub async fn convert(args: &Convert) -> Result<Exit> {
    vhd::check_output(&args.out, args.force)?;
    let cancel = CancellationToken::new();
    interrupt::watch(cancel.clone(), &TEXTS);
    let opened = image::open(Some(&args.image), &args.opening, &cancel).await?;
    let (image, to) = (opened.image.clone(), args.to);
    let layout = image::apart(move || layout(image, to)).await?;
    let (out, force) = (args.out.clone(), args.force);
    let (format, done) = image::apart(move || {
        let meter = Meter::new(format!("writing {}", out.display()));
        let done = vhd::convert(&*layout, &out, force, &|progress| {
            meter.show(progress);
            if cancel.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        Ok((layout.format(), done))
    })
    .await?;
    let Converted { length, written } = done;
    let path = args.out.display();
    let text = match args.format {
        Format::Human => format!("{path}: {format}, {}, {} of it data\n", bytes(length), bytes(written)),
        Format::Json => {
            let done = json!({"schema": 1, "path": path.to_string(), "format": format, "file_size": length, "data_size": written});
            format!("{done:#}\n")
        }
    };
    render::print(&text);
    Ok(Exit::Done)
}

fn layout(image: Arc<Image>, to: args::Layout) -> Result<Box<dyn vhd::Layout>> {
    let size = image.virtual_size();
    Ok(match to {
        args::Layout::FixedVhd => Box::new(FixedVhd::new(image, FixedVhd::aligned(size))?),
        args::Layout::DynamicVhd => Box::new(DynamicVhd::new(image, size)?),
        args::Layout::Raw => Box::new(Raw::new(image, size)?),
    })
}
