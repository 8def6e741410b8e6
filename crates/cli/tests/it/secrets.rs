//! Nothing that opens anything is ever shown or kept, whatever goes wrong and however much is logged.

use std::fs;

use crate::{
    disks,
    stage::{PUBLISH, Stage, text},
};

#[test]
fn no_signature_token_or_key_is_shown_logged_or_kept() {
    let stage = Stage::new();
    let image = stage.path("node.raw");
    disks::run(PUBLISH, &["demo", "--write-image", text(&image)]);
    let state = stage.path("state");
    let regions = ["--regions", "westus2,us-east-1", "--bucket", "publish-sandbox", "--state-dir", text(&state)];
    let mut said = String::new();
    for (operation, kind) in [
        ("PutPage", "deny"),
        ("PutPage", "reset_before"),
        ("BeginGetAccess", "reset_after"),
        ("EndGetAccess", "deny"),
        ("Token", "deny"),
        ("s3:UploadPart", "deny"),
        ("ec2:RegisterImage", "reset_after"),
    ] {
        stage.post("/_sandbox/faults", &format!(r#"{{"operation": "{operation}", "kind": "{kind}"}}"#));
        let args =
            [&["all"], &regions[..], &["--name", &format!("{operation}-{kind}").replace(':', "-"), text(&image)]];
        let output = stage.command(&args.concat()).env("PUBLISH_LOG", "trace").output().unwrap();
        said += &String::from_utf8_lossy(&output.stdout);
        said += &String::from_utf8_lossy(&output.stderr);
    }
    for journal in fs::read_dir(state.join("runs")).unwrap() {
        said += &fs::read_to_string(journal.unwrap().path()).unwrap();
    }
    assert!(said.contains("PutPage-deny") && said.contains("TRACE"), "everything was logged");
    // How each of the sandbox's tokens begins, and each of its signatures.
    let token = stage.token();
    let token = token.split('.').next().unwrap();
    let secrets =
        [stage.variable("AZURE_CLIENT_SECRET"), stage.variable("AWS_SECRET_ACCESS_KEY"), token, "sandbox-signature-"];
    for secret in secrets {
        let found = said.find(secret).map(|at| &said[at.saturating_sub(300)..(at + 20).min(said.len())]);
        assert_eq!(found, None, "{secret}");
    }
    assert!(stage.audit()["traffic"]["PutPage"]["requests"].as_u64() > Some(0), "and signatures were given out");
}
