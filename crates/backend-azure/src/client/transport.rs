use std::{path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use azure_core::http::{AsyncRawResponse, HttpClient, Request, Transport};
use publisher::{Error, Kind, Result};

/// The HTTP client under everything. It cuts the query off the URL that `reqwest` puts into its errors, because for a
/// disk that query is the signature that opens it.
#[derive(Clone, Debug)]
struct ScrubbingClient(reqwest::Client);

#[async_trait]
impl HttpClient for ScrubbingClient {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let mut response = HttpClient::execute_request(&self.0, request).await;
        if let Err(error) = &mut response {
            let url = error.downcast_mut::<reqwest::Error>().and_then(reqwest::Error::url_mut);
            if let Some(url) = url {
                url.set_query(None);
            }
        }
        response
    }
}

/// A transport to a cloud whose Resource Manager is at `endpoint`; it trusts the system's authorities and those in `ca_file`.
///
/// # Errors
/// [`Kind::Config`] if the file cannot be read or holds no certificate.
pub fn transport(endpoint: &str, ca_file: Option<&Path>) -> Result<Transport> {
    let mut builder = reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(20))
        // Counts from the start of a request to its answer, so a page has to be sent within it.
        .read_timeout(Duration::from_secs(60))
        .redirect(reqwest::redirect::Policy::none())
        .tcp_nodelay(true)
        .no_gzip()
        .no_deflate();
    // No proxy leads to this machine's own loopback.
    if publisher::is_loopback(endpoint) {
        builder = builder.no_proxy();
    }
    if let Some(path) = ca_file {
        builder = builder.tls_certs_merge(certificates(path)?);
    }
    let client = builder
        .build()
        .map_err(|error| Error::new(Kind::Config, "cannot set up HTTPS").caused_by(error.without_url()))?;
    Ok(Transport::new(Arc::new(ScrubbingClient(client))))
}

fn certificates(path: &Path) -> Result<Vec<reqwest::Certificate>> {
    let unusable = || {
        Error::new(Kind::Config, format!("cannot use the certificate authorities in {}", path.display()))
            .with_hint("ca_file names a file with one or more certificates in PEM form")
    };
    let pem = std::fs::read(path).map_err(|error| unusable().caused_by(error))?;
    let certificates = reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| unusable().caused_by(error))?;
    if certificates.is_empty() { Err(unusable()) } else { Ok(certificates) }
}
