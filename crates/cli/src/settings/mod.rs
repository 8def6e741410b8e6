//! Settings: what can be set, what flags say over what [`sources`] say, and what [`templates`] in them stand for.

mod sources;
mod templates;

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use publisher::{Error, ImageSpec, Kind, Names, Result};
use serde::{Deserialize, Serialize};

use crate::args::{Configuration, Destination, Publish, Route, Selection, Source, Verify};

/// Everything that can be set.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The image: a path, a pattern that matches one file, or a flake reference such as `.#ecs-node`, which is built.
    pub image: Option<String>,
    /// What Nix is given beside a flake reference, as `["--impure"]`.
    pub nix_flags: Names,
    /// What the image is called; the name of the file or of the flake's attribute if it is left out.
    pub name: Option<String>,
    /// Its version; `@FILE` for what is in a file, `@image` for what the image says of itself.
    pub version: Option<String>,
    /// A sentence about it.
    pub description: Option<String>,
    /// Tags for everything that is made.
    pub tags: BTreeMap<String, String>,
    /// Certificate authorities to trust in addition to the system's.
    pub ca_file: Option<PathBuf>,
    /// Where journals are kept.
    pub state_dir: Option<PathBuf>,
    /// Where a compressed image is unpacked.
    pub spool_dir: Option<PathBuf>,
    /// How long a run may take, as `90m` or `2h`; what it has begun is taken back after that.
    pub deadline: Option<String>,
    /// Azure.
    pub azure: backend_azure::Config,
    /// AWS.
    pub aws: backend_aws::Config,
}

impl Settings {
    /// The settings for a command line.
    ///
    /// # Errors
    /// [`Kind::Config`], naming the file or variable and the field.
    pub fn resolve(args: &Publish) -> Result<Self> {
        let mut settings = Self::select(&args.selection)?;
        settings.overlay(args);
        Ok(settings)
    }

    /// The settings for an image that is there already.
    ///
    /// # Errors
    /// See [`resolve`](Self::resolve).
    pub fn select(selection: &Selection) -> Result<Self> {
        let mut settings = Self::load(&selection.configuration)?;
        set(&mut settings.name, &selection.name);
        set(&mut settings.version, &selection.version);
        set(&mut settings.azure.resource_group, &selection.resource_group);
        set(&mut settings.azure.gallery, &selection.gallery);
        let destination = selection.destination.map(|destination| match destination {
            Destination::Gallery => backend_azure::Destination::Gallery,
            Destination::ManagedImage => backend_azure::Destination::ManagedImage,
        });
        set(&mut settings.azure.destination, &destination);
        Ok(settings)
    }

    /// The settings of a profile, whatever image is meant.
    ///
    /// # Errors
    /// See [`resolve`](Self::resolve).
    pub fn load(from: &Configuration) -> Result<Self> {
        sources::read(from.config.as_deref(), &from.profile)
    }

    /// Flags win over everything.
    fn overlay(&mut self, args: &Publish) {
        set(&mut self.image, &args.image);
        set(&mut self.state_dir, &args.state_dir);
        set(&mut self.spool_dir, &args.opening.spool_dir);
        set(&mut self.deadline, &args.deadline);
        if !args.opening.nix_flags.is_empty() {
            self.nix_flags = Names(args.opening.nix_flags.clone());
        }
        let reads_back = args.verify.map(|verify| verify == Verify::Full);
        set(&mut self.azure.verify, &reads_back);
        set(&mut self.aws.verify, &reads_back);
        let source = args.source.map(|source| match source {
            Source::ManagedImage => backend_azure::Source::ManagedImage,
            Source::Disk => backend_azure::Source::Disk,
        });
        set(&mut self.azure.source, &source);
        set(&mut self.azure.keep_image, &args.keep_image.then_some(true));
        set(&mut self.azure.disk_size_gib, &args.disk_size);
        self.set_route(&args.bucket, args.route);
    }

    /// Puts what the command line says of AWS's routes over the settings.
    pub fn set_route(&mut self, bucket: &Option<String>, route: Option<Route>) {
        set(&mut self.aws.bucket, bucket);
        let route = route.map(|route| match route {
            Route::S3 => backend_aws::Route::S3,
            Route::Ebs => backend_aws::Route::Ebs,
        });
        set(&mut self.aws.route, &route);
    }

    /// Puts regions from the command line in the place of those of a cloud.
    pub fn set_regions(&mut self, azure: Vec<String>, aws: Vec<String>) {
        if !azure.is_empty() {
            // The first one is the home region; one that a file names is not among those asked for.
            self.azure.location = None;
            self.azure.regions = Some(Names(azure));
        }
        if !aws.is_empty() {
            self.aws.regions = Some(Names(aws));
        }
    }

    /// What is said of the image for both clouds; `called` is its name where none is given.
    pub fn image_spec(&self, called: &str) -> ImageSpec {
        let called = if called.is_empty() { "image" } else { called };
        ImageSpec {
            name: self.name.clone().unwrap_or_else(|| called.to_owned()),
            version: self.version.clone(),
            description: self.description.clone(),
            tags: self.tags.clone(),
            ca_file: self.ca_file.clone(),
        }
    }

    /// How long a run may take.
    ///
    /// # Errors
    /// [`Kind::Config`] for what is no time.
    pub fn deadline(&self) -> Result<Option<Duration>> {
        let Some(text) = &self.deadline else { return Ok(None) };
        let time = text.parse::<jiff::SignedDuration>().ok().and_then(|time| Duration::try_from(time).ok());
        let wrong = || {
            Error::new(Kind::Config, format!("the deadline is \"{text}\", which is no time"))
                .with_hint("such as --deadline 90m, or 2h, or 1h30m")
        };
        time.filter(|time| !time.is_zero()).map(Some).ok_or_else(wrong)
    }

    /// Where journals are kept: as set, or in the user's state folder (XDG Base Directory Specification).
    pub fn state_dir(&self) -> Option<PathBuf> {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let by_user = || Some(variable("HOME")?.join(".local/state"));
        self.state_dir.clone().or_else(|| Some(variable("XDG_STATE_HOME").or_else(by_user)?.join("publish")))
    }
}

/// A flag that is given wins.
fn set<T: Clone>(setting: &mut Option<T>, flag: &Option<T>) {
    if flag.is_some() {
        setting.clone_from(flag);
    }
}
