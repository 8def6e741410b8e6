//! The report at the end, on standard output.

use publisher::{ErrorReport, Report, StageReport, Status, TargetReport};

use super::{message, print, sizes::bytes};
use crate::args::Format;

pub fn show(report: &Report, format: Format) {
    let text = match format {
        Format::Human => human(report),
        Format::Json => serde_json::to_string_pretty(report).map(|text| text + "\n").unwrap_or_default(),
    };
    print(&text);
    for target in &report.targets {
        show_errors(target);
    }
}

fn show_errors(target: &TargetReport) {
    let mut errors: Vec<(String, &ErrorReport)> = Vec::new();
    errors.extend(target.error.iter().map(|error| (target.cloud.to_string(), error)));
    for region in &target.regions {
        errors.extend(region.error.iter().map(|error| (format!("{} {}", target.cloud, region.region), error)));
    }
    for (place, error) in errors {
        message::error(&format!("{place}: {}", error.message), &error.causes, error.hint.as_deref());
    }
}

/// The report for people.
pub fn human(report: &Report) -> String {
    let mut text = String::new();
    for target in &report.targets {
        for step in planned(target) {
            text += &format!("{:5}  {step}\n", target.cloud);
        }
    }
    let mut rows = Vec::new();
    for target in &report.targets {
        for (kind, id) in &target.resources {
            // The regions below name the version or the AMI; this is what else there is.
            if target.regions.iter().all(|region| region.id.as_ref() != Some(id)) {
                rows.push([target.cloud.to_string(), String::new(), kind.replace('_', " "), id.clone()]);
            }
        }
        for region in &target.regions {
            let id = region.id.clone().unwrap_or_default();
            let percent = region.percent.map_or_else(String::new, |percent| format!(" {percent} %"));
            rows.push([target.cloud.to_string(), region.region.clone(), format!("{}{percent}", region.status), id]);
        }
    }
    if !rows.is_empty() {
        text += &table(["CLOUD", "REGION", "STATUS", "ID"].map(str::to_owned), rows);
    }
    for target in &report.targets {
        // Where no image was read, nothing was published either: it was only looked at.
        text += &match report.image {
            Some(_) => format!("{}\n{}", summary(target), times(target)),
            None => format!("{}: {}\n", target.cloud, standing(target)),
        };
    }
    text
}

/// What would be done, of a plan.
pub fn planned(target: &TargetReport) -> Vec<String> {
    let denied = target.denied.iter().map(|action| format!("NOT ALLOWED: {action}"));
    let nothing =
        (target.status == Status::Planned && target.plan.is_empty()).then(|| "nothing is to be done".to_owned());
    target.plan.iter().cloned().chain(denied).chain(nothing).collect()
}

/// How an image is that was only looked at.
fn standing(target: &TargetReport) -> &'static str {
    match target.status {
        Status::Unchanged | Status::Published => "it is everywhere",
        Status::Pending => "it is not everywhere yet",
        Status::Partial => "it is not everywhere, and some regions failed",
        Status::Failed => "failed",
        Status::Interrupted => "interrupted",
        Status::Planned => "planned",
    }
}

/// How a run of a cloud ended, in a line.
pub fn summary(target: &TargetReport) -> String {
    let status = match target.status {
        Status::Planned => "planned; nothing was changed",
        Status::Published => "published",
        Status::Unchanged => "unchanged: it was all there",
        Status::Pending => {
            "accepted, and not everywhere yet: `publish status` says how far it is, and publishing again ends it"
        }
        Status::Partial => "published in part",
        Status::Failed => "failed",
        Status::Interrupted => "interrupted",
    };
    let sent = &target.transfer;
    if sent.requests == 0 {
        return format!("{}: {status}", target.cloud);
    }
    let (bytes_sent, skipped) = (bytes(sent.bytes_sent), bytes(sent.bytes_skipped));
    format!("{}: {status}; {bytes_sent} sent, {skipped} of zeros not sent, in {:.1} s", target.cloud, sent.seconds)
}

/// Where the time of a run went that was more than a look.
fn times(target: &TargetReport) -> String {
    let told = |seconds: f64| seconds >= 0.05;
    let stages: Vec<_> = target.stages.iter().filter(|stage| told(stage.seconds)).collect();
    if target.transfer.requests == 0 || stages.is_empty() {
        return String::new();
    }
    let stage = |stage: &&StageReport| {
        let longest = stage.waits.first().filter(|wait| told(wait.seconds));
        let wait = longest.map_or_else(String::new, |wait| format!(" ({:.1} s {})", wait.seconds, wait.what));
        format!("{} {:.1} s{wait}", stage.stage, stage.seconds)
    };
    let all: f64 = target.stages.iter().map(|stage| stage.seconds).sum();
    format!("{}: {all:.1} s: {}\n", target.cloud, stages.iter().map(stage).collect::<Vec<_>>().join(", "))
}

/// Columns as wide as what is in them.
fn table(head: [String; 4], rows: Vec<[String; 4]>) -> String {
    let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2)];
    let line = |row: &[String; 4]| {
        format!("{:a$}  {:b$}  {:c$}  {}", row[0], row[1], row[2], row[3], a = widths[0], b = widths[1], c = widths[2])
            .trim_end()
            .to_owned()
            + "\n"
    };
    rows.iter().map(line).collect()
}
