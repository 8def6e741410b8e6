//! Nothing that opens anything is ever shown or kept, whatever is done, whatever goes wrong and however much is logged.

use std::fs;

use serde_json::json;

use crate::stage::{Stage, stderr, text};

/// Ways in which each request goes wrong once without ending the run. One that gets no answer takes minutes, and the backends'
/// trials have it.
const PASSING: [&str; 5] = ["throttle", "server_error", "reset_before", "reset_after", "forget"];
/// Those that may end it.
const ENDING: [&str; 3] = ["deny", "corrupt", "expire"];

struct Said {
    stage: Stage,
    text: String,
}

impl Said {
    /// Runs a command with everything logged. Whatever goes wrong, it is not what was typed.
    fn run(&mut self, args: &[&str]) {
        let output = self.stage.command(args).env("PUBLISH_LOG", "trace").output().unwrap();
        let said = stderr(&output) + &String::from_utf8_lossy(&output.stdout);
        assert!(!said.contains("panicked at"), "{args:?}: {said}");
        assert!(matches!(output.status.code(), Some(0 | 1 | 3)), "{args:?}: {}", output.status);
        self.text += &said;
    }

    fn fault(&self, operation: &str, kind: &str) {
        self.stage.post("/_sandbox/faults", &json!({"operation": operation, "kind": kind}).to_string());
    }

    /// That none of what the sandbox has handed out is in it: how each of its tokens begins, and each of its signatures.
    fn check(&self, what: &str) {
        let token = self.stage.token();
        let token = token.split('.').next().unwrap().to_owned();
        let variable = |name: &str| self.stage.variable(name).to_owned();
        let secrets = [variable("AZURE_CLIENT_SECRET"), variable("AWS_SECRET_ACCESS_KEY"), token];
        for secret in secrets.iter().map(String::as_str).chain(["sandbox-signature-", "sig=sandbox"]) {
            let found = self.text.find(secret);
            let around = found.map(|at| &self.text[at.saturating_sub(300)..(at + 20).min(self.text.len())]);
            assert_eq!(around, None, "{what}: {secret}");
        }
    }
}

#[test]
fn no_signature_token_or_key_is_shown_logged_or_kept() {
    let mut said = Said { stage: Stage::with_node(), text: String::new() };
    let (image, state) = (said.stage.path("node.raw"), said.stage.path("state"));
    let (image, state) = (text(&image).to_owned(), text(&state).to_owned());
    let publish = |name: &str, bucket: bool| {
        let mut args =
            vec!["all", "--regions", "westus2,us-east-1,eu-west-1", "--state-dir", &state, "--name", name, &image];
        args.extend(bucket.then_some(["--bucket", "publish-sandbox"]).into_iter().flatten());
        args.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let run = |said: &mut Said, args: &[String]| said.run(&args.iter().map(String::as_str).collect::<Vec<_>>());
    run(&mut said, &publish("first", true));
    run(&mut said, &publish("second", false));
    let traffic = said.stage.audit()["traffic"].clone();
    let operations: Vec<_> = traffic.as_object().unwrap().keys().cloned().collect();
    assert!(operations.len() > 30, "{operations:?}");
    said.check("published");

    for kind in PASSING {
        operations.iter().for_each(|operation| said.fault(operation, kind));
        run(&mut said, &publish(&format!("all-{}", kind.replace('_', "-")), kind.len() % 2 == 0));
        said.check(kind);
        said.stage.delete("/_sandbox/faults");
    }
    for (nth, operation) in operations.iter().enumerate() {
        let kind = ENDING[nth % ENDING.len()];
        said.fault(operation, kind);
        run(&mut said, &publish(&format!("one-{nth}"), operation.contains("s3:") || operation.contains("Import")));
        said.check(&format!("{operation} {kind}"));
        said.stage.delete("/_sandbox/faults");
    }
    let state_dir = ["--state-dir", &state];
    for command in [
        &["runs", state_dir[0], state_dir[1]][..],
        &["cleanup", state_dir[0], state_dir[1]],
        &["status", "all", "--name", "first", "--regions", "westus2,us-east-1"],
        &["doctor", "all", "--name", "first", "--regions", "westus2,us-east-1"],
        &["doctor", "aws", "--name", "first", "--setup", "--regions", "us-east-1", "--bucket", "publish-sandbox"],
        &["inspect", &image],
        &["convert", &image, text(&said.stage.path("out.vhd")).to_owned().as_str(), "--to", "fixed-vhd"],
        &["demo"],
        &["all", "--plan", "--regions", "westus2,us-east-1", &image],
        &["azure", "--verify", "full", "--regions", "westus2", "--name", "read-back", &image],
    ] {
        said.run(command);
    }
    for journal in fs::read_dir(state).unwrap().flat_map(|dir| fs::read_dir(dir.unwrap().path()).unwrap()) {
        said.text += &fs::read_to_string(journal.unwrap().path()).unwrap();
    }
    assert!(said.text.contains("run_started") && said.text.contains("TRACE"), "everything was logged and kept");
    said.check("every command, and the journals");
}
