//! A sandbox process, and the program with that sandbox's environment and no other.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::disks;

/// The program under test.
pub const PUBLISH: &str = env!("CARGO_BIN_EXE_publish");

/// A process that ends with this.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A sandbox process; it ends with this.
pub struct Stage {
    pub dir: TempDir,
    server: Child,
    environment: BTreeMap<String, String>,
}

impl Stage {
    pub fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let env_file = dir.path().join("env");
        let mut server = Command::new(PUBLISH)
            .args(["sandbox", "--instant", "--listen", "127.0.0.1:0"])
            .arg("--state-dir")
            .arg(dir.path().join("sandbox"))
            .arg("--env-file")
            .arg(&env_file)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // It says where it listens when the file is written; until then there is nothing to read.
        let mut said = String::new();
        BufReader::new(server.stderr.take().unwrap()).read_line(&mut said).unwrap();
        assert!(said.contains("the sandbox listens on"), "{said}");
        // What a shell makes of the file is what users get.
        let sourced =
            Command::new("sh").args(["-c", ". \"$0\" && env -0"]).arg(&env_file).env_clear().output().unwrap();
        let environment = String::from_utf8(sourced.stdout).unwrap();
        let environment = environment.split('\0').filter_map(|line| line.split_once('='));
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self { dir, server, environment }
    }

    /// The same, with the demo's disk as `node.raw`.
    pub fn with_node() -> Self {
        let stage = Self::new();
        disks::run(PUBLISH, &["demo", "--write-image", text(&stage.path("node.raw"))]);
        stage
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The program with the sandbox's environment, in a folder of its own.
    pub fn command(&self, args: &[&str]) -> Command {
        let work = self.path("work");
        fs::create_dir_all(&work).unwrap();
        let mut command = Command::new(PUBLISH);
        command.args(args).env_clear().envs(&self.environment).env("HOME", self.path("home")).current_dir(work);
        command
    }

    /// One of the sandbox's variables.
    pub fn variable(&self, name: &str) -> &str {
        &self.environment[name]
    }

    /// All of them.
    pub fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.environment.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// A token, as any client may have one.
    pub fn token(&self) -> String {
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}&scope={}/.default",
            self.variable("AZURE_CLIENT_ID"),
            self.variable("AZURE_CLIENT_SECRET"),
            self.variable("PUBLISH_SANDBOX_URL"),
        );
        let path = format!("/{}/oauth2/v2.0/token", self.variable("AZURE_TENANT_ID"));
        let answer = self.ask(async |client, origin| {
            client.post(origin + &path).body(form).send().await.unwrap().bytes().await.unwrap().to_vec()
        });
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        answer["access_token"].as_str().unwrap().to_owned()
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Runs with `--format json`, and gives exit code and report.
    pub fn report(&self, args: &[&str]) -> (i32, Value) {
        let output = self.run(&[args, &["--format", "json"]].concat());
        let report = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
        (output.status.code().unwrap(), report)
    }

    /// What the sandbox's audit answers.
    pub fn audit(&self) -> Value {
        serde_json::from_slice(&self.get("/_sandbox/state")).unwrap()
    }

    /// Asks the sandbox, as anyone could.
    pub fn get(&self, path: &str) -> Vec<u8> {
        self.ask(async |client, origin| client.get(origin + path).send().await.unwrap().bytes().await.unwrap().to_vec())
    }

    pub fn post(&self, path: &str, body: &str) {
        let body = body.to_owned();
        let status =
            self.ask(async |client, origin| client.post(origin + path).body(body).send().await.unwrap().status());
        assert!(status.is_success(), "{status}");
    }

    pub fn delete(&self, path: &str) {
        let status = self.ask(async |client, origin| client.delete(origin + path).send().await.unwrap().status());
        assert!(status.is_success(), "{status}");
    }

    fn ask<T>(&self, act: impl AsyncFnOnce(reqwest::Client, String) -> T) -> T {
        let pem = fs::read(&self.environment["PUBLISH_CA_FILE"]).unwrap();
        let ca = reqwest::Certificate::from_pem_bundle(&pem).unwrap();
        let client = reqwest::Client::builder().tls_certs_only(ca).no_proxy().build().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(act(client, self.environment["PUBLISH_SANDBOX_URL"].clone()))
    }

    /// A run of both clouds that has come to its first page and block, which get no answer; whoever comes there stays there.
    pub fn hanging(&self) -> Running {
        for operation in ["PutPage", "ebs:PutSnapshotBlock"] {
            self.post("/_sandbox/faults", &json!({"operation": operation, "times": 1000, "kind": "stall"}).to_string());
        }
        let image = self.path("node.raw");
        let args = ["all", "--regions", "westus2,us-east-1", "--name", "node", "--version", "1.0.0", text(&image)];
        let mut process = Running(self.command(&args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
        let asked = |operation: &str| !self.audit()["traffic"][operation].is_null();
        while !(asked("PutPage") && asked("ebs:PutSnapshotBlock")) {
            assert!(process.0.try_wait().unwrap().is_none(), "it ended by itself");
        }
        process
    }

    pub fn mutations(&self) -> u64 {
        self.audit()["mutations"].as_u64().unwrap()
    }

    /// Downloads a disk from the sandbox into a sparse file.
    pub fn download(&self, content: &str, to: &Path) {
        let file = fs::File::create(to).unwrap();
        self.ask(async |client, origin| {
            let (mut at, mut total) = (0, u64::MAX);
            while at < total {
                let range = format!("bytes={at}-{}", at + (64 << 20) - 1);
                let response = client.get(format!("{origin}{content}")).header("range", range).send().await.unwrap();
                assert!(response.status().is_success(), "{}", response.status());
                let of = response.headers()["content-range"].to_str().unwrap().rsplit('/').next().unwrap().to_owned();
                total = of.parse().unwrap();
                file.set_len(total).unwrap();
                let bytes = response.bytes().await.unwrap();
                for (index, page) in
                    bytes.chunks(4096).enumerate().filter(|(_, page)| page.iter().any(|byte| *byte != 0))
                {
                    file.write_all_at(page, at + index as u64 * 4096).unwrap();
                }
                at += bytes.len() as u64;
            }
        });
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to end.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
