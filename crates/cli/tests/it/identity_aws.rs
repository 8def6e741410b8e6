//! Who the identity is to AWS: each link of the SDK's chain, with nothing of the others in the environment.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    thread,
};

use serde_json::{Value, json};

use crate::stage::{Stage, stderr, text};

const USER: &str = "arn:aws:iam::123456789012:user/publish";
const SESSION: &str = "arn:aws:sts::123456789012:assumed-role/publish/publish";
const ROLE: &str = "arn:aws:iam::123456789012:role/publish";

/// What the chain looks for first, and each test takes away.
const KEYS: [&str; 2] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];

/// A plan by an identity that these variables speak of; gives whom the sandbox took it for.
fn caller(stage: &Stage, args: &[&str], variables: &[(&str, &str)]) -> Value {
    let (code, said) = plan(stage, args, variables);
    assert_eq!(code, Some(0), "{said}");
    stage.audit()["aws"]["us-east-1"]["callers"].clone()
}

fn plan(stage: &Stage, args: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let image = stage.path("node.raw");
    let mut command = stage.command(&[&["aws", "--plan", "--regions", "us-east-1", text(&image)], args].concat());
    for name in KEYS {
        command.env_remove(name);
    }
    let output = command.envs(variables.iter().copied()).output().unwrap();
    (output.status.code(), stderr(&output))
}

/// A file in a folder of its own in the home folder.
fn write(stage: &Stage, name: &str, content: &str) -> PathBuf {
    let path = stage.path("home").join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    path
}

/// A session as the machine's and the container's services hand it out.
fn session() -> String {
    json!({
        "Code": "Success", "AccessKeyId": "ASIASANDBOXSESSION00", "SecretAccessKey": "sandbox-session-secret",
        "Token": "sandbox-session-token", "Expiration": "2099-12-31T23:59:59Z", "RoleArn": ROLE,
    })
    .to_string()
}

/// A server without TLS, as both services are; answers a path with a text.
fn serve(answer: fn(&str) -> Option<String>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming().take(32) {
            let mut stream: TcpStream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let first = lines.next().unwrap().unwrap();
            // The head ends with an empty line; neither service is sent a body.
            let _ = lines.find(|line| line.as_ref().is_ok_and(String::is_empty));
            let path = first.split(' ').nth(1).unwrap();
            let (status, body) = answer(path).map_or((404, String::new()), |body| (200, body));
            let ttl = "x-aws-ec2-metadata-token-ttl-seconds: 21600";
            let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n{ttl}\r\nconnection: close", body.len());
            stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).unwrap();
        }
    });
    url
}

#[test]
fn the_key_of_a_profile() {
    let stage = Stage::with_node();
    let (key, secret) = (stage.variable(KEYS[0]), stage.variable(KEYS[1]));
    let credentials = format!("[build]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n");
    write(&stage, ".aws/credentials", &credentials);
    assert_eq!(caller(&stage, &[], &[("AWS_PROFILE", "build")]), json!([USER]));
    assert_eq!(caller(&stage, &[], &[("PUBLISH_AWS__PROFILE", "build")]), json!([USER]));
    let (code, said) = plan(&stage, &[], &[("AWS_PROFILE", "other"), ("AWS_EC2_METADATA_DISABLED", "true")]);
    assert_eq!(code, Some(1), "{said}");
}

#[test]
fn the_role_of_a_profile_and_what_a_program_prints() {
    let stage = Stage::with_node();
    let (key, secret) = (stage.variable(KEYS[0]), stage.variable(KEYS[1]));
    let printed = json!({"Version": 1, "AccessKeyId": key, "SecretAccessKey": secret});
    let program = write(&stage, "bin/print", &format!("#!/bin/sh\necho '{printed}'\n"));
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let config = format!(
        "[profile base]\ncredential_process = {}\n[profile ci]\nrole_arn = {ROLE}\nsource_profile = base\n",
        text(&program)
    );
    write(&stage, ".aws/config", &config);
    let path = ("PATH", "/usr/bin:/bin");
    assert_eq!(caller(&stage, &[], &[("AWS_PROFILE", "base"), path]), json!([USER]));
    let both = caller(&stage, &[], &[("AWS_PROFILE", "ci"), path]);
    assert_eq!(both, json!([USER, SESSION]), "the second as the role");
}

#[test]
fn the_token_of_an_identity_elsewhere() {
    let stage = Stage::with_node();
    let token = write(&stage, "token", "sandbox-web-identity");
    let variables = [("AWS_WEB_IDENTITY_TOKEN_FILE", text(&token)), ("AWS_ROLE_ARN", ROLE)];
    assert_eq!(caller(&stage, &[], &variables), json!([SESSION]));
    fs::write(&token, "a-token-of-somebody-else").unwrap();
    let (code, said) = plan(&stage, &[], &variables);
    assert_eq!(code, Some(1));
    assert!(said.contains("the AWS credential cannot be loaded"), "{said}");
    assert!(said.contains("InvalidIdentityToken") && !said.contains("a-token-of-somebody-else"), "{said}");
}

#[test]
fn whoever_is_logged_in_by_single_sign_on() {
    let stage = Stage::with_node();
    let config = "[profile sso]\nsso_start_url = https://sandbox.example/start\nsso_region = us-east-1\n\
                  sso_account_id = 123456789012\nsso_role_name = publish\n";
    write(&stage, ".aws/config", config);
    let token = json!({
        "startUrl": "https://sandbox.example/start", "region": "us-east-1", "accessToken": "sandbox-sso",
        "expiresAt": "2099-12-31T23:59:59Z",
    });
    // The file is called by the SHA-1 of the address, as `aws sso login` calls it.
    let cached = ".aws/sso/cache/f5b491ca754295437018638ba0dc4abf7b09f40f.json";
    let cached = write(&stage, cached, &token.to_string());
    let variables = [("AWS_PROFILE", "sso")];
    assert_eq!(caller(&stage, &[], &variables), json!([SESSION]));
    fs::remove_file(cached).unwrap();
    let (code, said) = plan(&stage, &[], &variables);
    assert_eq!(code, Some(1));
    assert!(said.contains("aws sso login"), "{said}");
}

#[test]
fn the_container_and_the_machine() {
    let stage = Stage::with_node();
    let container = serve(|path| (path == "/credentials").then(session)) + "/credentials";
    let variables = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", container.as_str())];
    assert_eq!(caller(&stage, &[], &variables), json!([SESSION]));
    let stage = Stage::with_node();
    let machine = serve(|path| match path {
        "/latest/api/token" => Some("sandbox-imds-token".to_owned()),
        path if path.ends_with("/security-credentials/") => Some("publish".to_owned()),
        path if path.ends_with("/security-credentials/publish") => Some(session()),
        _ => None,
    });
    let variables = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", machine.as_str()), ("AWS_EC2_METADATA_DISABLED", "false")];
    assert_eq!(caller(&stage, &[], &variables), json!([SESSION]));
}

#[test]
fn nobody_at_all_is_told_where_to_begin() {
    let stage = Stage::with_node();
    let (code, said) = plan(&stage, &[], &[]);
    assert_eq!(code, Some(1));
    insta::assert_snapshot!(said);
}
