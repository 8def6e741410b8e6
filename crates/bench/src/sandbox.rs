//! A sandbox in a process of its own.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{Result, environment::Environment};

/// What the line to the sandbox is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    pub tls: bool,
    /// Milliseconds.
    pub latency: u32,
    /// Megabytes in a second.
    pub rate: Option<u32>,
    /// What goes wrong with one request with image data in a hundred.
    pub fault: Option<&'static str>,
}

/// A running sandbox; it ends when this is dropped.
pub struct Sandbox {
    process: Child,
    http: reqwest::Client,
    pub environment: Environment,
    /// Where it keeps what it does not throw away.
    _dir: TempDir,
}

/// Bytes and requests with image data.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traffic {
    pub bytes: u64,
    pub requests: u64,
    /// Without a checksum.
    pub unsealed: u64,
}

/// Requests that carry image data.
const WITH_DATA: [&str; 4] = ["PutPage", "ebs:PutSnapshotBlock", "s3:UploadPart", "s3:PutObject"];

impl Sandbox {
    pub async fn start(program: &Path, line: Line) -> Result<Self> {
        let dir = TempDir::new()?;
        let variables = dir.path().join("environment.json");
        let mut command = Command::new(program);
        command.args([
            "sandbox",
            "--listen",
            "127.0.0.1:0",
            "--instant",
            "--discard",
            "--format",
            "json",
            "--env-file",
        ]);
        command.arg(&variables).args(["--latency", &line.latency.to_string()]);
        if let Some(rate) = line.rate {
            command.args(["--rate", &rate.to_string()]);
        }
        if !line.tls {
            command.arg("--plain-disks");
        }
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        // From here on it ends with whatever becomes of this function.
        let mut sandbox = Self { process, http: reqwest::Client::new(), environment: Environment::new(), _dir: dir };
        let text = sandbox.wait_for(&variables)?;
        sandbox.environment = serde_json::from_str(&text)?;
        let ca = std::fs::read(&sandbox.environment["PUBLISH_CA_FILE"])?;
        let authorities = reqwest::Certificate::from_pem_bundle(&ca)?;
        sandbox.http = reqwest::Client::builder().tls_certs_merge(authorities).no_proxy().build()?;
        if !line.tls {
            let plain = sandbox.url().replacen("https", "http", 1);
            for service in ["EBS", "S3"] {
                sandbox.environment.insert(format!("AWS_ENDPOINT_URL_{service}"), plain.clone());
            }
        }
        if let Some(fault) = line.fault {
            for operation in WITH_DATA {
                let fault = serde_json::json!({"operation": operation, "every": 100, "times": u32::MAX, "kind": fault});
                sandbox.post("/_sandbox/faults", &fault).await?;
            }
        }
        Ok(sandbox)
    }

    /// Waits for the file that a sandbox writes when it is there.
    fn wait_for(&mut self, file: &Path) -> Result<String> {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(20) {
            if let Ok(text) = std::fs::read_to_string(file) {
                return Ok(text);
            }
            if let Some(status) = self.process.try_wait()? {
                return Err(format!("the sandbox ended with {status}").into());
            }
            std::thread::yield_now();
        }
        Err("the sandbox does not start".into())
    }

    pub fn url(&self) -> &str {
        &self.environment["PUBLISH_SANDBOX_URL"]
    }

    pub fn variable(&self, name: &str) -> &str {
        &self.environment[name]
    }

    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    async fn post(&self, path: &str, body: &Value) -> Result<()> {
        let sent = self.http.post(format!("{}{path}", self.url())).body(body.to_string()).send().await?;
        sent.error_for_status()?;
        Ok(())
    }

    /// What it was sent so far.
    pub async fn traffic(&self) -> Result<Traffic> {
        let state = self.http.get(format!("{}/_sandbox/state", self.url())).send().await?.text().await?;
        let state: Value = serde_json::from_str(&state)?;
        let of = |field: &str| WITH_DATA.iter().filter_map(|name| state["traffic"][name][field].as_u64()).sum();
        Ok(Traffic { bytes: of("bytes"), requests: of("requests"), unsealed: of("unsealed") })
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
