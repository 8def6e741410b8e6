//! The SDK's clients: one HTTP client and one credential under all of them, and none that retries by itself.

mod https;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use aws_config::{
    BehaviorVersion, Region, SdkConfig, identity::IdentityCache, retry::RetryConfig,
    stalled_stream_protection::StalledStreamProtectionConfig, sts::AssumeRoleProvider, timeout::TimeoutConfig,
};
use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, SharedCredentialsProvider, error::CredentialsError},
};
use publisher::{Result, Variables};

use crate::{Config, error::no_credential};

/// The same configuration, and the credential of a role. The role is asked for when a credential is first needed, and again
/// before it ends.
async fn taking_on(role: &str, external_id: Option<&str>, sdk: &SdkConfig) -> SdkConfig {
    // No run of ours stands around this request: what may pass is retried by the SDK itself.
    let patient = sdk.to_builder().retry_config(RetryConfig::standard().with_max_attempts(8)).build();
    let mut provider = AssumeRoleProvider::builder(role).session_name("publish").configure(&patient);
    if let Some(id) = external_id {
        provider = provider.external_id(id);
    }
    let provider = SharedCredentialsProvider::new(provider.build().await);
    sdk.to_builder().credentials_provider(provider).build()
}

/// Whether there is a credential; `role` is the one that is taken on for it.
async fn check(sdk: &SdkConfig, role: Option<&str>) -> Result<()> {
    let Some(provider) = sdk.credentials_provider() else {
        return Err(no_credential(&CredentialsError::not_loaded("the SDK has no way to one")));
    };
    let Err(cause) = provider.provide_credentials().await else { return Ok(()) };
    let error = no_credential(&cause);
    Err(match (role, &cause) {
        // The providers that were asked in vain are no news to whoever has none.
        (_, CredentialsError::CredentialsNotLoaded(_)) => error,
        (None, _) => error.caused_by(cause),
        (Some(role), _) => error.caused_by(cause).with_hint(format!(
            "check that {role} is there, and that its trust policy names whoever the credential is, with the external_id \
             that it may want"
        )),
    })
}

fn in_region(sdk: &SdkConfig, region: &str) -> SdkConfig {
    sdk.to_builder().region(Region::new(region.to_owned())).build()
}

/// Clients for every service and region.
#[derive(Debug)]
pub struct Clients {
    sdk: SdkConfig,
    /// Where a region has a role of its own: the configuration with its credential, and the role.
    by_region: BTreeMap<String, (SdkConfig, String)>,
    path_style: bool,
    /// The role that is taken on.
    role: Option<String>,
    ec2: Mutex<BTreeMap<String, aws_sdk_ec2::Client>>,
}

impl Clients {
    /// Reads the SDK's configuration. Asks no service for anything but, where a profile says so, a credential.
    ///
    /// # Errors
    /// [`Kind::Config`](publisher::Kind::Config) if the certificate authorities cannot be used.
    pub async fn load(config: &Config, ca_file: Option<&Path>, variables: &Variables) -> Result<Self> {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(10))
            .read_timeout(Duration::from_secs(60))
            .operation_attempt_timeout(Duration::from_secs(90))
            .build();
        let ca_file = ca_file.map(Path::to_owned).or_else(|| variables.get("AWS_CA_BUNDLE").map(Into::into));
        let endpoint = config.endpoint_url.as_deref().or_else(|| variables.get("AWS_ENDPOINT_URL"));
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(https::client(endpoint, ca_file.as_deref())?)
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            .identity_cache(IdentityCache::lazy().load_timeout(Duration::from_secs(60)).build())
            // The attempt's time-out already ends what stalls.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        if let Some(url) = &config.endpoint_url {
            loader = loader.endpoint_url(url);
        }
        if let Some(profile) = &config.profile {
            loader = loader.profile_name(profile);
        } else if let (Some(key), Some(secret)) =
            (variables.get("AWS_ACCESS_KEY_ID"), variables.get("AWS_SECRET_ACCESS_KEY"))
        {
            let token = variables.get("AWS_SESSION_TOKEN").map(str::to_owned);
            loader = loader.credentials_provider(Credentials::new(key, secret, token, None, "environment"));
        }
        if let Some(region) = config.regions.as_ref().and_then(|regions| regions.0.first()) {
            loader = loader.region(Region::new(region.clone()));
        }
        let mut sdk = loader.load().await;
        let mut by_region = BTreeMap::new();
        for (name, region) in &config.per_region {
            if let Some(role) = &region.assume_role {
                let taken = taking_on(role, region.external_id.as_deref(), &sdk).await;
                by_region.insert(name.clone(), (taken, role.clone()));
            }
        }
        if let Some(role) = &config.assume_role {
            sdk = taking_on(role, config.external_id.as_deref(), &sdk).await;
        }
        // Only AWS itself answers to a bucket's name in front of the host.
        let path_style = sdk.endpoint_url().is_some() || variables.get("AWS_ENDPOINT_URL_S3").is_some();
        Ok(Self { sdk, by_region, path_style, role: config.assume_role.clone(), ec2: Mutex::default() })
    }

    /// The SDK's own default region.
    pub fn default_region(&self) -> Option<String> {
        self.sdk.region().map(|region| region.as_ref().to_owned())
    }

    /// Where all services are, if that is not AWS.
    pub fn endpoint(&self) -> Option<&str> {
        self.sdk.endpoint_url()
    }

    /// Whether there is a credential at all.
    ///
    /// # Errors
    /// [`Kind::Credentials`](publisher::Kind::Credentials) if there is none, or the way to it fails.
    pub async fn check_credentials(&self) -> Result<()> {
        check(&self.sdk, self.role.as_deref()).await
    }

    /// Whether the role of a region can be taken on, where it has one.
    ///
    /// # Errors
    /// [`Kind::Credentials`](publisher::Kind::Credentials) if it cannot.
    pub async fn check_role(&self, region: &str) -> Result<()> {
        match self.by_region.get(region) {
            Some((sdk, role)) => check(sdk, Some(role)).await,
            None => Ok(()),
        }
    }

    /// The configuration for a region, with the credential that is that region's.
    fn sdk(&self, region: &str) -> SdkConfig {
        in_region(self.by_region.get(region).map_or(&self.sdk, |(sdk, _)| sdk), region)
    }

    pub fn ec2(&self, region: &str) -> aws_sdk_ec2::Client {
        let mut clients = self.ec2.lock().unwrap_or_else(PoisonError::into_inner);
        clients.entry(region.to_owned()).or_insert_with(|| aws_sdk_ec2::Client::new(&self.sdk(region))).clone()
    }

    /// A region's, by the credential of the home region.
    pub fn ec2_as_at_home(&self, region: &str) -> aws_sdk_ec2::Client {
        aws_sdk_ec2::Client::new(&in_region(&self.sdk, region))
    }

    pub fn ebs(&self, region: &str) -> aws_sdk_ebs::Client {
        aws_sdk_ebs::Client::new(&self.sdk(region))
    }

    pub fn ssm(&self, region: &str) -> aws_sdk_ssm::Client {
        aws_sdk_ssm::Client::new(&self.sdk(region))
    }

    pub fn quotas(&self, region: &str) -> aws_sdk_servicequotas::Client {
        aws_sdk_servicequotas::Client::new(&self.sdk(region))
    }

    pub fn sts(&self, region: &str) -> aws_sdk_sts::Client {
        aws_sdk_sts::Client::new(&self.sdk(region))
    }

    /// A region's, by the credential of the home region.
    pub fn sts_as_at_home(&self, region: &str) -> aws_sdk_sts::Client {
        aws_sdk_sts::Client::new(&in_region(&self.sdk, region))
    }

    /// IAM knows no regions but partitions, and the home region's is asked.
    pub fn iam(&self) -> aws_sdk_iam::Client {
        aws_sdk_iam::Client::new(&self.sdk)
    }

    pub fn s3(&self, region: &str) -> aws_sdk_s3::Client {
        use aws_sdk_s3::config::{Builder, RequestChecksumCalculation};
        let config = Builder::from(&self.sdk(region))
            .force_path_style(self.path_style)
            // Every part carries a checksum that we compute once; the SDK must not compute another.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired);
        aws_sdk_s3::Client::from_conf(config.build())
    }
}
