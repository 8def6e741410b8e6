use std::path::{Path, PathBuf};

use publisher::{Error, Kind, Result};
use tokio_util::sync::CancellationToken;
use vhd::image_info::COMPRESSED;

use super::folder;
use crate::nix::{self, Reference};

/// Where an image is said to be.
#[derive(Debug)]
pub enum Place {
    /// In a file, or in a folder that holds one image.
    Path(PathBuf),
    /// In the one file that a pattern matches.
    Pattern(String),
    /// In what a flake's attribute builds.
    Flake(Reference),
}

impl Place {
    /// What a text names. A file of that name counts before anything that the text may mean otherwise.
    pub fn of(named: &str) -> Self {
        let path = PathBuf::from(named);
        match Reference::of(named) {
            _ if path.exists() => Self::Path(path),
            Some(reference) => Self::Flake(reference),
            None if named.contains(['*', '?', '[']) => Self::Pattern(named.to_owned()),
            None => Self::Path(path),
        }
    }

    /// What the image is called, as far as that can be told without building or opening anything.
    pub fn called(&self) -> Option<String> {
        match self {
            Self::Flake(reference) => Some(reference.name().to_owned()),
            // A folder has one of its files, and what is not there may have been one.
            Self::Path(path) if path.is_file() => Some(name_of(path)),
            Self::Path(path) => {
                let is_disk = folder::is_called(path, &folder::VHD) || folder::is_called(path, &folder::RAW);
                (is_disk && !path.is_dir()).then(|| name_of(path))
            }
            Self::Pattern(pattern) => matching(pattern).ok().map(|path| name_of(&path)),
        }
    }

    /// The image's file, and what keeps it there. A flake's attribute is built.
    ///
    /// # Errors
    /// See [`open`](super::open).
    pub async fn find(
        &self,
        nix_flags: &[String],
        cancel: &CancellationToken,
    ) -> Result<(PathBuf, Option<nix::Build>)> {
        match self {
            Self::Path(path) if path.is_dir() => Ok((folder::image_in(path)?, None)),
            Self::Path(path) => Ok((path.clone(), None)),
            Self::Pattern(pattern) => Ok((matching(pattern)?, None)),
            Self::Flake(reference) => {
                let build = nix::build(reference, nix_flags, cancel).await?;
                let path = folder::image_of(reference, nix_flags, &build).await?;
                Ok((path, Some(build)))
            }
        }
    }
}

fn matching(pattern: &str) -> Result<PathBuf> {
    let matches = glob::glob(pattern)
        .map_err(|error| Error::new(Kind::Config, format!("{pattern} is no pattern")).caused_by(error))?;
    let found: Vec<_> = matches.filter_map(std::result::Result::ok).collect();
    match found.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(Error::new(Kind::Config, format!("no file matches {pattern}")).with_hint("build the image first")),
        many => {
            let names = many.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
            Err(Error::new(Kind::Config, format!("{} files match {pattern}: {names}", many.len()))
                .with_hint("name one of them"))
        }
    }
}

/// What a file is called without what says how it is stored: `nixos.vhd.zst` is `nixos`.
pub(super) fn name_of(path: &Path) -> String {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let unpacked = COMPRESSED.iter().find_map(|extension| file.strip_suffix(extension));
    let name = unpacked.unwrap_or(&file);
    match name.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem.to_owned(),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_file_without_its_formats() {
        for (file, name) in [
            ("nixos.vhd", "nixos"),
            ("out/nixos.vhd.zst", "nixos"),
            ("nixos-25.05.vhd.xz", "nixos-25.05"),
            ("nixos", "nixos"),
            (".hidden", ".hidden"),
            ("", ""),
        ] {
            assert_eq!(name_of(Path::new(file)), name, "{file}");
        }
    }

    #[test]
    fn a_place_is_told_by_its_form() {
        assert!(matches!(Place::of("result/nixos.vhd"), Place::Path(_)));
        assert!(matches!(Place::of("result/*.vhd"), Place::Pattern(_)));
        assert!(matches!(Place::of(".#ecs-node"), Place::Flake(_)));
        let dir = tempfile::tempdir().unwrap();
        let odd = dir.path().join("disk#1.vhd");
        std::fs::write(&odd, "").unwrap();
        assert!(matches!(Place::of(odd.to_str().unwrap()), Place::Path(_)));
    }
}
