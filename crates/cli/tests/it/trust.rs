//! Whom the program trusts, and who can come to the sandbox.

use crate::stage::{Stage, stderr, text};

#[test]
fn an_authority_that_nobody_named_is_not_trusted() {
    let stage = Stage::with_node();
    let image = stage.path("node.raw");
    for args in [["azure", "--regions", "westus2"], ["aws", "--regions", "us-east-1"]] {
        let mut command = stage.command(&[&args[..], &[text(&image)]].concat());
        for variable in ["PUBLISH_CA_FILE", "SSL_CERT_FILE", "SSL_CERT_DIR", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"] {
            command.env_remove(variable);
        }
        let output = command.output().unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("the server's certificate is not trusted"), "{said}");
        assert!(said.contains("hint: name its authority with ca_file (PUBLISH_CA_FILE)"), "{said}");
    }
    assert_eq!(stage.audit()["requests"], 0, "nothing was asked");
}

#[test]
fn the_sandbox_listens_on_loopback_unless_it_is_told_otherwise() {
    let help = Stage::new().run(&["sandbox", "--help"]);
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(help.contains("--listen <ADDR>") && help.contains("[default: 127.0.0.1:8443]"), "{help}");
}
