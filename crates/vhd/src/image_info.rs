//! `image-info.json`, what NixOS says of an image it built (nixpkgs, `nixos/maintainers/scripts/ec2/amazon-image.nix`).

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fmt, fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Deserializer, Serialize};

use crate::{Architecture, Error, Facts, Firmware, Image, Result};

/// What the file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ImageInfo {
    /// Where it was found.
    #[serde(serialize_with = "crate::path::lossy")]
    pub path: PathBuf,
    /// The system's label.
    pub label: Option<String>,
    /// `legacy-bios`, `uefi` or `uefi-preferred`, as AWS names them.
    pub boot_mode: Option<String>,
    /// `x86_64-linux` or `aarch64-linux`, as Nix names them.
    pub system: Option<String>,
    /// Size of the disk in bytes.
    pub logical_bytes: Option<u64>,
    /// What AWS's RegisterImage is to be given, under the names of its API, where the file says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub register_image: Option<serde_json::Value>,
}

/// Something that the file and the image say differently.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The field of `image-info.json`.
    pub field: &'static str,
    /// What it says.
    pub info: String,
    /// What the image says.
    pub image: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}, and the image is {}", self.field, self.info, self.image)
    }
}

/// Where the file stands in the folder of an image.
const PLACES: [&str; 2] = ["nix-support/image-info.json", "image-info.json"];
/// What is added to the name of a file that is compressed.
pub const COMPRESSED: [&str; 4] = [".zst", ".zstd", ".gz", ".xz"];

impl ImageInfo {
    /// The file beside an image, in its folder or in `nix-support` there; none if there is none, or if it is about other
    /// images.
    ///
    /// # Errors
    /// [`Error::ImageInfo`] if it is no such file, [`Error::Io`] if it cannot be read.
    pub fn beside(image: &Path) -> Result<Option<Self>> {
        // Of a link to an image in the store: what describes it stands there, and names it as it is called there.
        for image in [Some(image.to_owned()), image.canonicalize().ok()].into_iter().flatten() {
            let (Some(name), Some(folder)) = (image.file_name(), image.parent()) else { continue };
            for place in PLACES {
                let path = folder.join(place);
                let Some(bytes) = read(&path)? else { continue };
                if let Some(info) = Self::parse(path, &bytes, name)? {
                    return Ok(Some(info));
                }
            }
        }
        Ok(None)
    }

    /// The images in a folder that its `image-info.json`, or the one in `nix-support` there, names: those that are there, as they
    /// are named or compressed.
    ///
    /// # Errors
    /// [`Error::ImageInfo`] if it is no such file, [`Error::Io`] if it cannot be read.
    pub fn images_in(folder: &Path) -> Result<Vec<PathBuf>> {
        for place in PLACES {
            let path = folder.join(place);
            let Some(bytes) = read(&path)? else { continue };
            let file = File::parse(&path, &bytes)?;
            let named = file.disks.into_values().map(|disk| disk.file).chain([file.file]).flatten();
            // The folder may be another one now than the one that was written to.
            let names = named.filter_map(|file| Path::new(&file).file_name().map(OsStr::to_owned));
            let mut images: Vec<_> = names.filter_map(|name| as_named_or_compressed(folder, &name)).collect();
            images.sort();
            images.dedup();
            if !images.is_empty() {
                return Ok(images);
            }
        }
        Ok(Vec::new())
    }

    fn parse(path: PathBuf, bytes: &[u8], image: &OsStr) -> Result<Option<Self>> {
        let file = File::parse(&path, bytes)?;
        // Older ones describe the image at the top; newer ones have a disk, or two for ZFS, each with its file.
        let mut disks: Vec<Disk> = file.disks.into_values().collect();
        disks.push(Disk { logical_bytes: file.logical_bytes, file: file.file });
        disks.retain(|disk| disk.logical_bytes.is_some() || disk.file.is_some());
        let about_this = |disk: &Disk| disk.file.as_deref().is_none_or(|file| named_alike(file, image));
        let logical_bytes = match disks.iter().find(|disk| about_this(disk)) {
            Some(disk) => disk.logical_bytes,
            None if disks.is_empty() => None,
            None => return Ok(None),
        };
        let [label, boot_mode, system] = [file.label, file.boot_mode, file.system].map(|text| text.map(printable));
        let register_image = file.register_image;
        Ok(Some(Self { path, label, boot_mode, system, logical_bytes, register_image }))
    }

    /// Where the file and the image disagree. What the image does not tell is not compared.
    ///
    /// # Errors
    /// [`Error::Io`] if the image cannot be read.
    pub fn differences(&self, image: &Image) -> Result<Vec<Difference>> {
        let facts = image.facts()?;
        Ok([self.boot_mode_differs(facts), self.system_differs(facts), self.size_differs(image)]
            .into_iter()
            .flatten()
            .collect())
    }

    fn boot_mode_differs(&self, facts: &Facts) -> Option<Difference> {
        let (said, firmware) = (self.boot_mode.as_deref()?, facts.firmware()?);
        let agrees = match said {
            "legacy-bios" => firmware != Firmware::Uefi,
            "uefi" | "uefi-preferred" => firmware != Firmware::Bios,
            _ => false,
        };
        let image = format!("a disk that boots with {firmware}");
        (!agrees).then(|| Difference { field: "boot_mode", info: said.to_owned(), image })
    }

    fn system_differs(&self, facts: &Facts) -> Option<Difference> {
        let (said, architecture) = (self.system.as_deref()?, facts.architecture()?);
        let expected = match architecture {
            Architecture::X86_64 => "x86_64-linux",
            Architecture::Arm64 => "aarch64-linux",
        };
        let image = format!("for {architecture}, by its boot files");
        (said != expected).then(|| Difference { field: "system", info: said.to_owned(), image })
    }

    fn size_differs(&self, image: &Image) -> Option<Difference> {
        let said = self.logical_bytes?;
        // NixOS asks `qemu-img info`, which takes a fixed VHD for a raw disk and counts its footer.
        let with_footer = image.virtual_size() + crate::SECTOR;
        let agrees = said == image.virtual_size() || said == with_footer;
        let image = format!("a disk of {} bytes", image.virtual_size());
        (!agrees).then(|| Difference { field: "logical_bytes", info: said.to_string(), image })
    }
}

/// More than any such file has.
const LONGEST: u64 = 1 << 20;

/// What is in a file; none if it is not there, or is no file.
fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    let io = |source| Error::Io { action: "read", path: path.to_owned(), source };
    // Looked at before opening: a pipe would be waited for, a device read for ever.
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => {}
        Ok(_) => return Ok(None),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(io(error)),
    }
    let mut bytes = Vec::new();
    fs::File::open(path).and_then(|file| file.take(LONGEST).read_to_end(&mut bytes)).map_err(io)?;
    Ok(Some(bytes))
}

/// Text for people to read: a terminal does what control characters say.
fn printable(text: String) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

/// Whether a path in the file names the image, as it is or compressed.
fn named_alike(file: &str, image: &OsStr) -> bool {
    let (Some(file), Some(image)) = (Path::new(file).file_name().and_then(OsStr::to_str), image.to_str()) else {
        return false;
    };
    image == file || image.strip_prefix(file).is_some_and(|rest| COMPRESSED.contains(&rest))
}

fn as_named_or_compressed(folder: &Path, name: &OsStr) -> Option<PathBuf> {
    let with = |extension: &str| {
        let mut name = name.to_owned();
        name.push(extension);
        folder.join(name)
    };
    [""].iter().chain(&COMPRESSED).map(|extension| with(extension)).find(|path| path.is_file())
}

#[derive(Deserialize)]
struct File {
    label: Option<String>,
    boot_mode: Option<String>,
    system: Option<String>,
    #[serde(default, deserialize_with = "bytes")]
    logical_bytes: Option<u64>,
    file: Option<String>,
    #[serde(default)]
    disks: BTreeMap<String, Disk>,
    #[serde(rename = "registerImage")]
    register_image: Option<serde_json::Value>,
}

impl File {
    fn parse(path: &Path, bytes: &[u8]) -> Result<Self> {
        serde_json::from_slice(bytes).map_err(|source| Error::ImageInfo { path: path.to_owned(), source })
    }
}

#[derive(Deserialize)]
struct Disk {
    #[serde(default, deserialize_with = "bytes")]
    logical_bytes: Option<u64>,
    file: Option<String>,
}

/// A number, which some versions write as text.
fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Bytes {
        Number(u64),
        Text(String),
    }

    match Bytes::deserialize(deserializer)? {
        Bytes::Number(number) => Ok(Some(number)),
        Bytes::Text(text) => text.parse().map(Some).map_err(serde::de::Error::custom),
    }
}
