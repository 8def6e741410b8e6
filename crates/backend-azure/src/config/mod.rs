//! What can be configured, and what of it Azure would refuse.

mod check;
mod cloud;
mod sharing;

use std::collections::BTreeMap;

use publisher::{Error, Kind, Names, Result};
use serde::{Deserialize, Serialize};

use self::check::{STORAGE, within};
pub(crate) use self::check::{one_of, plain};
pub use self::{
    cloud::{Cloud, CredentialSource, Endpoints},
    sharing::{Community, Sharing},
};

/// What `publish.toml` says under `[PROFILE.azure]`. Every field may be left out; what is needed and missing is named
/// before the first request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The subscription's id; `AZURE_SUBSCRIPTION_ID` serves too.
    pub subscription: Option<String>,
    /// The resource group, made if it is not there; `AZURE_DEFAULTS_GROUP`, as `az` reads it, serves too.
    pub resource_group: Option<String>,
    /// The home region: of the disk, the managed image and the gallery. The first of `regions` if it is left out;
    /// `AZURE_DEFAULTS_LOCATION` if there are none.
    pub location: Option<String>,
    /// Where the version has to be in the end, by programmatic or display name.
    pub regions: Option<Names>,
    /// What the image becomes; a version in a gallery, if it is left out.
    pub destination: Option<Destination>,
    /// What the version is made from; a managed image where Azure takes one, if it is left out.
    pub source: Option<Source>,
    /// The Compute Gallery, made if it is not there.
    pub gallery: Option<String>,
    /// The image definition, made if it is not there; the image's name if it is left out.
    pub definition: Option<String>,
    /// The definition's publisher.
    pub publisher: Option<String>,
    /// The definition's offer; the definition's name if it is left out.
    pub offer: Option<String>,
    /// The definition's SKU; generation and architecture if it is left out.
    pub sku: Option<String>,
    /// `V1` or `V2`, where the image does not tell or tells wrong.
    pub generation: Option<String>,
    /// `x64` or `Arm64`, where the image does not tell.
    pub architecture: Option<String>,
    /// The definition's SecurityType feature: `Standard`, `TrustedLaunchSupported`, ….
    pub security_type: Option<String>,
    /// The definition's disk controllers: `SCSI`, or `SCSI, NVMe`.
    pub disk_controllers: Option<String>,
    /// Whether the image has the drivers for accelerated networking.
    pub accelerated_networking: Option<bool>,
    /// Copies of the version in each region, 1 to 100.
    pub replicas: Option<u32>,
    /// Where replicas are stored: `Standard_LRS`, `Standard_ZRS` or `Premium_LRS`.
    pub storage: Option<String>,
    /// Whether `latest` passes the version over.
    pub exclude_from_latest: Option<bool>,
    /// What is otherwise in single regions, by their programmatic or display names: `[azure.per_region.westus2]`.
    pub per_region: BTreeMap<String, RegionConfig>,
    /// The day from which on the version should not be used any more, as `2027-01-31`. Azure shows it, and enforces
    /// nothing.
    pub end_of_life: Option<String>,
    /// Size of the disk in GiB, where it is to be larger than the image: growing it here costs nothing, and growing it when
    /// a machine first starts does.
    pub disk_size_gib: Option<u32>,
    /// How long an access to the disk lasts, in minutes; a longer upload gets another one. A day if it is left out.
    pub access_minutes: Option<u32>,
    /// Whether the uploaded disk stays.
    pub keep_disk: Option<bool>,
    /// Whether the disk is read back, when Azure has taken it, and compared byte by byte before an image is made of it. The
    /// checksum of each page, and which pages there are, are compared anyway.
    pub verify: Option<bool>,
    /// Whether the managed image stays that a version was made from.
    pub keep_image: Option<bool>,
    /// Who else may use the gallery.
    pub sharing: Option<Sharing>,
    /// Where the credential comes from.
    pub credential: Option<CredentialSource>,
    /// Which of Azure's clouds.
    pub cloud: Option<Cloud>,
    /// Endpoints of another cloud than those.
    pub endpoints: Option<Endpoints>,
}

/// What an image becomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Destination {
    /// A version of an image definition in a Compute Gallery, in many regions.
    #[default]
    Gallery,
    /// A managed image, in one region.
    ManagedImage,
}

/// What a version is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// A managed image of the disk: for x64 alone, and the one that Trusted Launch is documented for.
    ManagedImage,
    /// The disk itself: for Arm64, and for SecurityType `Standard`.
    Disk,
}

/// What is otherwise in one region.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RegionConfig {
    /// Copies of the version there, 1 to 100.
    pub replicas: Option<u32>,
    /// Where they are stored.
    pub storage: Option<String>,
    /// Whether `latest` passes the version over there.
    pub exclude_from_latest: Option<bool>,
}

impl Config {
    /// Azure's rules for what is ours to choose, names apart.
    ///
    /// # Errors
    /// [`Kind::Config`], naming the setting and what it may be.
    pub(crate) fn check(&self) -> Result<()> {
        within("access_minutes", self.access_minutes, 1, 24 * 60)?;
        within("replicas", self.replicas, 1, 100)?;
        one_of("storage", self.storage.as_deref(), &STORAGE)?;
        for (name, region) in &self.per_region {
            if let Some(other) = self.per_region.keys().find(|other| *other != name && plain(other) == plain(name)) {
                let text = format!("azure.per_region has {name} and {other}, which are the same region");
                return Err(Error::new(Kind::Config, text));
            }
            within(&format!("per_region.{name}.replicas"), region.replicas, 1, 100)?;
            one_of(&format!("per_region.{name}.storage"), region.storage.as_deref(), &STORAGE)?;
        }
        if let Some(sharing) = &self.sharing {
            if self.destination() == Destination::ManagedImage {
                let text = "azure.sharing is configured, and a managed image cannot be shared";
                return Err(Error::new(Kind::Config, text).with_hint("azure.destination = \"gallery\" can"));
            }
            sharing.check()?;
        }
        self.end_of_life().map(drop)
    }

    /// What the image becomes.
    pub(crate) fn destination(&self) -> Destination {
        self.destination.unwrap_or_default()
    }

    /// The end of a version's life, as Azure takes it.
    ///
    /// # Errors
    /// [`Kind::Config`] if it is no date.
    pub(crate) fn end_of_life(&self) -> Result<Option<String>> {
        let Some(given) = &self.end_of_life else { return Ok(None) };
        let date = given.parse::<jiff::civil::Date>().map_err(|error| {
            Error::new(Kind::Config, format!("azure.end_of_life is \"{given}\", and no date"))
                .with_hint("such as 2027-01-31")
                .caused_by(error)
        })?;
        Ok(Some(format!("{date}T00:00:00Z")))
    }

    /// What is configured of one region.
    pub(crate) fn region(&self, name: &str) -> Option<&RegionConfig> {
        self.per_region.iter().find(|(key, _)| plain(key) == plain(name)).map(|(_, region)| region)
    }

    /// The Resource Manager's base URL.
    pub(crate) fn resource_manager(&self) -> &str {
        let given = self.endpoints.as_ref().and_then(|endpoints| endpoints.resource_manager.as_deref());
        given.unwrap_or(self.cloud.unwrap_or_default().endpoints().0).trim_end_matches('/')
    }

    /// The authority's base URL.
    pub(crate) fn authority(&self) -> &str {
        let given = self.endpoints.as_ref().and_then(|endpoints| endpoints.authority.as_deref());
        given.unwrap_or(self.cloud.unwrap_or_default().endpoints().1).trim_end_matches('/')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cloud_has_its_endpoints_and_any_other_can_be_named() {
        for (cloud, manager, authority) in [
            (Cloud::Public, "https://management.azure.com", "https://login.microsoftonline.com"),
            (Cloud::UsGov, "https://management.usgovcloudapi.net", "https://login.microsoftonline.us"),
            (Cloud::China, "https://management.chinacloudapi.cn", "https://login.chinacloudapi.cn"),
        ] {
            let config = Config { cloud: Some(cloud), ..Config::default() };
            assert_eq!((config.resource_manager(), config.authority()), (manager, authority));
            let endpoints = Endpoints { resource_manager: Some("https://arm.local/".into()), authority: None };
            let config = Config { endpoints: Some(endpoints), ..config };
            assert_eq!((config.resource_manager(), config.authority()), ("https://arm.local", authority));
        }
    }
}
