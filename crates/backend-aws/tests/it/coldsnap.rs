//! coldsnap, the uploader and downloader of snapshots by AWS's own authors, against the sandbox and against what we make there.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use coldsnap::{SnapshotDownloader, SnapshotUploader, SnapshotWaiter, UploadZeroBlocks};
use publisher::Status;
use vhd::Image;

use crate::stage::{HOME, Stage};

/// What coldsnap's users have from their environment.
async fn sdk(stage: &Stage) -> SdkConfig {
    let ca = std::fs::read(stage.sandbox.ca_file()).unwrap();
    let trust = TrustStore::empty().with_pem_certificate(ca);
    let https = Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .tls_context(TlsContext::builder().with_trust_store(trust).build().unwrap())
        .build_https();
    let variables = stage.variables();
    let [key, secret] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].map(|name| variables.get(name).unwrap());
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(https)
        .endpoint_url(stage.sandbox.url())
        .region(Region::new(HOME))
        .credentials_provider(Credentials::new(key, secret, None, None, "test"))
        .load()
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn coldsnap_writes_a_snapshot_block_by_block() {
    let stage = Stage::new(backend_aws::Route::Ebs).await;
    let sdk = sdk(&stage).await;
    let uploader = SnapshotUploader::new(aws_sdk_ebs::Client::new(&sdk));
    let waiter = SnapshotWaiter::new(aws_sdk_ec2::Client::new(&sdk));
    for zeros in [UploadZeroBlocks::Omit, UploadZeroBlocks::Include] {
        let raw = stage.dir.path().join("disk.raw");
        let id = uploader.upload_from_file(raw, None, None, None, None, Some(zeros), None, None, None).await.unwrap();
        waiter.wait_for_completed(&id).await.unwrap();
        let snapshots = stage.list(HOME, "snapshots");
        let snapshot = snapshots.iter().find(|snapshot| snapshot["id"] == id).unwrap();
        let arrived = stage.sandbox.content_file(snapshot["content"].as_str().unwrap()).unwrap();
        assert_eq!(Image::open(arrived).unwrap().content().unwrap(), stage.image.content().unwrap());
    }
    // As many as hold data, and as many as there are.
    let blocks = stage.image.content().unwrap().blocks().len() as u64 + (24 << 20) / vhd::CONTENT_BLOCK;
    assert_eq!(stage.audit()["traffic"]["ebs:PutSnapshotBlock"]["requests"], blocks);
}

#[tokio::test(flavor = "multi_thread")]
async fn coldsnap_reads_back_what_we_publish() {
    let stage = Stage::new(backend_aws::Route::Ebs).await;
    let report = stage.publish().await;
    assert_eq!(report.status, Status::Published, "{:?}", report.error);
    let downloader = SnapshotDownloader::new(aws_sdk_ebs::Client::new(&sdk(&stage).await));
    let read = stage.dir.path().join("read.raw");
    downloader.download_to_file(&report.resources["snapshot"], &read, None, None, None).await.unwrap();
    assert_eq!(Image::open(read).unwrap().content().unwrap(), stage.image.content().unwrap());
}
