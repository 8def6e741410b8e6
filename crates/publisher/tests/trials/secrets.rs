//! Each operation gets no answer once, with everything logged: what a client says of a request that it gave up has its address in
//! it, and a disk's address opens it.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use publisher::Status;
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use super::{DEADLINE, Subject};

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// Runs all cells, each on a stage of its own; `secrets` is what must not be found.
///
/// # Panics
/// If a cell fails, or a secret is in what it says, logs or keeps.
pub async fn run<S: Subject>(stage: impl AsyncFn() -> S, secrets: &[&str]) {
    let undisturbed = stage().await;
    assert_eq!(undisturbed.publish().await.status, Status::Published);
    let traffic = undisturbed.sandbox().state()["traffic"].clone();
    // While there is one subscriber alone, `tracing` asks that of whichever thread comes to an event first whether anybody wants it,
    // and remembers the answer for all; other tests' threads have none.
    let _second = tracing::Dispatch::new(tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).finish());
    for operation in traffic.as_object().unwrap().keys() {
        let stage = stage().await;
        let rule = json!({"operation": operation, "kind": "stall"});
        stage.sandbox().add_fault(serde_json::from_value(rule).unwrap());
        let log = Log::default();
        let logging = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).finish();
        let report = {
            // Of this thread alone, on which the runtime is.
            let _logging = tracing::subscriber::set_default(logging);
            tokio::time::timeout(DEADLINE, stage.publish()).await.expect("it hangs")
        };
        assert_eq!(report.status, Status::Published, "{operation}: {:?}", report.error);
        let mut said = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
        assert!(said.contains("TRACE"), "everything was logged");
        said += &serde_json::to_string(&report).unwrap();
        for journal in std::fs::read_dir(stage.state_dir().join("runs")).unwrap() {
            said += &std::fs::read_to_string(journal.unwrap().path()).unwrap();
        }
        for secret in secrets {
            let found = said.find(secret).map(|at| &said[at.saturating_sub(300)..(at + 20).min(said.len())]);
            assert_eq!(found, None, "{operation}: {secret}");
        }
    }
}
