//! Who is measured, and how each is started.

use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use tokio::runtime::Runtime;

use crate::{
    Result, disk,
    images::Kind,
    measure::{self, Cost},
    sandbox::{Sandbox, Traffic},
};

/// Where an image is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// Into a managed disk of Azure.
    Pages,
    /// Into a snapshot, block by block.
    Blocks,
    /// Into a bucket, as a dynamic VHD.
    Parts,
    /// Into Azure, and into AWS block by block.
    Both,
}

/// Who brings it there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contestant {
    /// A bare HTTP client.
    Floor,
    /// azcopy as it comes.
    Azcopy,
    /// azcopy without the pacing that it does for page blobs.
    AzcopyUnpaced,
    /// coldsnap as it comes.
    Coldsnap,
    /// coldsnap, which leaves out blocks of zeros.
    ColdsnapOmitting,
    /// `aws s3 cp`.
    AwsCp,
    /// All of `publish`: it makes the disk and the image, too.
    Publish,
}

/// What one run took.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub cost: Cost,
    /// The part of a program that does more which does what the others do, in seconds: of publish the upload, with all that is asked of
    /// the cloud for it, and for blocks with the reading that hashes them.
    pub upload: Option<f64>,
    pub traffic: Traffic,
    /// Bytes of temporary files.
    pub disk: u64,
}

/// What all runs have in common.
pub struct Stage<'a> {
    pub runtime: &'a Runtime,
    pub sandbox: &'a Sandbox,
    pub publish: &'a Path,
    /// Where the other people's programs are.
    pub clients: &'a Path,
}

impl Contestant {
    pub fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Azcopy => "azcopy",
            Self::AzcopyUnpaced => "azcopy, pacer off",
            Self::Coldsnap => "coldsnap",
            Self::ColdsnapOmitting => "coldsnap, zeros omitted",
            Self::AwsCp => "aws s3 cp",
            Self::Publish => "**publish**",
        }
    }

    pub fn is_of_others(self) -> bool {
        !matches!(self, Self::Floor | Self::Publish)
    }

    /// The form in which a program wants an image that it cannot read as it is.
    fn wants(self, goal: Goal, kind: Kind) -> Option<Kind> {
        match (self, goal) {
            (Self::Floor | Self::Azcopy | Self::AzcopyUnpaced, Goal::Pages) if kind != Kind::FixedFull => {
                Some(Kind::Fixed)
            }
            (Self::Floor | Self::Coldsnap | Self::ColdsnapOmitting, Goal::Blocks) => Some(Kind::Raw),
            (Self::Floor | Self::AwsCp, Goal::Parts) => Some(Kind::Dynamic),
            _ => None,
        }
        .filter(|wanted| *wanted != kind)
    }

    /// The form of the image that it reads.
    pub fn reads(self, goal: Goal, kind: Kind) -> Kind {
        self.wants(goal, kind).filter(|_| self == Self::Floor).unwrap_or(kind)
    }

    /// Brings an image to its goal, once. What is only there for this run goes at its end.
    pub fn run(self, stage: &Stage<'_>, goal: Goal, images: &Images<'_>, nth: usize) -> Result<Sample> {
        let work = tempfile::tempdir_in(images.dir)?;
        let before = stage.runtime.block_on(stage.sandbox.traffic())?;
        let (mut image, mut conversion) = (images.get(images.kind)?, Cost::default());
        match self.wants(goal, images.kind) {
            // The floor is what would be possible: nothing is to be converted.
            Some(kind) if self == Self::Floor => image = images.get(kind)?,
            Some(kind) => {
                let converted = work.path().join("converted");
                conversion = measure::run(convert(&image, kind, &converted), &work.path().join("qemu-img"))?.0;
                image = converted;
            }
            None => {}
        }
        let command = self.command(stage, goal, &image, work.path(), nth)?;
        let (cost, output) = measure::run(command, &work.path().join("log"))?;
        let after = stage.runtime.block_on(stage.sandbox.traffic())?;
        let traffic = Traffic {
            bytes: after.bytes - before.bytes,
            requests: after.requests - before.requests,
            unsealed: after.unsealed - before.unsealed,
        };
        let upload = if self == Self::Publish { Some(upload_seconds(&output, goal)?) } else { None };
        Ok(Sample { cost: conversion.then(cost), upload, traffic, disk: allocated(work.path())? })
    }

    fn command(self, stage: &Stage<'_>, goal: Goal, image: &Path, work: &Path, nth: usize) -> Result<Command> {
        let name = format!("bench-{nth}");
        let address = || -> Result<String> {
            let bytes = std::fs::metadata(image)?.len();
            stage.runtime.block_on(disk::open(stage.sandbox, &name, bytes))
        };
        let program = |path: PathBuf| {
            let mut command = Command::new(path);
            command
                .env_clear()
                .envs(&stage.sandbox.environment)
                .env("PATH", "/usr/bin:/bin")
                .env("HOME", work)
                .env("TMPDIR", work)
                .env("PUBLISH_STATE_DIR", work)
                .env("AZCOPY_LOG_LOCATION", work)
                .env("AZCOPY_JOB_PLAN_LOCATION", work)
                .current_dir(work);
            command
        };
        Ok(match self {
            Self::Floor => {
                let mut command = program(std::env::current_exe()?);
                command.arg("floor");
                match goal {
                    Goal::Pages => command.arg("pages").arg(image).arg(address()?),
                    Goal::Blocks => command.arg("blocks").arg(image),
                    Goal::Parts => command.arg("parts").arg(image).arg(&name),
                    Goal::Both => return Err("no floor for two clouds at once".into()),
                };
                command
            }
            Self::Azcopy | Self::AzcopyUnpaced => {
                let mut command = program(stage.clients.join("azcopy"));
                // A container and a blob in it, where the account's name is no part of the host's.
                command.arg("copy").arg(image).arg(address()?.replacen('?', "/disk.vhd?", 1));
                command.args(["--from-to", "LocalBlob", "--blob-type", "PageBlob", "--skip-version-check"]);
                command.args(["--output-level", "essential"]);
                if self == Self::AzcopyUnpaced {
                    command.env("AZCOPY_PACE_PAGE_BLOBS", "false");
                }
                command
            }
            Self::Coldsnap | Self::ColdsnapOmitting => {
                let mut command = program(std::env::current_exe()?);
                command.arg("coldsnap").arg(image);
                if self == Self::ColdsnapOmitting {
                    command.arg("--omit-zero-blocks");
                }
                command
            }
            Self::AwsCp => {
                let mut command = program(stage.clients.join("aws"));
                command.args(["s3", "cp", "--only-show-errors"]).arg(image);
                command.arg(format!("s3://publish-sandbox/{name}"));
                // Its version 1 knows one endpoint for all.
                if let Some(url) = stage.sandbox.environment.get("AWS_ENDPOINT_URL_S3") {
                    command.args(["--endpoint-url", url]);
                }
                command
            }
            Self::Publish => {
                let mut command = program(stage.publish.to_owned());
                match goal {
                    Goal::Pages => command.args(["azure", "--regions", "westus2"]),
                    Goal::Blocks => command.args(["aws", "--regions", "us-east-1", "--route", "ebs"]),
                    Goal::Parts => command.args(["aws", "--regions", "us-east-1", "--bucket", "publish-sandbox"]),
                    Goal::Both => command.args(["all", "--regions", "westus2,us-east-1", "--route", "ebs"]),
                };
                command.args(["--name", &name, "--format", "json"]).arg(image);
                command
            }
        })
    }
}

/// The images of one disk.
pub struct Images<'a> {
    pub dir: &'a Path,
    pub kind: Kind,
    pub gib: u64,
}

impl Images<'_> {
    /// Has the image in memory: no disk is measured.
    pub fn warm(&self, kind: Kind) -> Result<()> {
        vhd::Image::open(self.get(kind)?)?.content()?;
        Ok(())
    }

    pub fn get(&self, kind: Kind) -> Result<PathBuf> {
        std::path::absolute(crate::images::image(self.dir, kind, self.gib)?).map_err(Into::into)
    }
}

fn convert(image: &Path, kind: Kind, to: &Path) -> Command {
    let mut command = Command::new("qemu-img");
    command.args(["convert", "-f", "vpc", "-O"]);
    match kind {
        Kind::Raw => command.arg("raw"),
        _ => command.args(["vpc", "-o", "subformat=fixed,force_size=on"]),
    };
    command.arg(image).arg(to);
    command
}

/// How long the upload took, or the longer of two that went on at the same time: from the report of a run.
fn upload_seconds(report: &str, goal: Goal) -> Result<f64> {
    let report: Value = serde_json::from_str(report)?;
    let targets = report["targets"].as_array().ok_or("a report without targets")?;
    let stages = targets.iter().filter_map(|target| target["stages"].as_array()).flatten();
    let uploads = stages.filter(|stage| stage["stage"] == "upload").filter_map(|stage| stage["seconds"].as_f64());
    // The hashes that go with blocks are those of the first reading; the others compute theirs while they send.
    let hashing = report["image"]["read_seconds"].as_f64().filter(|_| goal == Goal::Blocks).unwrap_or_default();
    Ok(hashing + uploads.fold(0.0, f64::max))
}

/// Bytes that the files in a folder take.
fn allocated(dir: &Path) -> Result<u64> {
    let mut sum = 0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        sum += if metadata.is_dir() { allocated(&entry.path())? } else { metadata.blocks() * 512 };
    }
    Ok(sum)
}
