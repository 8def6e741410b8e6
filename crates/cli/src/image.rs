use std::{path::PathBuf, sync::Arc};

use publisher::{Error, Kind, Result};
use vhd::Image;

/// Opens what a path, or a pattern that matches one file, names.
///
/// # Errors
/// [`Kind::Config`] if no image is named or the pattern is not one file's, [`Kind::Image`] for a file that is none.
pub fn open(named: Option<&str>) -> Result<Arc<Image>> {
    let named = named.ok_or_else(|| {
        Error::new(Kind::Config, "no image is named")
            .with_hint("publish azure result/disk.vhd, or `image = …` in publish.toml")
    })?;
    Ok(Arc::new(Image::open(find(named)?)?))
}

fn find(named: &str) -> Result<PathBuf> {
    let path = PathBuf::from(named);
    let is_pattern = named.contains(['*', '?', '[']);
    if path.exists() || !is_pattern {
        if !path.exists() && named.contains('#') {
            return Err(Error::new(Kind::Config, format!("{named} is a flake reference, and no file"))
                .with_hint("build it, and publish the file: nix build, then result/*.vhd"));
        }
        return Ok(path);
    }
    let matches = glob::glob(named)
        .map_err(|error| Error::new(Kind::Config, format!("{named} is no pattern")).caused_by(error))?;
    let found: Vec<_> = matches.filter_map(std::result::Result::ok).collect();
    match found.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(Error::new(Kind::Config, format!("no file matches {named}")).with_hint("build the image first")),
        many => {
            let names = many.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
            Err(Error::new(Kind::Config, format!("{} files match {named}: {names}", many.len()))
                .with_hint("name one of them"))
        }
    }
}
