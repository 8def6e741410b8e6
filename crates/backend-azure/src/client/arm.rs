use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use azure_core::{
    http::{
        ClientOptions, Context, Method, Pipeline, PipelineSendOptions, RawResponse, Request, RetryOptions, Transport,
        Url, UserAgentOptions,
        headers::{ACCEPT, CONTENT_TYPE, Headers, RETRY_AFTER, RETRY_AFTER_MS, X_MS_RETRY_AFTER_MS},
        policies::{Policy, auth::BearerTokenAuthorizationPolicy, get_retry_after},
    },
    time::OffsetDateTime,
};
use publisher::{Error, Kind, Result};
use serde_json::Value;

use super::{Accepted, Credential, operation};
use crate::error;

/// The Resource Manager. Sends every request once: whether it is sent again is for the run's budget to say.
#[derive(Debug)]
pub struct Arm {
    /// With the token that is in use.
    pipeline: Mutex<Arc<Pipeline>>,
    credential: Credential,
    transport: Transport,
    base: Url,
}

/// An answer of the Resource Manager, read whole.
pub(super) struct Answer {
    pub status: u16,
    pub headers: Headers,
    pub body: Value,
}

impl Answer {
    pub fn retry_after(&self) -> Option<Duration> {
        let names = [X_MS_RETRY_AFTER_MS, RETRY_AFTER_MS, RETRY_AFTER];
        let wait = get_retry_after(&self.headers, OffsetDateTime::now_utc, &names)?;
        Duration::try_from(wait).ok()
    }
}

impl Arm {
    /// A client of the Resource Manager at `base`, such as `https://management.azure.com`.
    ///
    /// # Errors
    /// [`Kind::Config`] if that is no URL.
    pub fn new(base: &str, credential: Credential, transport: Transport) -> Result<Self> {
        let url = Url::parse(base).ok().filter(|url| url.scheme() == "https" && url.has_host()).ok_or_else(|| {
            Error::new(Kind::Config, format!("azure.endpoints.resource_manager is no https URL: {base}"))
        })?;
        let pipeline = Mutex::new(Arc::new(pipeline(base, &credential, &transport)?));
        Ok(Self { pipeline, credential, transport, base: url })
    }

    /// Reads a resource; none if it is not there. Every other failure is one.
    ///
    /// # Errors
    /// What Azure answers, classified.
    pub async fn find(&self, id: &str, api_version: &str) -> Result<Option<Value>> {
        match self.get(id, api_version, &[]).await {
            Ok(body) => Ok(Some(body)),
            Err(error) if error.kind() == Kind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads a resource.
    ///
    /// # Errors
    /// What Azure answers, classified.
    pub async fn get(&self, id: &str, api_version: &str, query: &[(&str, &str)]) -> Result<Value> {
        let answer = self.send(Method::Get, self.url(id, api_version, query)?, None).await?;
        Ok(self.accept(answer)?.body)
    }

    /// All resources of a collection, page after page; none if what it lies in is not there.
    ///
    /// # Errors
    /// What Azure answers, classified.
    pub async fn list(&self, id: &str, api_version: &str) -> Result<Vec<Value>> {
        let mut found = Vec::new();
        let mut next = Some(self.url(id, api_version, &[])?);
        while let Some(url) = next {
            let answer = self.send(Method::Get, url, None).await?;
            if answer.status == 404 {
                break;
            }
            let mut page = self.accept(answer)?.body;
            next = page["nextLink"].as_str().map(|link| self.own(link)).transpose()?;
            if let Some(values) = page["value"].as_array_mut() {
                found.append(values);
            }
        }
        Ok(found)
    }

    /// Creates or changes a resource.
    ///
    /// # Errors
    /// What Azure answers, classified.
    pub async fn put(&self, id: &str, api_version: &str, body: &Value) -> Result<Accepted> {
        let answer = self.send(Method::Put, self.url(id, api_version, &[])?, Some(body)).await?;
        operation::accepted(self, self.accept(answer)?, api_version)
    }

    /// Asks something of a resource.
    ///
    /// # Errors
    /// What Azure answers, classified.
    pub async fn post(&self, id: &str, api_version: &str, body: Option<&Value>) -> Result<Accepted> {
        let answer = self.send(Method::Post, self.url(id, api_version, &[])?, body).await?;
        operation::accepted(self, self.accept(answer)?, api_version)
    }

    /// Deletes a resource; that it is not there is success.
    ///
    /// # Errors
    /// What Azure answers, classified.
    pub async fn delete(&self, id: &str, api_version: &str) -> Result<Accepted> {
        let answer = self.send(Method::Delete, self.url(id, api_version, &[])?, None).await?;
        if answer.status == 404 {
            Ok(Accepted::done())
        } else {
            operation::accepted(self, self.accept(answer)?, api_version)
        }
    }

    /// Sends a request and reads its answer. A token that Azure no longer takes, in spite of what was said of it when it
    /// was issued, is replaced by another, once.
    pub(super) async fn send(&self, method: Method, url: Url, body: Option<&Value>) -> Result<Answer> {
        let used = self.pipeline();
        let answer = self.attempt(&used, method, url.clone(), body).await?;
        if answer.status != 401 {
            return Ok(answer);
        }
        self.attempt(&*self.instead_of(&used)?, method, url, body).await
    }

    /// A pipeline with another token than the one that was refused. Of requests that are refused beside each other, the first gets it
    /// for all.
    fn instead_of(&self, refused: &Arc<Pipeline>) -> Result<Arc<Pipeline>> {
        let mut current = self.pipeline.lock().unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(&current, refused) {
            let base = self.base.as_str().trim_end_matches('/');
            *current = Arc::new(pipeline(base, &self.credential, &self.transport)?);
        }
        Ok(current.clone())
    }

    fn pipeline(&self) -> Arc<Pipeline> {
        self.pipeline.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn attempt(&self, pipeline: &Pipeline, method: Method, url: Url, body: Option<&Value>) -> Result<Answer> {
        let mut request = Request::new(url, method);
        request.insert_header(ACCEPT, "application/json");
        if let Some(body) = body {
            request.insert_header(CONTENT_TYPE, "application/json");
            request.set_json(&given(body)).map_err(error::from_sdk)?;
        }
        let options = PipelineSendOptions { skip_checks: true, ..PipelineSendOptions::default() };
        let response: RawResponse = pipeline
            .send(&Context::new(), &mut request, Some(options))
            .await
            .map_err(|e| self.credential.explain(error::from_sdk(e)))?;
        let (status, headers, body) = response.deconstruct();
        // An empty body, or a proxy's page, is no JSON; the status then says all there is.
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Ok(Answer { status: u16::from(status), headers, body })
    }

    /// Success, or the refusal in it.
    pub(super) fn accept(&self, answer: Answer) -> Result<Answer> {
        if !(200..300).contains(&answer.status) {
            return Err(error::from_arm(answer.status, &answer.body, answer.retry_after()));
        }
        Ok(answer)
    }

    fn url(&self, id: &str, api_version: &str, query: &[(&str, &str)]) -> Result<Url> {
        let mut url = self
            .base
            .join(id)
            .map_err(|error| Error::new(Kind::Invalid, "no resource id").about(id).caused_by(error))?;
        url.query_pairs_mut().append_pair("api-version", api_version).extend_pairs(query);
        Ok(url)
    }

    /// A URL that an answer names. Our token goes with it, so it has to lead to where the answer came from.
    pub(super) fn own(&self, link: &str) -> Result<Url> {
        let url = Url::parse(link).ok().filter(|url| url.origin() == self.base.origin());
        url.ok_or_else(|| Error::new(Kind::Invalid, "Azure's answer leads to another host, which is not followed"))
    }
}

/// The way of every request to the Resource Manager at `base`, with a token of its own.
fn pipeline(base: &str, credential: &Credential, transport: &Transport) -> Result<Pipeline> {
    let scope = format!("{base}/.default");
    let bearer: Arc<dyn Policy> = Arc::new(BearerTokenAuthorizationPolicy::new(credential.open()?, [scope]));
    let options = ClientOptions {
        transport: Some(transport.clone()),
        retry: RetryOptions::none(),
        user_agent: UserAgentOptions { application_id: Some("publish".into()) },
        ..ClientOptions::default()
    };
    let version = option_env!("CARGO_PKG_VERSION");
    Ok(Pipeline::new(Some("publish"), version, options, Vec::new(), vec![bearer], None))
}

/// A body without its nulls: what nothing is said about is left out.
fn given(body: &Value) -> Value {
    match body {
        Value::Object(fields) => fields
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name.clone(), given(value)))
            .collect(),
        Value::Array(values) => values.iter().map(given).collect(),
        other => other.clone(),
    }
}
