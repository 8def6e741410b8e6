use std::path::Path;

use aws_smithy_http_client::{
    Builder, Connector,
    proxy::ProxyConfig,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use publisher::{Error, Kind, Result};
use rustls_pki_types::{CertificateDer, pem::PemObject};

/// An HTTPS client that trusts the system's authorities and those in `ca_file`, and goes through the proxy that the
/// environment names.
///
/// # Errors
/// [`Kind::Config`] if the file cannot be read or holds no certificate.
pub fn client(endpoint: Option<&str>, ca_file: Option<&Path>) -> Result<SharedHttpClient> {
    // No proxy leads to this machine's own loopback.
    let loopback = endpoint.is_some_and(publisher::is_loopback);
    // The SDK asserts that the system has authorities; in a slim container it may have none.
    let system = !rustls_native_certs::load_native_certs().certs.is_empty();
    let mut store = if system { TrustStore::default() } else { TrustStore::empty() };
    if let Some(path) = ca_file {
        store = store.with_pem_certificate(certificates(path)?);
    }
    let context = TlsContext::builder().with_trust_store(store).build();
    let context = context.map_err(|error| Error::new(Kind::Config, "cannot set up HTTPS").caused_by(error))?;
    Ok(Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector =
            Connector::builder().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).tls_context(context.clone());
        connector.set_connector_settings(settings.cloned());
        if let Some(components) = components {
            connector.set_sleep_impl(components.sleep_impl());
        }
        connector.set_proxy_config((!loopback).then(ProxyConfig::from_env));
        connector.build()
    }))
}

/// The file's bytes, after a look whether they are what the SDK expects: it panics if they are not.
fn certificates(path: &Path) -> Result<Vec<u8>> {
    let unusable = || {
        Error::new(Kind::Config, format!("cannot use the certificate authorities in {}", path.display()))
            .with_hint("ca_file names a file with one or more certificates in PEM form")
    };
    let pem = std::fs::read(path).map_err(|error| unusable().caused_by(error))?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .collect::<std::result::Result<_, _>>()
        .map_err(|error| unusable().caused_by(error))?;
    let trusted = |certificate: &CertificateDer<'_>| webpki::anchor_from_trusted_cert(certificate).is_ok();
    if certificates.is_empty() || !certificates.iter().all(trusted) { Err(unusable()) } else { Ok(pem) }
}
