use std::collections::BTreeMap;

use publisher::{Error, Kind, Names, Result};
use serde::{Deserialize, Serialize};

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
    /// Where the credential comes from.
    pub credential: Option<CredentialSource>,
    /// Which of Azure's clouds.
    pub cloud: Option<Cloud>,
    /// Endpoints of another cloud than those.
    pub endpoints: Option<Endpoints>,
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

/// One of Azure's clouds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cloud {
    /// The public cloud.
    #[default]
    Public,
    /// Azure for US Government.
    UsGov,
    /// Azure operated by 21Vianet.
    China,
}

impl Cloud {
    fn endpoints(self) -> (&'static str, &'static str) {
        match self {
            Self::Public => ("https://management.azure.com", "https://login.microsoftonline.com"),
            Self::UsGov => ("https://management.usgovcloudapi.net", "https://login.microsoftonline.us"),
            Self::China => ("https://management.chinacloudapi.cn", "https://login.chinacloudapi.cn"),
        }
    }
}

/// Where a cloud is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Endpoints {
    /// The Resource Manager.
    pub resource_manager: Option<String>,
    /// Microsoft Entra.
    pub authority: Option<String>,
}

/// Where the credential comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CredentialSource {
    /// The first of these that the environment speaks of: a client secret, a certificate, a federated token, a managed
    /// identity; otherwise `az login`.
    #[default]
    Auto,
    /// `AZURE_TENANT_ID`, `AZURE_CLIENT_ID` and `AZURE_CLIENT_SECRET`.
    ClientSecret,
    /// `AZURE_TENANT_ID`, `AZURE_CLIENT_ID` and `AZURE_CLIENT_CERTIFICATE_PATH`.
    ClientCertificate,
    /// `AZURE_TENANT_ID`, `AZURE_CLIENT_ID` and `AZURE_FEDERATED_TOKEN_FILE`.
    WorkloadIdentity,
    /// The identity of the virtual machine or service this runs on.
    ManagedIdentity,
    /// Whoever is logged in to `az`.
    Cli,
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
            within(&format!("per_region.{name}.replicas"), region.replicas, 1, 100)?;
            one_of(&format!("per_region.{name}.storage"), region.storage.as_deref(), &STORAGE)?;
        }
        self.end_of_life().map(drop)
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

/// Where replicas can be stored.
const STORAGE: [&str; 3] = ["Standard_LRS", "Standard_ZRS", "Premium_LRS"];

/// A region's name without what differs between the ways to write it: `westus2` here and `West US 2` there.
pub(crate) fn plain(name: &str) -> String {
    name.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_lowercase()
}

/// The one of the allowed values that is given, as Azure writes it.
///
/// # Errors
/// [`Kind::Config`] if it is none of them.
pub(crate) fn one_of<'a>(setting: &str, given: Option<&str>, allowed: &[&'a str]) -> Result<Option<&'a str>> {
    let Some(given) = given else { return Ok(None) };
    let found = allowed.iter().copied().find(|value| value.eq_ignore_ascii_case(given));
    let expected = || format!("azure.{setting} is \"{given}\", and may be {}", allowed.join(" or "));
    found.map(Some).ok_or_else(|| Error::new(Kind::Config, expected()))
}

/// That a number is in the range that Azure takes.
fn within(setting: &str, given: Option<u32>, least: u32, most: u32) -> Result<()> {
    match given {
        Some(given) if !(least..=most).contains(&given) => {
            Err(Error::new(Kind::Config, format!("azure.{setting} is {given}, and may be {least} to {most}")))
        }
        _ => Ok(()),
    }
}
