//! Disks with a real file system, made by programs that are not ours.

use std::{
    fs::File,
    io::Write,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
};

use crate::stage::text;

/// Whether `program` is there. In CI it has to be.
pub fn have(program: &str) -> bool {
    let found =
        Command::new(program).arg("--version").output().is_ok() || Command::new(program).arg("-V").output().is_ok();
    assert!(found || std::env::var_os("CI").is_none(), "{program} is needed in CI");
    if !found {
        // Not through `eprintln!`, which the test harness keeps to itself where a test passes.
        let _ = writeln!(std::io::stderr(), "SKIPPED: {program} is not installed");
    }
    found
}

pub fn run(program: &str, args: &[&str]) {
    let output = Command::new(program).args(args).output().unwrap();
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A disk of 4 GiB with a GPT, an EFI system partition, and an ext4 file system with all of `/usr/share/doc` and more.
pub fn real_disk(dir: &Path) -> PathBuf {
    let path = dir.join("disk.raw");
    run(crate::stage::PUBLISH, &["demo", "--write-image", text(&path)]);
    let file = File::options().write(true).open(&path).unwrap();
    file.set_len(4 << 30).unwrap();
    // The demo's disk has its EFI system partition first and room for a root partition of half its size behind.
    let root = dir.join("root.ext4");
    File::create(&root).unwrap().set_len(900 << 20).unwrap();
    run("mke2fs", &["-q", "-F", "-t", "ext4", "-b", "4096", "-d", source_tree(), "-L", "nixos", text(&root)]);
    copy_into(&root, &file, 66 << 20);
    path
}

/// A tree of a few hundred MiB of files of every size, as every machine with a compiler has one.
fn source_tree() -> &'static str {
    ["/usr/share", "/usr/lib/python3", "/usr/include"]
        .into_iter()
        .find(|tree| size_fits(tree))
        .unwrap_or("/usr/include")
}

fn size_fits(tree: &str) -> bool {
    let output = Command::new("du").args(["-sm", tree]).output().unwrap();
    let mebibytes =
        String::from_utf8_lossy(&output.stdout).split_whitespace().next().and_then(|n| n.parse::<u64>().ok());
    mebibytes.is_some_and(|mebibytes| (20..400).contains(&mebibytes))
}

fn copy_into(from: &Path, to: &File, offset: u64) {
    let from = File::open(from).unwrap();
    let length = from.metadata().unwrap().len();
    let mut page = vec![0; 1 << 20];
    for at in (0..length).step_by(page.len()) {
        let step = page.len().min((length - at) as usize);
        from.read_exact_at(&mut page[..step], at).unwrap();
        if page[..step].iter().any(|byte| *byte != 0) {
            to.write_all_at(&page[..step], offset + at).unwrap();
        }
    }
}
