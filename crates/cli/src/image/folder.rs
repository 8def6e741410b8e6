//! The image in a folder, such as what `nix build` puts out.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use publisher::{Error, Kind, Result};
use vhd::{ImageInfo, image_info::COMPRESSED};

use crate::nix::{self, Reference};

/// How VHDs and raw disks are called.
pub const VHD: [&str; 1] = [".vhd"];
pub const RAW: [&str; 2] = [".raw", ".img"];

/// The image in a folder: the one that its `image-info.json` names, or its only VHD, or its only raw disk.
///
/// # Errors
/// [`Kind::Image`] if there is none, or more than one.
pub fn image_in(folder: &Path) -> Result<PathBuf> {
    one(folder, candidates(folder)?)
}

/// The image in what a flake's attribute built. Where the folder alone does not tell, Nix is asked for the attribute's
/// `passthru.filePath`, which image builders of nixpkgs set since NixOS 25.05.
///
/// # Errors
/// See [`image_in`].
pub async fn image_of(reference: &Reference, nix_flags: &[String], build: &nix::Build) -> Result<PathBuf> {
    let output = build.output();
    if !output.is_dir() {
        return Ok(output.to_owned());
    }
    let found = candidates(output)?;
    if found.len() != 1
        && let Some(file) = nix::file_path(reference, nix_flags).await
    {
        let file = output.join(file);
        return if file.is_file() { Ok(file) } else { Err(absent(reference, &file)) };
    }
    one(output, found).map_err(|error| error.context(format!("{reference} is no image")))
}

fn absent(reference: &Reference, file: &Path) -> Error {
    let text = format!("the passthru.filePath of {reference} is {}, and there is no such file", file.display());
    Error::new(Kind::Image, text).with_hint("image.filePath of the configuration says where the builder puts its image")
}

/// The files that may be meant: of the first way of naming them that names any.
fn candidates(folder: &Path) -> Result<Vec<PathBuf>> {
    let described = ImageInfo::images_in(folder)?;
    if !described.is_empty() {
        return Ok(described);
    }
    let files = files(folder)?;
    let ending = |extensions: &[&str]| {
        // One file may have several names: a link beside it is no other image.
        let mut seen = BTreeSet::new();
        let mut is_new = |path: &PathBuf| path.canonicalize().is_ok_and(|real| seen.insert(real));
        files
            .iter()
            .filter(|path| path.is_file() && is_called(path, extensions))
            .filter(|path| is_new(path))
            .cloned()
            .collect::<Vec<_>>()
    };
    let disks = ending(&VHD);
    Ok(if disks.is_empty() { ending(&RAW) } else { disks })
}

/// Whether a file is called as disks are, compressed or not.
pub fn is_called(path: &Path, extensions: &[&str]) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let unpacked = COMPRESSED.iter().find_map(|compressed| name.strip_suffix(compressed)).unwrap_or(&name);
    extensions.iter().any(|extension| unpacked.ends_with(extension))
}

/// What is in a folder, by name.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    let mut files: Vec<PathBuf> = entries
        .map_err(|error| Error::new(Kind::Image, format!("cannot read {}", folder.display())).caused_by(error))?;
    files.sort();
    Ok(files)
}

fn one(folder: &Path, found: Vec<PathBuf>) -> Result<PathBuf> {
    let names = |paths: &[PathBuf]| {
        let names = paths.iter().filter_map(|path| path.file_name()).map(|name| name.to_string_lossy().into_owned());
        names.collect::<Vec<_>>().join(", ")
    };
    match found.as_slice() {
        [one] => Ok(one.clone()),
        [first, ..] => {
            let text = format!("{} holds {} disk images: {}", folder.display(), found.len(), names(&found));
            Err(Error::new(Kind::Image, text).with_hint(format!("name one of them: {}", first.display())))
        }
        [] => {
            let error = Error::new(Kind::Image, format!("{} holds no disk image", folder.display()));
            let there = files(folder)?;
            Err(if folder.join("flake.nix").is_file() {
                error.with_hint(format!("name one of the flake's images: {}#ecs-node", folder.display()))
            } else if there.is_empty() {
                error.with_hint("the folder is empty")
            } else {
                error.with_hint(format!(
                    "it holds {}; an image is a *.vhd, or what image-info.json names",
                    names(&there)
                ))
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        dir
    }

    fn found(files: &[(&str, &str)]) -> std::result::Result<String, String> {
        let dir = folder(files);
        let tidy = |text: String| text.replace(dir.path().to_str().unwrap(), "OUT");
        image_in(dir.path())
            .map(|path| tidy(path.display().to_string()))
            .map_err(|error| tidy(format!("{error} ({})", error.hint().unwrap_or_default())))
    }

    #[test]
    fn the_description_counts_before_the_names() {
        let info = |file: &str| format!(r#"{{"file": "/nix/store/x/{file}"}}"#);
        let both = |info: &str| found(&[("a.vhd", ""), ("b.vhd", ""), ("nix-support/image-info.json", info)]);
        assert_eq!(both(&info("b.vhd")).unwrap(), "OUT/b.vhd");
        assert!(both(&info("gone.vhd")).unwrap_err().contains("holds 2 disk images: a.vhd, b.vhd"));
        let packed = [("b.vhd.zst", ""), ("image-info.json", &*info("b.vhd")), ("c.vhd", "")];
        assert_eq!(found(&packed).unwrap(), "OUT/b.vhd.zst");
    }

    #[test]
    fn two_disks_of_one_machine_are_no_image() {
        let zfs = r#"{"disks": {"boot": {"file": "x.boot.vhd"}, "root": {"file": "x.root.vhd"}}}"#;
        let said = found(&[("x.boot.vhd", ""), ("x.root.vhd", ""), ("nix-support/image-info.json", zfs)]).unwrap_err();
        assert_eq!(said, "OUT holds 2 disk images: x.boot.vhd, x.root.vhd (name one of them: OUT/x.boot.vhd)");
    }

    #[test]
    fn the_only_vhd_is_the_image_and_a_raw_disk_where_there_is_none() {
        assert_eq!(found(&[("disk.vhd", ""), ("disk.raw", ""), ("label", "")]).unwrap(), "OUT/disk.vhd");
        assert_eq!(found(&[("DISK.VHD.ZSTD", "")]).unwrap(), "OUT/DISK.VHD.ZSTD");
        assert_eq!(found(&[("nixos.img", ""), ("x.vhd/y", "")]).unwrap(), "OUT/nixos.img");
    }

    #[test]
    fn another_name_of_the_same_file_is_no_other_image() {
        let dir = folder(&[("nixos-25.05.vhd.zstd", "")]);
        std::os::unix::fs::symlink("nixos-25.05.vhd.zstd", dir.path().join("disk.vhd.zstd")).unwrap();
        image_in(dir.path()).unwrap();
    }

    #[test]
    fn a_folder_without_an_image_says_what_it_has() {
        assert_eq!(found(&[]).unwrap_err(), "OUT holds no disk image (the folder is empty)");
        let hint = "it holds bin; an image is a *.vhd, or what image-info.json names";
        assert_eq!(found(&[("bin/publish", "")]).unwrap_err(), format!("OUT holds no disk image ({hint})"));
        let hint = "name one of the flake's images: OUT#ecs-node";
        assert_eq!(found(&[("flake.nix", "")]).unwrap_err(), format!("OUT holds no disk image ({hint})"));
    }
}
