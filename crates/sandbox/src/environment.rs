use std::path::Path;

/// The identity that the sandbox knows. Nothing here opens anything but a sandbox.
pub const SUBSCRIPTION: &str = "00000000-0000-4000-8000-00000000cafe";
pub const TENANT: &str = "00000000-0000-4000-8000-00000000face";
pub const CLIENT_ID: &str = "00000000-0000-4000-8000-00000000f00d";
pub const CLIENT_SECRET: &str = "sandbox-client-secret";
pub const ACCESS_KEY: &str = "AKIASANDBOXSANDBOX00";
pub const SECRET_KEY: &str = "sandbox-secret-access-key";
pub const HOME_REGION: &str = "us-east-1";

/// The variables that point `publish`, `az`, `aws` and the SDKs at a sandbox.
#[derive(Clone, Debug)]
pub struct Environment(Vec<(&'static str, String)>);

impl Environment {
    pub(crate) fn of(url: &str, ca_file: &Path) -> Self {
        let ca = std::path::absolute(ca_file).unwrap_or_else(|_| ca_file.to_owned()).display().to_string();
        let set = |name, value: &str| (name, value.to_owned());
        Self(vec![
            set("PUBLISH_SANDBOX_URL", url),
            set("PUBLISH_CA_FILE", &ca),
            set("PUBLISH_AZURE__SUBSCRIPTION", SUBSCRIPTION),
            set("PUBLISH_AZURE__ENDPOINTS__RESOURCE_MANAGER", url),
            set("PUBLISH_AZURE__ENDPOINTS__AUTHORITY", url),
            set("AZURE_RESOURCE_MANAGER", url),
            set("AZURE_AUTHORITY_HOST", url),
            set("AZURE_SUBSCRIPTION_ID", SUBSCRIPTION),
            set("AZURE_DEFAULTS_GROUP", "publish-sandbox"),
            set("AZURE_DEFAULTS_LOCATION", "westus2"),
            set("AZURE_TENANT_ID", TENANT),
            set("AZURE_CLIENT_ID", CLIENT_ID),
            set("AZURE_CLIENT_SECRET", CLIENT_SECRET),
            // These two are how `az` finds a cloud that it does not know; what is left to do is
            // az login --service-principal -u "$AZURE_CLIENT_ID" -p "$AZURE_CLIENT_SECRET" --tenant "$AZURE_TENANT_ID"
            set("ARM_CLOUD_METADATA_URL", &format!("{url}/metadata/endpoints?api-version=2019-05-01")),
            set("AZURE_CORE_INSTANCE_DISCOVERY", "false"),
            set("REQUESTS_CA_BUNDLE", &ca),
            set("SSL_CERT_FILE", &ca),
            set("AWS_ENDPOINT_URL", url),
            set("AWS_CA_BUNDLE", &ca),
            set("AWS_ACCESS_KEY_ID", ACCESS_KEY),
            set("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
            set("AWS_REGION", HOME_REGION),
            set("AWS_DEFAULT_REGION", HOME_REGION),
            set("AWS_EC2_METADATA_DISABLED", "true"),
            // A proxy cannot reach this machine's loopback.
            set("NO_PROXY", "127.0.0.1,localhost"),
        ])
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// A file for a shell to source.
    #[must_use]
    pub fn to_shell(&self) -> String {
        self.0.iter().map(|(name, value)| format!("export {name}='{}'\n", value.replace('\'', r"'\''"))).collect()
    }
}
