//! coldsnap's uploader, as its command line sets it up, at the version of the lock file.

use std::path::PathBuf;

use aws_config::BehaviorVersion;
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use coldsnap::{SnapshotUploader, UploadZeroBlocks};

use crate::{Result, environment::variable};

#[derive(Debug, clap::Args)]
pub struct Job {
    /// A raw disk
    disk: PathBuf,
    /// Leave blocks of zeros out
    #[arg(long)]
    omit_zero_blocks: bool,
}

pub async fn run(job: &Job) -> Result<()> {
    let trust = TrustStore::empty().with_pem_certificate(std::fs::read(variable("AWS_CA_BUNDLE")?)?);
    let https = Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .tls_context(TlsContext::builder().with_trust_store(trust).build()?)
        .build_https();
    let sdk = aws_config::defaults(BehaviorVersion::latest()).http_client(https).load().await;
    let zeros = if job.omit_zero_blocks { UploadZeroBlocks::Omit } else { UploadZeroBlocks::Include };
    let uploader = SnapshotUploader::new(aws_sdk_ebs::Client::new(&sdk));
    let sent = uploader.upload_from_file(&job.disk, None, None, None, None, Some(zeros), None, None, None).await;
    sent.map(drop).map_err(|error| error.to_string().into())
}
