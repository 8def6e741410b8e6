//! What an image is, for people and for programs.

use publisher::{Error, ErrorReport, ImageReport, Kind, Result};
use serde::Serialize;
use vhd::{Extent, Facts, Image, ImageInfo, PartitionTable, extent, image_info::Difference};

use super::sizes::bytes;

/// Version of the JSON form: fields are added to it, and never renamed.
const SCHEMA: u32 = 1;
/// Columns of the map.
const COLUMNS: u32 = 64;

/// Everything there is to say of an image.
#[derive(Debug, Serialize)]
pub struct Inspection {
    schema: u32,
    image: ImageReport,
    /// The VHD footer's.
    #[serde(skip_serializing_if = "Option::is_none")]
    creator: Option<String>,
    facts: Facts,
    /// How many ranges are stored, and how much of each equal part of the disk holds data, from 0 to 1.
    stored_ranges: usize,
    map: Vec<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image_info: Option<Beside>,
    clouds: Clouds,
}

/// `image-info.json`, and what in it the image contradicts.
#[derive(Debug, Serialize)]
struct Beside {
    #[serde(flatten)]
    info: ImageInfo,
    differences: Vec<Difference>,
}

#[derive(Debug, Serialize)]
struct Clouds {
    azure: Verdict,
    aws: Verdict,
}

/// What a cloud will say.
#[derive(Debug, Serialize)]
struct Verdict {
    /// What it will make of the image.
    accepted: Option<String>,
    /// Why it will not.
    refused: Option<ErrorReport>,
}

impl Verdict {
    fn of(said: Result<String>) -> Self {
        match said {
            Ok(accepted) => Self { accepted: Some(accepted), refused: None },
            Err(error) => Self { accepted: None, refused: Some(ErrorReport::from(&error)) },
        }
    }

    fn text(&self) -> String {
        let refused = self.refused.iter().map(|error| format!("refused: {}", error.message));
        self.accepted.iter().cloned().chain(refused).collect()
    }
}

impl Inspection {
    /// # Errors
    /// [`publisher::Kind::Image`] if the file cannot be read.
    pub fn new(image: &Image, report: ImageReport, info: Option<(ImageInfo, Vec<Difference>)>) -> Result<Self> {
        let facts = image.facts()?.clone();
        let disk = Extent { offset: 0, length: image.virtual_size() };
        let data: Vec<_> = image.content()?.extents().iter().filter_map(|extent| extent.intersect(&disk)).collect();
        Ok(Self {
            schema: SCHEMA,
            creator: image.footer().map(|footer| footer.creator_application.escape_ascii().to_string()),
            stored_ranges: image.extents().len(),
            map: extent::density(&data, image.virtual_size(), COLUMNS),
            image_info: info.map(|(info, differences)| Beside { info, differences }),
            clouds: Clouds { azure: Verdict::of(azure(&report, image)), aws: Verdict::of(aws(&facts, image)) },
            image: report,
            facts,
        })
    }

    /// One document.
    ///
    /// # Errors
    /// [`publisher::Kind::Local`] if it cannot be written as JSON.
    pub fn json(&self) -> Result<String> {
        let text = serde_json::to_string_pretty(self);
        text.map(|text| text + "\n").map_err(|error| Error::new(Kind::Local, "the answer is no JSON").caused_by(error))
    }

    /// A line for each thing.
    pub fn human(&self) -> String {
        let Self { image, facts, .. } = self;
        let table = match facts.partition_table {
            PartitionTable::Gpt => "GPT",
            PartitionTable::Mbr => "MBR",
            PartitionTable::None => "none",
        };
        let known = |text: Option<String>| text.unwrap_or_else(|| "not found".to_owned());
        let boot_files = facts.boot_files.iter().map(|file| file.path.clone()).collect::<Vec<_>>().join(", ");
        let inside = image.compression.map(|with| format!(" inside {with}")).unwrap_or_default();
        let creator = self.creator.iter().map(|creator| format!(", made by \"{creator}\"")).collect::<String>();
        let rows = [
            ("image", image.path.display().to_string()),
            ("format", format!("{}{inside}{creator}", image.format)),
            ("file", bytes(image.file_size)),
            ("disk", format!("{} ({} bytes)", bytes(image.virtual_size), image.virtual_size)),
            ("data", format!("{} in blocks of 512 KiB", bytes(image.data_size))),
            ("where it lies", format!("[{}]", self.map.iter().map(|filled| level(*filled)).collect::<String>())),
            ("digest", image.digest.clone()),
            ("partition table", table.to_owned()),
            ("EFI partition", if facts.efi_system_partition { "yes" } else { "no" }.to_owned()),
            ("boot files", if boot_files.is_empty() { "none".to_owned() } else { boot_files }),
            ("firmware", known(facts.firmware().map(|firmware| firmware.to_string()))),
            ("architecture", known(image.architecture.map(|architecture| architecture.to_string()))),
            ("on Azure", self.clouds.azure.text()),
            ("on AWS", self.clouds.aws.text()),
        ];
        let row = |name: &str, value: &str| format!("{name:16} {value}\n");
        let mut text: String = rows.iter().map(|(name, value)| row(name, value)).collect();
        if let Some(Beside { info, differences }) = &self.image_info {
            let agrees = if differences.is_empty() { "agrees with the image" } else { "does not agree with the image" };
            text += &row("image-info.json", agrees);
            let label = info.label.iter().map(|label| row("label", label)).collect::<String>();
            text += &label;
            text += &differences.iter().map(|d| row("difference", &d.to_string())).collect::<String>();
        }
        text += &facts.problems.iter().map(|problem| row("problem", problem)).collect::<String>();
        text
    }
}

/// A character as high as a column is full; a dot where it is empty.
fn level(filled: f64) -> char {
    const LEVELS: [char; 9] = ['·', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    // Any data at all is seen.
    LEVELS[((filled * 8.0).ceil() as usize).min(8)]
}

fn azure(report: &ImageReport, image: &Image) -> Result<String> {
    let (generation, architecture, size) = backend_azure::shape(&backend_azure::Config::default(), image)?;
    let guess = if report.architecture.is_none() { ", if nothing else is configured" } else { "" };
    Ok(format!("generation {generation}, {architecture}, a disk of {}{guess}", bytes(size)))
}

fn aws(facts: &Facts, image: &Image) -> Result<String> {
    let (boot_mode, architecture, gib) = backend_aws::shape(&backend_aws::Config::default(), image)?;
    let guess = if facts.architecture().is_none() { ", if nothing else is configured" } else { "" };
    Ok(format!("boot mode {boot_mode}, {architecture}, a volume of {gib} GiB{guess}"))
}

#[cfg(test)]
mod tests {
    use super::level;

    #[test]
    fn a_column_with_any_data_is_not_empty() {
        assert_eq!([0.0, 0.001, 0.125, 0.126, 0.99, 1.0].map(level), ['·', '▁', '▁', '▂', '█', '█']);
    }
}
