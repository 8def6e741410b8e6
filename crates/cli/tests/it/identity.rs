//! Who the identity is: each source gives a token, and explains itself when it does not.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
};

use serde_json::Value;

use crate::stage::{Stage, stderr, text};

/// A plan by an identity that these variables, and no others, speak of.
fn plan(stage: &Stage, variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let image = stage.path("node.raw");
    let mut command = stage.command(&["azure", "--plan", "--regions", "westus2", text(&image)]);
    for name in ["AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"] {
        command.env_remove(name);
    }
    let output = command.envs(variables.iter().copied()).output().unwrap();
    (output.status.code(), stderr(&output))
}

/// A program called az, in a folder of its own.
fn az(stage: &Stage, script: &str) -> String {
    let dir = stage.path("bin");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("az"), format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(dir.join("az"), fs::Permissions::from_mode(0o755)).unwrap();
    text(&dir).to_owned()
}

#[test]
fn a_managed_identity_gives_a_token() {
    let stage = Stage::with_node();
    let endpoint = format!("{}/msi/token", stage.variable("PUBLISH_SANDBOX_URL"));
    let header = stage.variable("AZURE_CLIENT_SECRET");
    let identity = [("IDENTITY_ENDPOINT", endpoint.as_str()), ("IDENTITY_HEADER", header)];
    let (code, said) = plan(&stage, &identity);
    assert_eq!(code, Some(0), "{said}");
    // One of several, by its client id.
    let named = [&identity[..], &[("AZURE_CLIENT_ID", stage.variable("AZURE_CLIENT_ID"))]].concat();
    assert_eq!(plan(&stage, &named).0, Some(0));
    let (code, said) = plan(&stage, &[&identity[..], &[("AZURE_CLIENT_ID", "another")]].concat());
    assert_eq!(code, Some(1));
    insta::assert_snapshot!("managed_identity_that_is_not_assigned", said);
    assert_eq!(stage.audit()["traffic"]["Token"], Value::Null, "nobody else was asked");
}

#[test]
fn whoever_is_logged_in_to_az_gives_a_token() {
    let stage = Stage::with_node();
    let token = stage.token();
    let answer = format!(r#"{{"accessToken": "{token}", "expires_on": 4102444800, "tokenType": "Bearer"}}"#);
    let logged_in = az(&stage, &format!("echo '{answer}'"));
    let (code, said) = plan(&stage, &[("PATH", &logged_in)]);
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains(&token));
}

/// What a job of GitHub Actions asks who it is: one answer for each in `answers`, and what was asked.
fn github(answers: Vec<(u16, &'static str)>) -> (String, std::thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/token?api-version=2.0", listener.local_addr().unwrap());
    let serve = move || {
        let mut asked = Vec::new();
        for (status, body) in answers {
            let (mut socket, _) = listener.accept().unwrap();
            let mut request = String::new();
            let mut lines = BufReader::new(socket.try_clone().unwrap());
            while !request.ends_with("\r\n\r\n") {
                lines.read_line(&mut request).unwrap();
            }
            let length = body.len();
            write!(socket, "HTTP/1.1 {status} x\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
                .unwrap();
            asked.push(request);
        }
        asked
    };
    (url, std::thread::spawn(serve))
}

#[test]
fn a_job_of_github_actions_gives_a_token() {
    let stage = Stage::with_node();
    let principal = ["AZURE_TENANT_ID", "AZURE_CLIENT_ID"].map(|name| (name, stage.variable(name)));
    let job = |url: &str, variables: &[(&str, &str)]| {
        let job = [("ACTIONS_ID_TOKEN_REQUEST_URL", url), ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "sesame")];
        plan(&stage, &[&job[..], variables].concat())
    };
    let (url, served) = github(vec![(200, r#"{"count": 1, "value": "a.b.c"}"#)]);
    let (code, said) = job(&url, &principal);
    assert_eq!(code, Some(0), "{said}");
    let asked = served.join().unwrap();
    let first = asked[0].lines().next().unwrap();
    assert_eq!(first, "GET /token?api-version=2.0&audience=api%3A%2F%2FAzureADTokenExchange HTTP/1.1");
    assert!(asked[0].contains("authorization: Bearer sesame\r\n"), "{}", asked[0]);
    assert_eq!(stage.audit()["traffic"]["Token"]["requests"], 1);

    let mut said = String::new();
    let other = [principal[0], ("AZURE_CLIENT_ID", "other")];
    for (what, answer, variables) in [
        ("a job that may not ask", (403, "sesame"), principal),
        ("no token in the answer", (200, r#"{"sesame": 1}"#), principal),
        ("another application", (200, r#"{"value": "sesame"}"#), other),
    ] {
        let (url, served) = github(vec![answer]);
        let (code, text) = job(&url, &variables);
        assert_eq!(code, Some(1), "{what}: {text}");
        assert!(!text.contains("sesame"), "{text}");
        said += &format!("{what}\n{text}\n");
        served.join().unwrap();
    }
    insta::assert_snapshot!("github_that_gives_none", said.replace(stage.variable("PUBLISH_SANDBOX_URL"), "URL"));
    // Whose application it is, az knows where the job does not say.
    let no_az = ("PATH", "/nowhere");
    let (_, said) = job("http://127.0.0.1:1/", &[principal[0], no_az]);
    assert!(said.contains("whoever is logged in to az"), "{said}");
}

#[test]
fn each_source_explains_why_it_gives_no_token() {
    let stage = Stage::with_node();
    let token_file = stage.path("token");
    fs::write(&token_file, "a.b.c").unwrap();
    let (tenant, client) = (stage.variable("AZURE_TENANT_ID"), stage.variable("AZURE_CLIENT_ID"));
    let principal = [("AZURE_TENANT_ID", tenant), ("AZURE_CLIENT_ID", client)];
    let not_logged_in = az(&stage, "echo \"ERROR: Please run 'az login' to setup account.\" >&2; exit 1");
    let mut said = String::new();
    for (source, variables) in [
        ("a wrong secret", [&principal[..], &[("AZURE_CLIENT_SECRET", "wrong")]].concat()),
        ("another application", vec![principal[0], ("AZURE_CLIENT_ID", "other"), ("AZURE_CLIENT_SECRET", "wrong")]),
        (
            "a federated token for another application",
            vec![principal[0], ("AZURE_CLIENT_ID", "other"), ("AZURE_FEDERATED_TOKEN_FILE", text(&token_file))],
        ),
        ("az that nobody is logged in to", vec![("PATH", not_logged_in.as_str())]),
        ("no az", vec![("PATH", "/nowhere")]),
    ] {
        let (code, text) = plan(&stage, &variables);
        assert_eq!(code, Some(1), "{source}: {text}");
        assert!(!text.contains("wrong"), "{text}");
        said += &format!("{source}\n{text}\n");
    }
    insta::assert_snapshot!(said.replace(stage.variable("PUBLISH_SANDBOX_URL"), "URL"));
    assert_eq!(stage.mutations(), 0);
}
