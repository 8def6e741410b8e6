//! `image-info.json` beside an image, as versions of nixpkgs write it.

use std::{fs, os::unix, path::Path};

use tempfile::TempDir;
use vhd::{Error, ImageInfo};

use crate::{
    disk::{self, open},
    facts::gpt_disk,
};

/// What the file beside a UEFI disk of 64 MiB for x86_64 is found to say differently.
fn differences(dir: &Path, place: &str, json: &str) -> Option<Vec<String>> {
    let image = dir.join("nixos.vhd");
    gpt_disk(&image, Some(("BOOTX64.EFI", 0x8664)));
    let path = dir.join(place);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, json).unwrap();
    let info = ImageInfo::beside(&image).unwrap()?;
    Some(info.differences(&open(&image)).unwrap().iter().map(ToString::to_string).collect())
}

#[test]
fn what_agrees_is_no_difference() {
    for json in [
        // Newer, with numbers as text.
        r#"{"label": "25.05", "boot_mode": "uefi", "system": "x86_64-linux",
            "disks": {"root": {"logical_bytes": "67108864", "file": "/nix/store/abc-nixos/nixos.vhd"}}}"#,
        // Older.
        r#"{"boot_mode": "uefi-preferred", "logical_bytes": 67108864, "file": "/nix/store/abc-nixos/nixos.vhd"}"#,
        // A fixed VHD, which qemu-img counts with its footer.
        r#"{"logical_bytes": "67109376"}"#,
        "{}",
    ] {
        for place in ["nix-support/image-info.json", "image-info.json"] {
            let dir = TempDir::new().unwrap();
            assert_eq!(differences(dir.path(), place, json), Some(Vec::new()), "{json}");
        }
    }
}

#[test]
fn each_difference_is_named_with_both_values() {
    let dir = TempDir::new().unwrap();
    let json =
        r#"{"boot_mode": "legacy-bios", "system": "aarch64-linux", "disks": {"root": {"logical_bytes": "4096"}}}"#;
    assert_eq!(
        differences(dir.path(), "nix-support/image-info.json", json).unwrap(),
        [
            "boot_mode is legacy-bios, and the image is a disk that boots with UEFI",
            "system is aarch64-linux, and the image is for x86_64, by its boot files",
            "logical_bytes is 4096, and the image is a disk of 67108864 bytes",
        ]
    );
}

#[test]
fn a_file_about_other_images_says_nothing_of_this_one() {
    let dir = TempDir::new().unwrap();
    let json = r#"{"boot_mode": "legacy-bios", "disks": {
        "boot": {"logical_bytes": "1", "file": "/nix/store/abc/nixos.boot.vhd"},
        "root": {"logical_bytes": "2", "file": "/nix/store/abc/nixos.root.vhd"}}}"#;
    assert_eq!(differences(dir.path(), "image-info.json", json), None);
    // The same image, compressed after it was described.
    let json = r#"{"logical_bytes": 1, "file": "/nix/store/abc/nixos.vhd"}"#;
    fs::write(dir.path().join("image-info.json"), json).unwrap();
    assert!(ImageInfo::beside(&dir.path().join("nixos.vhd.zst")).unwrap().is_some());
}

#[test]
fn it_is_found_where_a_link_leads() {
    let dir = TempDir::new().unwrap();
    let store = dir.path().join("store");
    fs::create_dir_all(store.join("nix-support")).unwrap();
    fs::write(store.join("nix-support/image-info.json"), r#"{"label": "25.05", "file": "/nix/store/abc/nixos.vhd"}"#)
        .unwrap();
    disk::raw(&store.join("nixos.vhd"), 1 << 20, &[]);
    let link = dir.path().join("ecs-node.vhd");
    // About another image that lies beside the link.
    fs::write(dir.path().join("image-info.json"), r#"{"file": "/nix/store/abc/other.vhd"}"#).unwrap();
    unix::fs::symlink(store.join("nixos.vhd"), &link).unwrap();
    assert_eq!(ImageInfo::beside(&link).unwrap().unwrap().label.as_deref(), Some("25.05"));
    assert_eq!(ImageInfo::beside(&dir.path().join("third.vhd")).unwrap(), None);
}

#[test]
fn what_is_no_such_file_is_an_error() {
    let dir = TempDir::new().unwrap();
    for json in ["", "[]", r#"{"boot_mode": 7}"#, r#"{"logical_bytes": "8 GiB"}"#] {
        fs::write(dir.path().join("image-info.json"), json).unwrap();
        let error = ImageInfo::beside(&dir.path().join("nixos.vhd")).unwrap_err();
        assert!(matches!(error, Error::ImageInfo { .. }), "{json}: {error}");
    }
}

#[test]
fn what_is_no_file_is_not_waited_for_and_no_terminal_is_told_what_to_do() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("image-info.json");
    crate::qemu::run("mkfifo", &[path.to_str().unwrap()]);
    assert_eq!(ImageInfo::beside(&dir.path().join("nixos.vhd")).unwrap(), None);
    fs::remove_file(&path).unwrap();
    fs::write(&path, r#"{"label": "\u001b[2J25.05"}"#).unwrap();
    let info = ImageInfo::beside(&dir.path().join("nixos.vhd")).unwrap().unwrap();
    assert_eq!(info.label.as_deref(), Some("[2J25.05"));
}
