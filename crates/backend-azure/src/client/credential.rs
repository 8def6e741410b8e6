use std::{fmt, path::PathBuf, sync::Arc};

use azure_core::{
    cloud::{CloudConfiguration, CustomConfiguration},
    credentials::{Secret, TokenCredential},
    http::{ClientOptions, RetryOptions, Transport},
};
use azure_identity::{
    AzureCliCredential, AzureCliCredentialOptions, ClientAssertionCredential, ClientAssertionCredentialOptions,
    ClientSecretCredential, ClientSecretCredentialOptions, ManagedIdentityCredential, ManagedIdentityCredentialOptions,
    UserAssignedId, WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};
use publisher::{Error, Kind, Result, Variables};

use super::{
    certificate::Certificate,
    github::{self, GithubJob},
};
use crate::{Cloud, Config, CredentialSource};

/// The way to a credential that the error for a missing one names.
const HINT: &str = "log in with `az login`, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET \
                               (or AZURE_CLIENT_CERTIFICATE_PATH, or AZURE_FEDERATED_TOKEN_FILE, as CI systems with OpenID \
                               Connect do)";

/// Where tokens come from: what the configuration names, or else what the environment speaks of.
pub struct Credential {
    source: CredentialSource,
    cloud: Cloud,
    authority: CloudConfiguration,
    variables: Variables,
    transport: Transport,
    /// The subscription, by which `az` knows the tenant.
    subscription: Option<String>,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("source", &self.source).finish_non_exhaustive()
    }
}

impl Credential {
    /// Asks nobody yet.
    ///
    /// # Errors
    /// [`Kind::Credentials`] if what the source needs is not set.
    pub fn new(config: &Config, variables: &Variables, transport: &Transport) -> Result<Self> {
        let source = match config.credential.unwrap_or_default() {
            CredentialSource::Auto => by_environment(variables),
            named => named,
        };
        let subscription = config.subscription.as_deref().or_else(|| variables.get("AZURE_SUBSCRIPTION_ID"));
        let credential = Self {
            source,
            cloud: config.cloud.unwrap_or_default(),
            authority: authority(config),
            variables: variables.clone(),
            transport: transport.clone(),
            subscription: subscription.map(str::to_owned),
        };
        credential.open().map(|_| credential)
    }

    /// What helps when this source gives no token.
    pub fn explain(&self, error: Error) -> Error {
        if error.kind() != Kind::Credentials {
            return error;
        }
        let (which, hint) = match self.source {
            CredentialSource::ClientSecret => (
                "the client secret in AZURE_CLIENT_SECRET",
                "check AZURE_TENANT_ID and AZURE_CLIENT_ID too; a secret expires, and Entra shows only its first characters",
            ),
            CredentialSource::ClientCertificate => (
                "the certificate in AZURE_CLIENT_CERTIFICATE_PATH",
                "its public part has to be registered with the application AZURE_CLIENT_ID in AZURE_TENANT_ID, and not have \
                 expired",
            ),
            CredentialSource::WorkloadIdentity => (
                "the token in AZURE_FEDERATED_TOKEN_FILE",
                "the application needs a federated credential with this token's issuer, subject and audience, and the token is \
                 good for some minutes only",
            ),
            CredentialSource::Github => (
                "this job of GitHub Actions",
                "the job needs the permission id-token: write, and the application AZURE_CLIENT_ID a federated credential with the issuer \
                 https://token.actions.githubusercontent.com and the subject of this repository and branch or environment",
            ),
            CredentialSource::ManagedIdentity => (
                "this machine's identity",
                "the machine needs a managed identity; with several, AZURE_CLIENT_ID says which; azure.credential names another \
                 source",
            ),
            CredentialSource::Auto | CredentialSource::Cli => (
                "whoever is logged in to az",
                "`az login`; or set AZURE_TENANT_ID, AZURE_CLIENT_ID and one of AZURE_CLIENT_SECRET, \
                 AZURE_CLIENT_CERTIFICATE_PATH and AZURE_FEDERATED_TOKEN_FILE; or, on a machine with an identity, \
                 azure.credential = \"managed-identity\"; or, in a job of GitHub Actions, its permission id-token: write with \
                 AZURE_TENANT_ID and AZURE_CLIENT_ID",
            ),
        };
        error.context(format!("Azure gives no token for {which}")).with_hint(hint)
    }

    /// A credential that has given no token yet.
    ///
    /// # Errors
    /// [`Kind::Credentials`] if what the source needs is not set or cannot be used.
    pub fn open(&self) -> Result<Arc<dyn TokenCredential>> {
        let options = || ClientOptions {
            cloud: Some(Arc::new(self.authority.clone())),
            transport: Some(self.transport.clone()),
            retry: RetryOptions::none(),
            ..ClientOptions::default()
        };
        let variable = |name: &str| required(&self.variables, name);
        let made: azure_core::Result<Arc<dyn TokenCredential>> = match self.source {
            CredentialSource::ClientSecret => {
                let (tenant, client) = (variable("AZURE_TENANT_ID")?, variable("AZURE_CLIENT_ID")?);
                let secret = Secret::new(variable("AZURE_CLIENT_SECRET")?);
                let options = ClientSecretCredentialOptions { client_options: options() };
                ClientSecretCredential::new(&tenant, client, secret, Some(options)).map(|credential| credential as _)
            }
            CredentialSource::ClientCertificate => {
                let (tenant, client) = (variable("AZURE_TENANT_ID")?, variable("AZURE_CLIENT_ID")?);
                let path = PathBuf::from(variable("AZURE_CLIENT_CERTIFICATE_PATH")?);
                let host = match &self.authority {
                    CloudConfiguration::Custom(custom) => custom.authority_host.clone(),
                    _ => String::new(),
                };
                let assertion = Certificate::read(&path, &format!("{host}/{tenant}/oauth2/v2.0/token"), &client)?;
                let options = ClientAssertionCredentialOptions { client_options: options() };
                ClientAssertionCredential::new(tenant, client, assertion, Some(options))
                    .map(|credential| credential as _)
            }
            CredentialSource::WorkloadIdentity => {
                let options = WorkloadIdentityCredentialOptions {
                    credential_options: ClientAssertionCredentialOptions { client_options: options() },
                    client_id: Some(variable("AZURE_CLIENT_ID")?),
                    tenant_id: Some(variable("AZURE_TENANT_ID")?),
                    token_file_path: Some(PathBuf::from(variable("AZURE_FEDERATED_TOKEN_FILE")?)),
                };
                WorkloadIdentityCredential::new(Some(options)).map(|credential| credential as _)
            }
            CredentialSource::Github => {
                let (url, token) = (variable(github::URL)?, variable(github::TOKEN)?);
                let job = GithubJob::new(&url, token, self.cloud, self.transport.clone())?;
                let options = ClientAssertionCredentialOptions { client_options: options() };
                ClientAssertionCredential::new(
                    variable("AZURE_TENANT_ID")?,
                    variable("AZURE_CLIENT_ID")?,
                    job,
                    Some(options),
                )
                .map(|credential| credential as _)
            }
            CredentialSource::ManagedIdentity => {
                // A machine may have several identities; this is how other programs are told which.
                let user_assigned_id =
                    self.variables.get("AZURE_CLIENT_ID").map(|id| UserAssignedId::ClientId(id.to_owned()));
                let options = ManagedIdentityCredentialOptions { client_options: options(), user_assigned_id };
                ManagedIdentityCredential::new(Some(options)).map(|credential| credential as _)
            }
            CredentialSource::Auto | CredentialSource::Cli => {
                // The subscription says which tenant is meant, where whoever is logged in knows several.
                let subscription = self.subscription.clone();
                let options = AzureCliCredentialOptions { subscription, ..AzureCliCredentialOptions::default() };
                AzureCliCredential::new(Some(options)).map(|credential| credential as _)
            }
        };
        made.map_err(|error| {
            Error::new(Kind::Credentials, "there is no Azure credential").with_hint(HINT).caused_by(error)
        })
    }
}

fn by_environment(variables: &Variables) -> CredentialSource {
    let set = |name: &str| variables.get(name).is_some();
    if set("AZURE_CLIENT_SECRET") {
        CredentialSource::ClientSecret
    } else if set("AZURE_CLIENT_CERTIFICATE_PATH") {
        CredentialSource::ClientCertificate
    } else if set("AZURE_FEDERATED_TOKEN_FILE") {
        CredentialSource::WorkloadIdentity
    } else if set(github::URL) && set("AZURE_CLIENT_ID") && set("AZURE_TENANT_ID") {
        // A job may be logged in to `az` as well; which application it is here, only these say.
        CredentialSource::Github
    } else if set("IDENTITY_ENDPOINT") {
        CredentialSource::ManagedIdentity
    } else {
        CredentialSource::Cli
    }
}

fn required(variables: &Variables, name: &str) -> Result<String> {
    variables.get(name).map(str::to_owned).ok_or_else(|| {
        Error::new(Kind::Credentials, format!("there is no Azure credential: {name} is not set")).with_hint(HINT)
    })
}

fn authority(config: &Config) -> CloudConfiguration {
    let mut custom = CustomConfiguration::default();
    custom.authority_host = config.authority().to_owned();
    custom.into()
}
