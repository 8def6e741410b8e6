//! Azure's clouds, and where in them the identity comes from.

use serde::{Deserialize, Serialize};

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
    /// Resource Manager and authority.
    pub(super) fn endpoints(self) -> (&'static str, &'static str) {
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
    /// The first of these that the environment speaks of: a client secret, a certificate, a federated token, a job of GitHub
    /// Actions, a managed identity; otherwise `az login`.
    #[default]
    Auto,
    /// `AZURE_TENANT_ID`, `AZURE_CLIENT_ID` and `AZURE_CLIENT_SECRET`.
    ClientSecret,
    /// `AZURE_TENANT_ID`, `AZURE_CLIENT_ID` and `AZURE_CLIENT_CERTIFICATE_PATH`.
    ClientCertificate,
    /// `AZURE_TENANT_ID`, `AZURE_CLIENT_ID` and `AZURE_FEDERATED_TOKEN_FILE`.
    WorkloadIdentity,
    /// `AZURE_TENANT_ID` and `AZURE_CLIENT_ID`, in a job of GitHub Actions with the permission `id-token: write`.
    Github,
    /// The identity of the virtual machine or service this runs on.
    ManagedIdentity,
    /// Whoever is logged in to `az`.
    Cli,
}
