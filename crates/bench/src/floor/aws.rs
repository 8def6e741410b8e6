//! Signed requests (AWS Signature Version 4).

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use url::Url;

use crate::{Result, environment::variable};

pub struct Signer {
    identity: aws_smithy_runtime_api::client::identity::Identity,
    region: String,
    service: &'static str,
    pub url: Url,
}

impl Signer {
    /// Signs for a service that is at its own address, or at that of all.
    pub fn new(service: &'static str) -> Result<Self> {
        let url = variable(&format!("AWS_ENDPOINT_URL_{}", service.to_uppercase()))
            .or_else(|_| variable("AWS_ENDPOINT_URL"))?;
        let (key, secret) = (variable("AWS_ACCESS_KEY_ID")?, variable("AWS_SECRET_ACCESS_KEY")?);
        let identity = Credentials::new(key, secret, None, None, "bench").into();
        Ok(Self { identity, region: variable("AWS_REGION")?, service, url: url.parse()? })
    }

    /// A request whose head is signed and whose body a checksum protects.
    pub fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, String)],
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>> {
        let mut settings = SigningSettings::default();
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let params = v4::SigningParams::builder()
            .identity(&self.identity)
            .region(&self.region)
            .name(self.service)
            .time(SystemTime::now())
            .settings(settings)
            .build()?
            .into();
        let url = self.url.join(path)?;
        let mut request = Request::builder().method(method).uri(path).header("host", url.authority());
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let signed = headers.iter().map(|(name, value)| (*name, value.as_str())).chain([("host", url.authority())]);
        let signable = SignableRequest::new(method, url.as_str(), signed, SignableBody::UnsignedPayload)?;
        let (instructions, _) = sign(signable, &params)?.into_parts();
        for (name, value) in instructions.headers() {
            request = request.header(name, value);
        }
        Ok(request.body(Full::new(body))?)
    }
}
