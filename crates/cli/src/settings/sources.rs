//! Where settings come from, from the weakest to the strongest: defaults, the user's file, the project's `publish.toml` (in
//! both, the `default` profile and then the chosen ones, each over those before it), and `PUBLISH_…` variables.

use std::path::{Path, PathBuf};

use figment::{
    Figment, Metadata, Profile, Provider,
    providers::{Data, Env, Format, Serialized, Toml},
    value::{Dict, Map, Value},
};
use publisher::{Error, Kind, Result};

use super::Settings;

/// The file that is looked for here and in the folders above.
const FILE: &str = "publish.toml";

/// Variables with our prefix that are no settings, as figment has them.
const NO_SETTINGS: [&str; 5] = ["profile", "config", "log", "sandbox_url", "sandbox"];

/// Reads them all.
pub fn read(config: Option<&Path>, profiles: &[String]) -> Result<Settings> {
    if let Some(path) = config.filter(|path| !path.is_file()) {
        return Err(Error::new(Kind::Config, format!("there is no configuration file {}", path.display())));
    }
    // A variable that is set to nothing names none.
    let profiles: Vec<_> = profiles.iter().filter(|profile| !profile.is_empty()).cloned().collect();
    let project = config.map_or_else(|| Toml::file(FILE), Toml::file_exact).nested();
    let files: Vec<_> = user_file().map(|user| Toml::file_exact(user).nested()).into_iter().chain([project]).collect();
    let mut figment = files.iter().fold(Figment::new(), Figment::merge);
    check(&figment, &profiles)?;
    for profile in &profiles {
        for file in &files {
            figment = figment.merge(Layer { file, profile: Profile::new(profile) });
        }
    }
    figment.merge(variables()).extract_lossy().map_err(|error| unreadable(&error))
}

/// One profile of a file, to lie over what is there already, whichever profile that was of.
struct Layer<'a> {
    file: &'a Data<Toml>,
    profile: Profile,
}

impl Provider for Layer<'_> {
    fn metadata(&self) -> Metadata {
        self.file.metadata()
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        let said = self.file.data()?.remove(&self.profile).unwrap_or_default();
        Ok(Map::from([(Profile::Global, said)]))
    }
}

/// `PUBLISH_…` as settings, above whatever profile is chosen. Every value is text, whatever it looks like; where a number or a
/// truth is wanted, it is read from it.
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

/// That the files can be read, and have the profiles.
fn check(figment: &Figment, wanted: &[String]) -> Result<()> {
    if wanted.is_empty() {
        return Ok(());
    }
    // A file that cannot be read says so, and not that it has no profiles.
    figment.extract::<Value>().map_err(|error| unreadable(&error))?;
    let known: Vec<_> =
        figment.profiles().filter(|profile| *profile != Profile::Global).map(ToString::to_string).collect();
    let Some(missing) = wanted.iter().find(|wanted| !known.iter().any(|known| known.eq_ignore_ascii_case(wanted)))
    else {
        return Ok(());
    };
    let error = Error::new(Kind::Config, format!("there is no profile \"{missing}\""));
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
