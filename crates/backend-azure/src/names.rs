//! The names that Azure takes, and where each resource is.

use publisher::{Error, Kind, Result};

use crate::version::Version;

/// Everything that has a name, resolved.
#[derive(Clone, Debug)]
pub struct Names {
    pub subscription: String,
    pub resource_group: String,
    pub gallery: String,
    pub definition: String,
    /// What the image is called; part of the disk's name.
    pub image: String,
}

impl Names {
    pub fn group(&self) -> String {
        format!("/subscriptions/{}/resourceGroups/{}", self.subscription, self.resource_group)
    }

    fn compute(&self, kind: &str, name: &str) -> String {
        format!("{}/providers/Microsoft.Compute/{kind}/{name}", self.group())
    }

    /// The disk that is uploaded to. One a run, so that two runs never write to the same.
    pub fn disk(&self, run: &str) -> String {
        let room = 80 - "publish--".len() - run.len();
        let image: String = self.image.chars().take(room).collect();
        self.compute("disks", &format!("publish-{image}-{run}"))
    }

    pub fn managed_image(&self, version: &str) -> String {
        let room = 80 - 1 - version.len();
        let definition: String = self.definition.chars().take(room).collect();
        self.compute("images", &format!("{definition}-{version}"))
    }

    /// The managed image that is needed on the way alone. One a run, with a name that is no version's.
    pub fn intermediate_image(&self, run: &str) -> String {
        let room = 80 - "publish--".len() - run.len();
        let image: String = self.image.chars().take(room).collect();
        self.compute("images", &format!("publish-{image}-{run}"))
    }

    /// All managed images of the resource group.
    pub fn managed_images(&self) -> String {
        format!("{}/providers/Microsoft.Compute/images", self.group())
    }

    /// The version in the name of a managed image, if it is one of this image.
    pub fn version_of_managed_image(&self, name: &str) -> Option<Version> {
        let version = Version::parse(name.rsplit('-').next()?)?;
        let id = self.managed_image(&version.to_string());
        id.to_lowercase().ends_with(&format!("/{}", name.to_lowercase())).then_some(version)
    }

    pub fn gallery(&self) -> String {
        self.compute("galleries", &self.gallery)
    }

    pub fn definition(&self) -> String {
        format!("{}/images/{}", self.gallery(), self.definition)
    }

    pub fn versions(&self) -> String {
        format!("{}/versions", self.definition())
    }

    pub fn version(&self, version: &str) -> String {
        format!("{}/{version}", self.versions())
    }

    /// Azure's rules for the names that are ours to choose.
    ///
    /// # Errors
    /// [`Kind::Config`], naming the setting and the rule.
    pub fn check(&self) -> Result<()> {
        let refuse = |setting: &str, value: &str, rule: &str| {
            Err(Error::new(Kind::Config, format!("azure.{setting} is \"{value}\", and Azure wants {rule}")))
        };
        let alphanumeric = |text: &str, more: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c));
        let ends_well = |text: &str| {
            text.starts_with(|c: char| c.is_ascii_alphanumeric())
                && text.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        };
        if !(1..=90).contains(&self.resource_group.len()) || !alphanumeric(&self.resource_group, "-_.()") {
            return refuse(
                "resource_group",
                &self.resource_group,
                "up to 90 letters, digits, '-', '_', '.', '(' and ')'",
            );
        }
        if !(1..=80).contains(&self.gallery.len()) || !alphanumeric(&self.gallery, "._") || !ends_well(&self.gallery) {
            return refuse("gallery", &self.gallery, "up to 80 letters, digits, '.' and '_', and no hyphens");
        }
        if !(1..=80).contains(&self.definition.len())
            || !alphanumeric(&self.definition, "-._")
            || !ends_well(&self.definition)
        {
            return refuse("definition", &self.definition, "up to 80 letters, digits, '-', '.' and '_'");
        }
        Ok(())
    }
}

/// A name made of what Azure takes in any of its names: everything else becomes a hyphen.
pub fn cleaned(name: &str) -> String {
    let mapped: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' }).collect();
    mapped.trim_matches(|c: char| !c.is_ascii_alphanumeric()).chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names {
            subscription: "s".into(),
            resource_group: "rg".into(),
            gallery: "g".into(),
            definition: "d".repeat(80),
            image: "i".repeat(100),
        }
    }

    #[test]
    fn long_names_are_cut_to_azures_limit() {
        let last = |id: String| id.rsplit('/').next().unwrap().len();
        assert_eq!(last(names().disk("0123456789ab")), 80);
        assert_eq!(last(names().managed_image("1.2.3")), 80);
        assert_eq!(last(names().intermediate_image("0123456789ab")), 80);
    }

    #[test]
    fn a_managed_image_tells_its_version() {
        let names = Names { definition: "ecs-node".into(), ..names() };
        assert_eq!(names.version_of_managed_image("ecs-node-1.20.3"), Version::parse("1.20.3"));
        assert_eq!(names.version_of_managed_image("ECS-Node-1.20.3"), Version::parse("1.20.3"));
        for other in ["ecs-node", "ecs-node-2-1.20.3", "node-1.20.3", "ecs-node-01.20.3", "ecs-node-1.20"] {
            assert_eq!(names.version_of_managed_image(other), None, "{other}");
        }
    }

    #[test]
    fn a_hyphen_in_a_gallery_is_refused_with_the_rule() {
        let error = Names { gallery: "my-gallery".into(), ..names() }.check().unwrap_err();
        assert_eq!(
            error.to_string(),
            "azure.gallery is \"my-gallery\", and Azure wants up to 80 letters, digits, '.' and '_', and no hyphens"
        );
        names().check().unwrap();
    }

    #[test]
    fn names_are_cleaned() {
        assert_eq!(cleaned("my image (v2)"), "my-image--v2");
        assert_eq!(cleaned("_x_"), "x");
    }
}
