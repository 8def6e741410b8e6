//! What GitHub Actions shows of a run: groups in the log, outputs of the step, and its summary (GitHub Docs, "Workflow commands
//! for GitHub Actions").

use std::{fs::OpenOptions, io::Write};

use publisher::{Report, TargetReport};
use serde_json::{Map, Value};

use super::{
    message,
    report::{self, planned},
    sizes::bytes,
};

/// Variables of other CI systems, which set `CI` too and know nothing of these commands.
const OTHERS: [&str; 6] = ["GITLAB_CI", "TF_BUILD", "BUILDKITE", "CIRCLECI", "JENKINS_URL", "TRAVIS"];

fn is_on() -> bool {
    std::env::var("CI").is_ok_and(|ci| ci == "true") && OTHERS.iter().all(|other| std::env::var_os(other).is_none())
}

/// A group of lines in the log, until this goes.
#[derive(Debug)]
pub struct Group(());

/// Begins a group, where there are any.
pub fn group(title: &str) -> Option<Group> {
    is_on().then(|| {
        message::line(&format!("::group::{}", one_line(title)));
        Group(())
    })
}

impl Drop for Group {
    fn drop(&mut self) {
        message::line("::endgroup::");
    }
}

/// Gives the step's outputs, and writes its summary, where it has any.
pub fn show(report: &Report, name: &str) {
    if is_on() {
        append("GITHUB_OUTPUT", &outputs(report, name));
        append("GITHUB_STEP_SUMMARY", &summary(report, name));
    }
}

/// That a step's file cannot be written makes no image less published: it is said, and the run ends as it would.
fn append(variable: &str, text: &str) {
    let Some(path) = std::env::var_os(variable).filter(|path| !path.is_empty()) else { return };
    let written =
        OpenOptions::new().append(true).create(true).open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    if let Err(error) = written {
        message::warning(&format!("{variable} cannot be written: {error}"));
    }
}

/// `name=value` lines: what workflows go on with.
fn outputs(report: &Report, name: &str) -> String {
    let mut outputs = vec![("image_name", name.to_owned())];
    outputs.extend(report.image.iter().map(|image| ("image_digest", image.digest.clone())));
    for target in &report.targets {
        for (kind, output) in [
            ("snapshot", "snapshot_id"),
            ("ami", "ami_id"),
            ("image_version", "image_version_id"),
            ("managed_image", "managed_image_id"),
        ] {
            outputs.extend(target.resources.get(kind).map(|id| (output, id.clone())));
        }
        if target.resources.contains_key("ami") {
            outputs.push(("ami_ids", ids(target)));
        }
    }
    outputs.iter().map(|(output, value)| format!("{output}={}\n", one_line(value))).collect()
}

/// The ids by region, for `fromJSON`.
fn ids(target: &TargetReport) -> String {
    let ids = target.regions.iter().filter_map(|region| Some((region.region.clone(), Value::from(region.id.clone()?))));
    Value::Object(ids.collect::<Map<_, _>>()).to_string()
}

/// The summary, in GitHub's Markdown.
fn summary(report: &Report, name: &str) -> String {
    let mut text = format!("## {}\n\n", cell(name));
    if let Some(image) = &report.image {
        let (size, data) = (bytes(image.virtual_size), bytes(image.data_size));
        text += &format!("A disk of {size} with {data} of data, `{}`\n\n", image.digest);
    }
    let rows: Vec<_> = report.targets.iter().flat_map(rows).collect();
    if !rows.is_empty() {
        text += &format!("| Cloud | Region | Status | Id |\n|---|---|---|---|\n{}\n", rows.concat());
    }
    for target in &report.targets {
        text += &planned(target).iter().map(|step| format!("- {}\n", cell(step))).collect::<String>();
        text += &format!("- {}\n", cell(&report::summary(target)));
        if let Some(error) = &target.error {
            text += &format!("- **{}**: {}\n", target.cloud, cell(&error.message));
        }
    }
    text + "\n"
}

fn rows(target: &TargetReport) -> Vec<String> {
    let row = |region: &str, status: &str, id: &str| {
        format!("| {} | {} | {} | `{}` |\n", target.cloud, cell(region), cell(status), cell(id))
    };
    let regions = target.regions.iter().map(|region| {
        let error = region.error.as_ref().map(|error| format!(": {}", error.message)).unwrap_or_default();
        row(&region.region, &format!("{}{error}", region.status), region.id.as_deref().unwrap_or("-"))
    });
    let others =
        target.resources.iter().filter(|(_, id)| target.regions.iter().all(|region| region.id.as_ref() != Some(*id)));
    regions.chain(others.map(|(kind, id)| row("", &kind.replace('_', " "), id))).collect()
}

/// Text that ends neither a line nor a cell.
fn cell(text: &str) -> String {
    one_line(text).replace('|', "\\|")
}

/// A line break would begin another output, or end a command.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
