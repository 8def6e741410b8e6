//! Settings, from the weakest source to the strongest: defaults, the user's file, the project's `publish.toml` (its
//! `default` profile, then the chosen one), `PUBLISH_…` variables, flags.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use figment::{
    Figment, Profile, Provider,
    providers::{Env, Format, Serialized, Toml},
    value::{Dict, Value},
};
use publisher::{Error, ImageSpec, Kind, Names, Result};
use serde::{Deserialize, Serialize};

use crate::args::{Configuration, Destination, Publish, Route, Selection, Source, Verify};

/// Everything that can be set.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The image: a path, or a pattern that matches one file.
    pub image: Option<String>,
    /// What the image is called; the file's name if it is left out.
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

/// The file that is looked for here and in the folders above.
const FILE: &str = "publish.toml";

/// Variables with our prefix that are no settings, as figment has them.
const NO_SETTINGS: [&str; 5] = ["profile", "config", "log", "sandbox_url", "sandbox"];

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
        let (config, profile) = (from.config.as_deref(), from.profile.as_deref());
        if let Some(path) = config.filter(|path| !path.is_file()) {
            return Err(Error::new(Kind::Config, format!("there is no configuration file {}", path.display())));
        }
        let project = config.map_or_else(|| Toml::file(FILE), Toml::file_exact);
        let mut figment = Figment::new();
        if let Some(user) = user_file() {
            figment = figment.merge(Toml::file_exact(user).nested());
        }
        figment = figment.merge(project.nested());
        if let Some(profile) = profile {
            check_profile(&figment, profile)?;
            figment = figment.select(profile);
        }
        // Global: above whatever profile is chosen.
        figment.merge(variables()).extract_lossy().map_err(|error| unreadable(&error))
    }

    /// Flags win over everything.
    fn overlay(&mut self, args: &Publish) {
        set(&mut self.image, &args.image);
        set(&mut self.state_dir, &args.state_dir);
        set(&mut self.spool_dir, &args.opening.spool_dir);
        set(&mut self.deadline, &args.deadline);
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

    /// What is said of the image for both clouds.
    pub fn image_spec(&self, image: &Path) -> ImageSpec {
        let by_file = || Some(name_of(image.file_name()?.to_str()?).to_owned());
        ImageSpec {
            name: self.name.clone().or_else(by_file).unwrap_or_else(|| "image".to_owned()),
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

/// What a file is called without what says how it is stored: `nixos.vhd.zst` is `nixos`.
fn name_of(file: &str) -> &str {
    let unpacked = [".zst", ".zstd", ".gz", ".xz"].iter().find_map(|extension| file.strip_suffix(extension));
    let name = unpacked.unwrap_or(file);
    match name.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => name,
    }
}

/// `PUBLISH_…` as settings, in the global profile: above whatever profile is chosen. Every value is text, whatever it looks
/// like; where a number or a truth is wanted, it is read from it.
fn variables() -> impl Provider {
    let mut settings = Dict::new();
    for (name, text) in Env::prefixed("PUBLISH_").ignore(&NO_SETTINGS).iter() {
        let path = name.as_str().to_lowercase().replace("__", ".");
        merge(&mut settings, &path, text);
    }
    Serialized::globals(settings)
}

fn merge(settings: &mut Dict, path: &str, text: String) {
    match path.split_once('.') {
        None => drop(settings.insert(path.to_owned(), Value::from(text))),
        Some((table, rest)) => {
            let entry = settings.entry(table.to_owned()).or_insert_with(|| Value::from(Dict::new()));
            if let Value::Dict(_, inner) = entry {
                merge(inner, rest, text);
            }
        }
    }
}

fn user_file() -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let dir = variable("XDG_CONFIG_HOME").or_else(|| Some(variable("HOME")?.join(".config")))?;
    Some(dir.join("publish").join(FILE)).filter(|path| path.is_file())
}

fn check_profile(figment: &Figment, wanted: &str) -> Result<()> {
    // A file that cannot be read says so, and not that it has no profiles.
    figment.extract::<Value>().map_err(|error| unreadable(&error))?;
    let known: Vec<_> =
        figment.profiles().filter(|profile| *profile != Profile::Global).map(ToString::to_string).collect();
    if known.iter().any(|profile| profile.eq_ignore_ascii_case(wanted)) {
        return Ok(());
    }
    let error = Error::new(Kind::Config, format!("there is no profile \"{wanted}\""));
    Err(if known.is_empty() {
        error.with_hint(format!("no {FILE} was found here or in a folder above; --config names one"))
    } else {
        error.with_hint(format!("{FILE} has {}", known.join(", ")))
    })
}

fn unreadable(error: &figment::Error) -> Error {
    let source = error.metadata.as_ref().and_then(|metadata| metadata.source.as_ref()).map(ToString::to_string);
    let place = source.or_else(|| error.metadata.as_ref().map(|metadata| metadata.name.to_string()));
    let field = if error.path.is_empty() { String::new() } else { format!("{}: ", error.path.join(".")) };
    let place = place.unwrap_or_else(|| "the configuration".to_owned());
    Error::new(Kind::Config, format!("{place}: {field}{}", error.kind.to_string().trim_end()))
}

#[cfg(test)]
mod tests {
    use super::name_of;

    #[test]
    fn a_name_is_the_file_without_its_formats() {
        for (file, name) in [
            ("nixos.vhd", "nixos"),
            ("nixos.vhd.zst", "nixos"),
            ("nixos-25.05.vhd.xz", "nixos-25.05"),
            ("nixos", "nixos"),
            (".hidden", ".hidden"),
        ] {
            assert_eq!(name_of(file), name, "{file}");
        }
    }
}
