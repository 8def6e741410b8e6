//! A job of GitHub Actions as the proof of an identity (GitHub Docs, "OpenID Connect reference"). Each access token is asked for with
//! a token of GitHub's that was made for it: one from the job's beginning, as `azure/login` leaves it with `az`, is good for ten
//! minutes, and what outlasts the access token that it gave is locked out.

use std::fmt;

use async_trait::async_trait;
use azure_core::{
    credentials::Secret,
    error::ErrorKind,
    http::{ClientMethodOptions, Context, Method, Request, Transport, Url},
};
use azure_identity::ClientAssertion;
use publisher::{Error, Kind, Result};
use serde::Deserialize;

use crate::Cloud;

/// Where the job asks, and by what it may ask; set in jobs with the permission `id-token: write`.
pub const URL: &str = "ACTIONS_ID_TOKEN_REQUEST_URL";
pub const TOKEN: &str = "ACTIONS_ID_TOKEN_REQUEST_TOKEN";

/// The tokens of a job.
pub struct GithubJob {
    url: Url,
    token: Secret,
    transport: Transport,
}

impl fmt::Debug for GithubJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GithubJob").finish_non_exhaustive()
    }
}

impl GithubJob {
    /// Asks nobody yet.
    ///
    /// # Errors
    /// [`Kind::Credentials`] if what the job has is no URL.
    pub fn new(url: &str, token: String, cloud: Cloud, transport: Transport) -> Result<Self> {
        let mut url = Url::parse(url)
            .map_err(|error| Error::new(Kind::Credentials, format!("{URL} is no URL")).caused_by(error))?;
        url.query_pairs_mut().append_pair("audience", audience(cloud));
        Ok(Self { url, token: Secret::new(token), transport })
    }

    async fn ask(&self) -> azure_core::Result<String> {
        #[derive(Deserialize)]
        struct Answer {
            value: String,
        }

        let mut request = Request::new(self.url.clone(), Method::Get);
        request.insert_header("accept", "application/json");
        request.insert_header("authorization", format!("Bearer {}", self.token.secret()));
        let response = self.transport.send(&Context::new(), &mut request).await?;
        let status = response.status();
        if !status.is_success() {
            let status = u16::from(status);
            let message = format!("GitHub answers {status} to a job that asks who it is");
            // It may answer the next time.
            let kind = if status == 429 || status >= 500 { ErrorKind::Io } else { ErrorKind::Credential };
            return Err(azure_core::Error::with_message(kind, message));
        }
        // What is wrong with it is not said: it is a secret.
        let body = response.into_body().collect().await?;
        let answer: Answer = serde_json::from_slice(&body)
            .map_err(|_| refused("GitHub's answer to a job that asks who it is holds no token".to_owned()))?;
        Ok(answer.value)
    }
}

/// Whom a token is for that Entra takes (Microsoft Entra, "Workload identity federation").
fn audience(cloud: Cloud) -> &'static str {
    match cloud {
        Cloud::Public => "api://AzureADTokenExchange",
        Cloud::UsGov => "api://AzureADTokenExchangeUSGov",
        Cloud::China => "api://AzureADTokenExchangeChina",
    }
}

fn refused(message: String) -> azure_core::Error {
    azure_core::Error::with_message(ErrorKind::Credential, message)
}

#[async_trait]
impl ClientAssertion for GithubJob {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        self.ask().await
    }
}
