//! A disk's address: a shared access signature, which Azure hands out for a while.

use std::{sync::Arc, time::Duration};

use publisher::{Cx, Error, Kind, Result, SecretUrl, UndoId};
use serde_json::json;
use tokio::time::Instant;

use crate::{
    Azure, Undo,
    client::{Arm, versions},
};

/// How long an access lasts, if nothing else is configured.
const ACCESS: Duration = Duration::from_secs(24 * 60 * 60);

/// An address that a disk has for a while.
#[derive(Debug)]
pub struct Grant {
    pub sas: SecretUrl,
    /// When it is time for another. A disk's signature names a stored policy and carries no expiry of its own, so it is
    /// ours to keep.
    pub renew_at: Instant,
}

/// Opens a disk, as often as it takes.
#[derive(Clone, Debug)]
pub struct Access {
    arm: Arc<Arm>,
    cx: Cx<Undo>,
    disk: String,
    /// `Write` or `Read`.
    level: &'static str,
    lasts: Duration,
}

impl Access {
    /// The access to a disk that is to be written to. The undo that closes it again is journalled before it is first opened.
    pub async fn to_write(azure: &Azure, cx: &Cx<Undo>, disk: &str) -> Result<(UndoId, Self)> {
        Self::new(azure, cx, disk, "Write").await
    }

    /// The same, to a disk that was closed and is to be read.
    pub async fn to_read(azure: &Azure, cx: &Cx<Undo>, disk: &str) -> Result<(UndoId, Self)> {
        Self::new(azure, cx, disk, "Read").await
    }

    async fn new(azure: &Azure, cx: &Cx<Undo>, disk: &str, level: &'static str) -> Result<(UndoId, Self)> {
        let undo = cx.always(Undo::EndAccess { disk: disk.to_owned(), attempt: azure.attempt.clone() }).await?;
        let lasts = azure.config.access_minutes.map_or(ACCESS, |minutes| Duration::from_secs(u64::from(minutes) * 60));
        Ok((undo, Self { arm: azure.arm.clone(), cx: cx.clone(), disk: disk.to_owned(), level, lasts }))
    }

    /// Opens the disk. One that is written to is not closed before: closing ends the upload, and has what is there so far
    /// validated.
    pub async fn open(&self) -> Result<Grant> {
        let (arm, cx) = (&self.arm, &self.cx);
        let body = json!({"access": self.level, "durationInSeconds": self.lasts.as_secs()});
        let what = "opening the disk";
        let action = format!("{}/beginGetAccess", self.disk);
        let asked = Instant::now();
        let granted = cx.retry(what, || arm.post(&action, versions::DISKS, Some(&body))).await;
        let granted = granted.map_err(|error| error.context("cannot open the disk"))?;
        let output = arm.finish(cx, what, granted).await?;
        // Neither the answer nor what is wrong with it is ever shown: it may hold the signature.
        let sas = output["accessSAS"].as_str().and_then(|sas| azure_core::http::Url::parse(sas).ok());
        let sas = sas.ok_or_else(|| Error::new(Kind::Invalid, "Azure opened the disk and gave no address of it"))?;
        // In good time: a page that is on its way is to arrive.
        Ok(Grant { sas: SecretUrl::new(sas), renew_at: asked + self.lasts.mul_f64(0.9) })
    }
}
