//! What an image is, for people.

use publisher::ImageReport;
use vhd::{Facts, Image, PartitionTable};

use super::sizes::bytes;

pub fn human(report: &ImageReport, facts: &Facts, image: &Image) -> String {
    let table = match facts.partition_table {
        PartitionTable::Gpt => "GPT",
        PartitionTable::Mbr => "MBR",
        PartitionTable::None => "none",
    };
    let known = |text: Option<String>| text.unwrap_or_else(|| "not found".to_owned());
    let boot_files = facts.boot_files.iter().map(|file| file.path.clone()).collect::<Vec<_>>().join(", ");
    let rows = [
        ("image", report.path.display().to_string()),
        ("format", report.format.to_string()),
        ("file", bytes(report.file_size)),
        ("disk", format!("{} ({} bytes)", bytes(report.virtual_size), report.virtual_size)),
        ("data", format!("{} in blocks of 512 KiB", bytes(report.data_size))),
        ("digest", report.digest.clone()),
        ("partition table", table.to_owned()),
        ("EFI partition", if facts.efi_system_partition { "yes" } else { "no" }.to_owned()),
        ("boot files", if boot_files.is_empty() { "none".to_owned() } else { boot_files }),
        ("firmware", known(facts.firmware().map(|firmware| firmware.to_string()))),
        ("architecture", known(report.architecture.map(|architecture| architecture.to_string()))),
        ("on Azure", azure(report, image)),
        ("on AWS", aws(facts, image)),
    ];
    let mut text: String = rows.iter().map(|(name, value)| format!("{name:16} {value}\n")).collect();
    for problem in &facts.problems {
        text += &format!("{:16} {problem}\n", "problem");
    }
    text
}

fn azure(report: &ImageReport, image: &Image) -> String {
    match backend_azure::shape(&backend_azure::Config::default(), image) {
        Ok((generation, architecture, size)) => {
            let guess = if report.architecture.is_none() { ", if nothing else is configured" } else { "" };
            format!("generation {generation}, {architecture}, a disk of {}{guess}", bytes(size))
        }
        Err(error) => error.to_string(),
    }
}

fn aws(facts: &Facts, image: &Image) -> String {
    match backend_aws::shape(&backend_aws::Config::default(), image) {
        Ok((boot_mode, architecture, gib)) => {
            let guess = if facts.architecture().is_none() { ", if nothing else is configured" } else { "" };
            format!("boot mode {boot_mode}, {architecture}, a volume of {gib} GiB{guess}")
        }
        Err(error) => error.to_string(),
    }
}
