//! `qemu-img`, the program everything here is measured by.

use std::{
    io::Write,
    path::Path,
    process::{Command, Output},
};

/// Whether a program that a test needs is there. In CI it has to be; elsewhere the test says that it is skipped.
pub fn have(program: &str) -> bool {
    if Command::new(program).arg("--version").output().is_ok() {
        return true;
    }
    assert!(std::env::var_os("CI").is_none(), "{program} is needed in CI");
    // Not through `eprintln!`, which the test harness keeps to itself where a test passes.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {program} is not installed");
    false
}

/// Runs a program that has to succeed.
pub fn run(program: &str, args: &[&str]) -> Output {
    let output = Command::new(program).args(args).output().unwrap();
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// `qemu-img convert` from one format to another; `options` as for `-o`, or empty.
pub fn convert(from: (&str, &Path), to: (&str, &Path), options: &str) {
    let mut args = vec!["convert", "-f", from.0, "-O", to.0];
    if !options.is_empty() {
        args.extend(["-o", options]);
    }
    args.extend([text(from.1), text(to.1)]);
    run("qemu-img", &args);
}

/// That two files hold the same disk, as `qemu-img compare` sees it; the longer one may end in zeros.
pub fn assert_same_disk(a: (&str, &Path), b: (&str, &Path), what: &str) {
    let args = ["compare", "-f", a.0, "-F", b.0, text(a.1), text(b.1)];
    let output = Command::new("qemu-img").args(args).output().unwrap();
    assert!(
        output.status.success(),
        "{what}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The size of the disk in a VHD; none if it refuses the file.
pub fn virtual_size(vhd: &Path) -> Option<u64> {
    let output = Command::new("qemu-img").args(["info", "--output", "json", "-f", "vpc", text(vhd)]).output().unwrap();
    let info: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
    info["virtual-size"].as_u64()
}
