//! The sandbox's own certificate authority, and the certificate it serves with.

use std::{net::IpAddr, path::Path, sync::Arc};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose, SanType};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, pki_types::PrivateKeyDer},
};

use crate::Error;

/// What clients have to trust, and what the server answers with.
pub struct Tls {
    /// The authority's certificate, as PEM.
    pub ca: String,
    pub acceptor: TlsAcceptor,
}

/// Makes an authority and a certificate for loopback and `addresses`. Nothing is kept: a new sandbox is a new authority.
pub fn make(addresses: &[IpAddr]) -> Result<Tls, Error> {
    let mut authority = CertificateParams::new(Vec::new()).map_err(tls)?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    authority.distinguished_name.push(DnType::CommonName, "publish sandbox authority");
    let issuer = CertifiedIssuer::self_signed(authority, KeyPair::generate().map_err(tls)?).map_err(tls)?;

    let mut params = CertificateParams::new(vec!["localhost".to_owned(), "*.localhost".to_owned()]).map_err(tls)?;
    params.subject_alt_names.extend(addresses.iter().map(|address| SanType::IpAddress(*address)));
    params.distinguished_name.push(DnType::CommonName, "publish sandbox");
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    // Some clients refuse a certificate without this (RFC 5280, section 4.2.1.1).
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate().map_err(tls)?;
    let certificate = params.signed_by(&key, &issuer).map_err(tls)?;

    let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(|error| Error::Tls(error.into()))?;
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(tls)?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .map_err(tls)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Tls { ca: issuer.pem(), acceptor: TlsAcceptor::from(Arc::new(config)) })
}

/// Writes the authority's certificate where clients can read it.
pub fn write_ca(dir: &Path, pem: &str) -> Result<std::path::PathBuf, Error> {
    let path = dir.join("ca.pem");
    std::fs::write(&path, pem).map_err(|source| Error::Io { what: path.display().to_string(), source })?;
    Ok(path)
}

fn tls(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Tls(error.into())
}
