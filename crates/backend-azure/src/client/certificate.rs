//! A certificate as the proof of an identity: a token that its key has signed (Microsoft identity platform, "Application
//! authentication certificate credentials").

use std::{
    fmt,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use aws_lc_rs::{
    digest,
    rand::SystemRandom,
    signature::{RSA_PSS_SHA256, RsaKeyPair},
};
use azure_core::http::ClientMethodOptions;
use azure_identity::ClientAssertion;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use publisher::{Error, Kind, Result};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use serde_json::json;

/// How long an assertion may be used.
const LASTS: Duration = Duration::from_secs(10 * 60);

/// A certificate with its key, and what is to be proven with it.
pub struct Certificate {
    key: RsaKeyPair,
    /// SHA-256 of the certificate, by which Entra finds it.
    thumbprint: String,
    audience: String,
    client: String,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("client", &self.client).finish_non_exhaustive()
    }
}

impl Certificate {
    /// Reads a file with a certificate and its RSA key, both as PEM and the key not encrypted.
    ///
    /// # Errors
    /// [`Kind::Credentials`] if the file is none; nothing of it is ever shown.
    pub fn read(path: &Path, audience: &str, client: &str) -> Result<Self> {
        let unusable = |what: &str| {
            Error::new(Kind::Credentials, format!("cannot use the certificate in {}: {what}", path.display())).with_hint(
                "AZURE_CLIENT_CERTIFICATE_PATH names a PEM file with a certificate and its RSA key, without a password; \
                 of a PKCS#12 file: openssl pkcs12 -in identity.pfx -out identity.pem -nodes",
            )
        };
        let pem = std::fs::read(path).map_err(|error| unusable("it cannot be read").caused_by(error))?;
        let certificate =
            CertificateDer::from_pem_slice(&pem).map_err(|_| unusable("there is no certificate in it"))?;
        let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| unusable("there is no private key in it"))?;
        let key = match &key {
            PrivateKeyDer::Pkcs8(key) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()),
            _ => return Err(unusable("its key is no RSA key")),
        };
        Ok(Self {
            key: key.map_err(|_| unusable("its key is no RSA key"))?,
            thumbprint: BASE64_URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, &certificate)),
            audience: audience.to_owned(),
            client: client.to_owned(),
        })
    }

    /// A JSON Web Token that says who we are, signed.
    fn assertion(&self, now: Duration) -> std::result::Result<String, aws_lc_rs::error::Unspecified> {
        let part = |value: serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let header = json!({"alg": "PS256", "typ": "JWT", "x5t#S256": self.thumbprint});
        let seconds = now.as_secs();
        let claims = json!({
            "aud": self.audience, "iss": self.client, "sub": self.client,
            "jti": format!("{:032x}", fastrand::u128(..)),
            "nbf": seconds, "iat": seconds, "exp": seconds + LASTS.as_secs(),
        });
        let signed = format!("{}.{}", part(header), part(claims));
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key.sign(&RSA_PSS_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)?;
        Ok(format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)))
    }
}

#[async_trait]
impl ClientAssertion for Certificate {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.assertion(now).map_err(|_| {
            azure_core::Error::with_message(
                azure_core::error::ErrorKind::Credential,
                "the certificate's key cannot sign",
            )
        })
    }
}
