//! One connection that is kept.

use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs},
};
use url::Url;

use crate::{Result, environment::variable};

pub struct Connection(SendRequest<Full<Bytes>>);

impl Connection {
    pub async fn open(url: &Url) -> Result<Self> {
        let host = url.host_str().ok_or("an address without a host")?.to_owned();
        let stream = TcpStream::connect((host.as_str(), url.port_or_known_default().unwrap_or_default())).await?;
        stream.set_nodelay(true)?;
        if url.scheme() == "http" {
            return Self::over(stream).await;
        }
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(variable("SSL_CERT_FILE")?)? {
            roots.add(certificate?)?;
        }
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(host)?;
        Self::over(TlsConnector::from(Arc::new(config)).connect(name, stream).await?).await
    }

    async fn over(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Result<Self> {
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self(sender))
    }

    /// The head of the answer to a request that succeeded.
    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<http::response::Parts> {
        Ok(self.ask(request).await?.0)
    }

    /// The answer to a request that succeeded.
    pub async fn ask(&mut self, request: Request<Full<Bytes>>) -> Result<(http::response::Parts, Bytes)> {
        let what = format!("{} {}", request.method(), request.uri().path());
        self.0.ready().await?;
        let (head, body) = self.0.send_request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        if head.status.is_success() {
            return Ok((head, body));
        }
        Err(format!("{what}: {} {}", head.status, String::from_utf8_lossy(&body)).into())
    }
}
