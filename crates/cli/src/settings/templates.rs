//! Placeholders in names and tags: `{image}`, `{version}`, `{git_rev}` and `{date}`.

use std::process::Command;

use jiff::Timestamp;
use publisher::{Error, Kind, Result};

use super::Settings;

/// What stands for something in braces.
const PLACEHOLDERS: [&str; 4] = ["image", "version", "git_rev", "date"];

impl Settings {
    /// That every template can be read, and that there is what it has that does not depend on the image; before anything takes its
    /// time.
    ///
    /// # Errors
    /// [`Kind::Config`], naming the setting.
    pub fn check_templates(&self) -> Result<()> {
        let mut all = self.clone();
        let check = |setting: &str, text: &mut String| {
            let of_the_image = |placeholder: &str| matches!(placeholder, "image" | "version");
            let value = |name: &str| if of_the_image(name) { Ok(String::new()) } else { of_here(setting, name) };
            fill(setting, text, value).map(drop)
        };
        if let Some(version) = all.version.as_mut().filter(|version| !version.starts_with('@')) {
            check("version", version)?;
        }
        all.each_name(check)?;
        all.each_label(check)
    }

    /// Puts in what the placeholders stand for. `image` is what the image is called where no name is given, if that is known.
    ///
    /// # Errors
    /// [`Kind::Config`] for a placeholder that stands for nothing here.
    pub fn fill_templates(&mut self, image: Option<&str>) -> Result<()> {
        self.fill_names(image)?;
        let version = self.version.clone();
        self.each_label(|setting, text| fill_one(setting, text, image, version.as_deref()))
    }

    /// The same for what an image is known by; what is only written on it stays.
    ///
    /// # Errors
    /// See [`fill_templates`](Self::fill_templates).
    pub fn fill_names(&mut self, image: Option<&str>) -> Result<()> {
        if let Some(version) = &mut self.version {
            fill_one("version", version, image, None)?;
        }
        let version = self.version.clone();
        self.each_name(|setting, text| fill_one(setting, text, image, version.as_deref()))
    }

    fn each_name(&mut self, mut with: impl FnMut(&str, &mut String) -> Result<()>) -> Result<()> {
        let names = [
            ("name", &mut self.name),
            ("azure.definition", &mut self.azure.definition),
            ("aws.ami_name", &mut self.aws.ami_name),
        ];
        names.into_iter().try_for_each(|(setting, text)| text.as_mut().map_or(Ok(()), |text| with(setting, text)))
    }

    fn each_label(&mut self, mut with: impl FnMut(&str, &mut String) -> Result<()>) -> Result<()> {
        let labels = [
            ("description", &mut self.description),
            ("azure.offer", &mut self.azure.offer),
            ("azure.sku", &mut self.azure.sku),
        ];
        labels.into_iter().try_for_each(|(setting, text)| text.as_mut().map_or(Ok(()), |text| with(setting, text)))?;
        self.tags.iter_mut().try_for_each(|(tag, text)| with(&format!("tags.{tag}"), text))
    }
}

fn fill_one(setting: &str, text: &mut String, image: Option<&str>, version: Option<&str>) -> Result<()> {
    let known = |value: Option<&str>, what: &str, hint: &str| {
        let missing =
            || Error::new(Kind::Config, format!("{setting} has {{{what}}}, and there is none")).with_hint(hint);
        value.map(str::to_owned).ok_or_else(missing)
    };
    *text = fill(setting, text, |placeholder| match placeholder {
        "image" => known(image, "image", NAME_THE_IMAGE),
        "version" => known(version, "version", "--version, or version = …"),
        other => of_here(setting, other),
    })?;
    Ok(())
}

const NAME_THE_IMAGE: &str = "name the image: publish azure .#ecs-node, or `image = …` in publish.toml";

/// What is the same for every image that is published from here now.
fn of_here(setting: &str, placeholder: &str) -> Result<String> {
    match placeholder {
        "git_rev" => git_rev(setting),
        _ => date(setting),
    }
}

/// What git says of the commit that is checked out; nothing where there is none.
fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned()).filter(|said| !said.is_empty())
}

/// The commit that is checked out: twelve digits, and `-dirty` where something was changed since.
fn git_rev(setting: &str) -> Result<String> {
    git(&["describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]).ok_or_else(|| {
        Error::new(Kind::Config, format!("{setting} has {{git_rev}}, and no git commit is checked out here"))
            .with_hint("publish from a git checkout, with git installed, or leave {git_rev} out")
    })
}

/// A day as `2026-11-26`, in UTC: that of the commit that is checked out, so that what it is published as does not depend on
/// when; or that of `SOURCE_DATE_EPOCH`, which counts before it (reproducible-builds.org, "SOURCE_DATE_EPOCH specification"); or
/// today, where there is neither.
fn date(setting: &str) -> Result<String> {
    let read = |seconds: &str| Timestamp::from_second(seconds.trim().parse().ok()?).ok();
    let day = match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(epoch) => read(&epoch).ok_or_else(|| {
            let why = format!("SOURCE_DATE_EPOCH is \"{epoch}\", which is no count of seconds");
            Error::new(Kind::Config, format!("{setting} has {{date}}, and {why}"))
        })?,
        Err(_) => git(&["log", "-1", "--format=%ct"]).and_then(|said| read(&said)).unwrap_or_else(Timestamp::now),
    };
    Ok(day.strftime("%Y-%m-%d").to_string())
}

/// Replaces `{placeholder}`; `{{` and `}}` stand for braces.
fn fill(setting: &str, template: &str, value: impl Fn(&str) -> Result<String>) -> Result<String> {
    let refuse = |why: &str| {
        let known = PLACEHOLDERS.map(|placeholder| format!("{{{placeholder}}}")).join(", ");
        Error::new(Kind::Config, format!("{setting} is \"{template}\": {why}"))
            .with_hint(format!("{known} stand for something; {{{{ and }}}} are braces"))
    };
    let mut filled = String::new();
    let mut rest = template;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, after) = rest.split_at(at);
        filled += before;
        rest = if let Some(after) = after.strip_prefix("{{") {
            filled.push('{');
            after
        } else if let Some(after) = after.strip_prefix("}}") {
            filled.push('}');
            after
        } else if let Some((placeholder, after)) = after.strip_prefix('{').and_then(|inside| inside.split_once('}')) {
            if !PLACEHOLDERS.contains(&placeholder) {
                return Err(refuse(&format!("{{{placeholder}}} stands for nothing")));
            }
            filled += &value(placeholder)?;
            after
        } else {
            return Err(refuse("a brace has no other"));
        };
    }
    Ok(filled + rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(template: &str) -> std::result::Result<String, String> {
        let value = |placeholder: &str| Ok(placeholder.to_uppercase());
        fill("name", template, value).map_err(|error| error.to_string())
    }

    #[test]
    fn placeholders_are_replaced_and_doubled_braces_are_braces() {
        assert_eq!(filled("plain").unwrap(), "plain");
        assert_eq!(filled("{image}-{version}").unwrap(), "IMAGE-VERSION");
        assert_eq!(filled("a {{literal}} {date}").unwrap(), "a {literal} DATE");
        assert_eq!(filled("").unwrap(), "");
    }

    #[test]
    fn what_stands_for_nothing_is_named() {
        assert_eq!(filled("{team}-x").unwrap_err(), "name is \"{team}-x\": {team} stands for nothing");
        for broken in ["{image", "image}", "{", "a}b"] {
            assert!(filled(broken).unwrap_err().ends_with("a brace has no other"), "{broken}");
        }
    }

    #[test]
    fn what_a_placeholder_stands_for_has_to_be_there() {
        let mut settings = Settings { name: Some("{image}-{version}".to_owned()), ..Settings::default() };
        let version = |text: &str| Settings { version: Some(text.to_owned()), ..Settings::default() };
        assert!(version("{nope}").check_templates().is_err());
        version("@image").check_templates().unwrap();
        assert_eq!(
            version("{version}").fill_names(None).unwrap_err().to_string(),
            "version has {version}, and there is none"
        );
        settings.tags.insert("of".to_owned(), "{image}".to_owned());
        settings.check_templates().unwrap();
        let error = settings.clone().fill_templates(Some("ecs-node")).unwrap_err();
        assert_eq!(error.to_string(), "name has {version}, and there is none");
        settings.version = Some("{image}.7".to_owned());
        settings.fill_templates(Some("ecs-node")).unwrap();
        assert_eq!(settings.name.as_deref(), Some("ecs-node-ecs-node.7"));
        assert_eq!(settings.tags["of"], "ecs-node");
        settings.name = Some("{image}".to_owned());
        assert_eq!(settings.fill_templates(None).unwrap_err().to_string(), "name has {image}, and there is none");
    }
}
