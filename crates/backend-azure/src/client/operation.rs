//! Long-running operations, as the Resource Manager's asynchronous-operations document describes them:
//! `Azure-AsyncOperation` first, else `Location`, else the resource's own provisioning state.

use std::time::Duration;

use azure_core::http::{Method, Url, headers::HeaderName};
use publisher::{Cx, Error, Kind, Poll, Result, Schedule};
use serde_json::Value;

use super::{Arm, arm::Answer};
use crate::{Undo, error};

const AZURE_ASYNC_OPERATION: HeaderName = HeaderName::from_static("azure-asyncoperation");
const LOCATION: HeaderName = HeaderName::from_static("location");

/// How long anything but replication may take.
pub const DEADLINE: Duration = Duration::from_secs(30 * 60);
/// Longest wait between two looks.
pub const LONGEST_WAIT: Duration = Duration::from_secs(15);

/// How an operation ended.
#[derive(Debug)]
pub enum End {
    /// Well.
    Succeeded,
    /// With this.
    Failed(Error),
    /// It has not.
    NotYet,
    /// Nothing is said of it.
    Unknown,
}

fn has_failed(status: &str) -> bool {
    ["Failed", "Canceled"].iter().any(|end| status.eq_ignore_ascii_case(end))
}

/// What Azure accepted, and how to see it end.
#[derive(Debug)]
pub struct Accepted {
    /// The body of the answer.
    pub body: Value,
    api_version: String,
    status: u16,
    operation: Option<Url>,
    location: Option<Url>,
}

impl Accepted {
    /// Something that is over.
    pub(super) fn done() -> Self {
        Self { body: Value::Null, api_version: String::new(), status: 204, operation: None, location: None }
    }

    /// The URL at which the operation's status is, for another process to look at.
    pub fn operation(&self) -> Option<String> {
        self.operation.as_ref().map(Url::to_string)
    }
}

pub(super) fn accepted(arm: &Arm, answer: Answer, api_version: &str) -> Result<Accepted> {
    let link = |name: &HeaderName| answer.headers.get_optional_str(name).map(|link| arm.own(link)).transpose();
    let (operation, location) = (link(&AZURE_ASYNC_OPERATION)?, link(&LOCATION)?);
    let api_version = api_version.to_owned();
    Ok(Accepted { body: answer.body, api_version, status: answer.status, operation, location })
}

impl Arm {
    /// Waits until what was accepted is over, and returns what it answers: of a PUT, the resource.
    ///
    /// # Errors
    /// The failure that the operation ended with, in Azure's words.
    pub async fn finish(&self, cx: &Cx<Undo>, what: &str, accepted: Accepted) -> Result<Value> {
        let schedule = Schedule::new(LONGEST_WAIT, DEADLINE);
        if let Some(url) = &accepted.operation {
            let output = cx.poll(what, schedule, || self.look(url)).await?;
            if !output.is_null() {
                return Ok(output);
            }
            return match &accepted.location {
                Some(location) => cx.retry(what, || self.result(location)).await,
                None => Ok(accepted.body),
            };
        }
        match &accepted.location {
            Some(location) if accepted.status == 202 => cx.poll(what, schedule, || self.monitor(location)).await,
            _ => self.provisioned(cx, what, schedule, accepted).await,
        }
    }

    /// Looks at the status document of an operation. What it gives in the end is its output, where it has one.
    ///
    /// # Errors
    /// The failure that the operation ended with, in Azure's words.
    pub async fn look(&self, url: &Url) -> Result<Poll<Value>> {
        let answer = self.send(Method::Get, url.clone(), None).await?;
        let retry_after = answer.retry_after();
        let mut body = self.accept(answer)?.body;
        match body["status"].as_str().unwrap_or_default() {
            status if status.eq_ignore_ascii_case("Succeeded") => Ok(Poll::Ready(body["properties"]["output"].take())),
            status if has_failed(status) => Err(error::from_operation(status, &body)),
            _ => {
                let percent = body["percentComplete"].as_f64().map(|percent| percent.clamp(0.0, 100.0) as u8);
                Ok(Poll::Pending { percent, retry_after })
            }
        }
    }

    /// How an operation ended, by the URL that was kept of it. What is wrong with the look is not how it ended.
    ///
    /// # Errors
    /// What may pass, or concerns the identity.
    pub async fn end_of(&self, url: &str) -> Result<End> {
        let answer = self.send(Method::Get, self.own(url)?, None).await?;
        let body = match self.accept(answer) {
            Ok(answer) => answer.body,
            // Azure forgets its operations after a while, and an identity may not be allowed to look.
            Err(error) if matches!(error.kind(), Kind::NotFound | Kind::Denied) => return Ok(End::Unknown),
            Err(error) => return Err(error),
        };
        Ok(match body["status"].as_str().unwrap_or_default() {
            status if status.eq_ignore_ascii_case("Succeeded") => End::Succeeded,
            status if has_failed(status) => End::Failed(error::from_operation(status, &body)),
            _ => End::NotYet,
        })
    }

    /// Looks at a `Location`: 202 until it is over.
    async fn monitor(&self, url: &Url) -> Result<Poll<Value>> {
        let answer = self.send(Method::Get, url.clone(), None).await?;
        let retry_after = answer.retry_after();
        if answer.status == 202 {
            return Ok(Poll::Pending { percent: None, retry_after });
        }
        Ok(Poll::Ready(self.accept(answer)?.body))
    }

    async fn result(&self, location: &Url) -> Result<Value> {
        let answer = self.send(Method::Get, location.clone(), None).await?;
        Ok(self.accept(answer)?.body)
    }

    /// Without either header, the resource itself says whether it is made.
    async fn provisioned(&self, cx: &Cx<Undo>, what: &str, schedule: Schedule, accepted: Accepted) -> Result<Value> {
        let state = |body: &Value| body["properties"]["provisioningState"].as_str().unwrap_or("Succeeded").to_owned();
        let Some(id) = accepted.body["id"].as_str().map(str::to_owned) else { return Ok(accepted.body) };
        if state(&accepted.body) == "Succeeded" {
            return Ok(accepted.body);
        }
        let version = accepted.api_version;
        cx.poll(what, schedule, || async {
            let body = self.get(&id, &version, &[]).await?;
            match state(&body).as_str() {
                "Succeeded" => Ok(Poll::Ready(body)),
                end @ ("Failed" | "Canceled") => Err(Error::new(Kind::Invalid, format!("{what} ended as {end}"))),
                _ => Ok(Poll::Pending { percent: None, retry_after: None }),
            }
        })
        .await
    }
}
