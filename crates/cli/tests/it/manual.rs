//! What shells and `man` are given.

use std::fs;

use crate::stage::{Stage, stderr, text};

#[test]
fn each_shell_is_told_how_the_command_line_is_completed() {
    let stage = Stage::new();
    for (shell, begins) in [("bash", "_publish() {"), ("zsh", "#compdef publish"), ("fish", "# Print an optspec")] {
        let output = stage.run(&["completions", shell]);
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(script.starts_with(begins), "{script}");
        assert!(script.contains("nix-flag"), "{shell} knows the flags of commands");
    }
    assert_eq!(stage.run(&["completions", "sh"]).status.code(), Some(2));
}

#[test]
fn every_command_has_a_manual_page() {
    let stage = Stage::new();
    let dir = stage.path("man");
    let output = stage.run(&["man", text(&dir)]);
    assert!(output.status.success(), "{}", stderr(&output));
    let page = |name: &str| fs::read_to_string(dir.join(name)).unwrap();
    assert!(page("publish.1").contains("publish\\-azure(1)"), "{}", page("publish.1"));
    for command in ["azure", "aws", "all", "status", "doctor", "inspect", "convert", "sandbox", "cleanup", "resume"] {
        assert!(page(&format!("publish-{command}.1")).contains(".SH OPTIONS"), "{command}");
    }
    fs::write(stage.path("file"), "").unwrap();
    let output = stage.run(&["man", text(&stage.path("file"))]);
    assert!(
        output.status.code() == Some(1) && stderr(&output).starts_with("error: cannot write to"),
        "{}",
        stderr(&output)
    );
}
