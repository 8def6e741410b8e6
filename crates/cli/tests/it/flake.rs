//! Images that Nix builds: a real `nix build` of derivations that make real VHDs of the demo's disk, without a network, in a store of
//! the test's own.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};

use crate::{
    disks::{self, have},
    stage::{Running, Stage, stderr, text},
};

/// Makes a fixed, a dynamic and a compressed VHD of `DISK`, and things that are no image.
const FLAKE: &str = r#"{
  outputs = _: let
    built = name: script: derivation {
      inherit name;
      system = "SYSTEM";
      builder = "/bin/sh";
      args = [ "-euc" "export PATH=/usr/local/bin:/usr/bin:/bin; mkdir -p $out/nix-support; cd $out; ${script}\nexit 0" ];
    };
    convert = options: to: "qemu-img convert -f raw -O vpc -o ${options} DISK ${to};";
    fixed = convert "subformat=fixed,force_size=on";
  in {
    lib.notes = "no derivation";
    packages.SYSTEM = {
      fixed = built "fixed" (fixed "nixos.vhd");
      dynamic = built "dynamic" ''${convert "subformat=dynamic" "nixos-amazon.vhd"}
        echo '{"label": "25.05.7", "boot_mode": "uefi", "system": "SYSTEM", "file": "'$out'/nixos-amazon.vhd"}' > nix-support/image-info.json
        touch another.vhd'';
      compressed = built "compressed" ''${fixed "nixos.vhd"} zstd --quiet --rm nixos.vhd'';
      named = built "named" ''${fixed "b.vhd"} touch a.vhd'' // { passthru.filePath = "b.vhd"; };
      misnamed = built "misnamed" ''touch a.vhd b.vhd'' // { passthru.filePath = "c.vhd"; };
      two = built "two" "touch a.vhd b.vhd";
      tool = built "tool" "mkdir bin";
      slow = built "slow" ''echo "$$ has begun"; while :; do sleep 1; done'';
      broken = built "broken" ''echo "the disk is too small"; exit 3'';
    };
  };
}"#;

/// A stage whose work folder is the flake, and a store for it.
struct Flake {
    stage: Stage,
}

impl Flake {
    fn new() -> Option<Self> {
        if !["nix", "qemu-img", "zstd"].into_iter().all(have) {
            return None;
        }
        let stage = Stage::with_node();
        let work = stage.path("work");
        fs::create_dir_all(&work).unwrap();
        let system = format!("{}-linux", std::env::consts::ARCH);
        let flake = FLAKE.replace("SYSTEM", &system).replace("DISK", text(&stage.path("node.raw")));
        fs::write(work.join("flake.nix"), flake).unwrap();
        Some(Self { stage })
    }

    /// The program with the sandbox's environment and Nix's.
    fn command(&self, args: &[&str]) -> Command {
        let dir = |name: &str| self.stage.path("nix").join(name);
        let mut command = self.stage.command(args);
        command.env("PATH", std::env::var("PATH").unwrap());
        command.env("NIX_STORE_DIR", dir("store")).env("NIX_STATE_DIR", dir("var")).env("NIX_LOG_DIR", dir("log"));
        // Nothing is asked of anybody, and nobody is changed to.
        let config = "extra-experimental-features = nix-command flakes\nflake-registry =\n\
                      sandbox = false\nbuild-users-group =\nsubstituters =\n";
        command.env("NIX_CONFIG", config);
        command
    }

    fn run(&self, args: &[&str], more: &[(&str, &str)]) -> Output {
        self.command(args).envs(more.iter().copied()).output().unwrap()
    }

    fn report(&self, args: &[&str]) -> Value {
        let output = self.run(&[args, &["--format", "json"]].concat(), &[]);
        assert!(output.status.success(), "{}", stderr(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// How the program ends, and the error that it shows.
    fn refused(&self, image: &str) -> String {
        let output = self.run(&["azure", image, "--regions", "westus2"], &[]);
        let said = stderr(&output);
        let error = &said[said.find("error: ").unwrap_or_default()..];
        assert_eq!(error.matches("error: ").count(), 1, "one error: {said}");
        // What Nix itself says is another thing in each of its versions.
        let ours = error.lines().filter(|line| !line.contains("caused by: ") || line.contains("disk image"));
        let error = ours.collect::<Vec<_>>().join("\n").replace(text(self.stage.dir.path()), "DIR");
        format!("{image}: exit code {}\n{error}\n", output.status.code().unwrap())
    }

    fn audit(&self) -> Value {
        self.stage.audit()
    }
}

impl Drop for Flake {
    fn drop(&mut self) {
        // Nix makes what it built read-only, also for whoever removes it.
        disks::run("chmod", &["-R", "u+w", text(self.stage.dir.path())]);
    }
}

#[test]
fn fixed_dynamic_and_compressed_are_built_and_arrive_as_the_disk_that_they_are_of() {
    let Some(flake) = Flake::new() else { return };
    let digest = flake.report(&["inspect", text(&flake.stage.path("node.raw"))])["image"]["digest"].clone();
    for (name, format, compression) in
        [("fixed", "fixed-vhd", None), ("dynamic", "dynamic-vhd", None), ("compressed", "fixed-vhd", Some("zstd"))]
    {
        let args = ["all", &format!(".#{name}"), "--regions", "westus2,us-east-1", "--version", "1.0.0"];
        let report = flake.report(&args);
        let image = &report["image"];
        assert_eq!(image["digest"], digest, "{name}");
        assert_eq!((&image["format"], &image["compression"]), (&json!(format), &json!(compression)), "{name}");
        // It is called as the attribute is, whatever the file is called.
        let targets = report["targets"].as_array().unwrap();
        let version = targets[0]["resources"]["image_version"].as_str().unwrap();
        assert!(version.ends_with(&format!("/images/{name}/versions/1.0.0")), "{version}");
        assert_eq!((&targets[0]["status"], &targets[1]["status"]), (&json!("published"), &json!("published")));
        // Built already, and there already.
        let again = flake.report(&args);
        for target in again["targets"].as_array().unwrap() {
            assert_eq!(target["status"], "unchanged", "{name}: {target:#}");
        }
    }
    let audit = flake.audit();
    let (versions, images) = (&audit["azure"]["image_versions"], &audit["aws"]["us-east-1"]["images"]);
    assert_eq!((versions.as_array().unwrap().len(), images.as_array().unwrap().len()), (3, 3));
    // One digest, so one content: the last of each cloud is looked at.
    for entry in [&versions[2], &images[2]] {
        let to = flake.stage.path("content.raw");
        flake.stage.download(entry["content"].as_str().unwrap(), &to);
        disks::run("qemu-img", &["compare", "-f", "raw", "-F", "raw", text(&to), text(&flake.stage.path("node.raw"))]);
    }
}

#[test]
fn the_image_in_an_output_is_told_by_its_description_or_by_what_nix_says() {
    let Some(flake) = Flake::new() else { return };
    let file = |image: &str, args: &[&str]| {
        let output = flake.run(&[&["inspect", image, "--format", "json"], args].concat(), &[]);
        assert!(output.status.success(), "{}", stderr(&output));
        let inspection: Value = serde_json::from_slice(&output.stdout).unwrap();
        Path::new(inspection["image"]["path"].as_str().unwrap()).file_name().unwrap().to_owned()
    };
    assert_eq!(file(".#dynamic", &[]), "nixos-amazon.vhd");
    assert_eq!(file(".#named", &["--nix-flag=--show-trace"]), "b.vhd");
    // What stands beside it is read, as of any image.
    let report = flake.report(&["aws", ".#dynamic", "--regions", "us-east-1", "--version", "@image", "--plan"]);
    assert!(report["targets"][0]["plan"].to_string().contains("dynamic-25.05.7"), "{report:#}");
    // The same of a folder, as `nix build` leaves a link to one.
    let result = flake.stage.path("work/result");
    std::os::unix::fs::symlink(Path::new(report["image"]["path"].as_str().unwrap()).parent().unwrap(), &result)
        .unwrap();
    assert_eq!(file("result", &[]), "nixos-amazon.vhd");
}

#[test]
fn what_is_no_image_is_one_error_and_no_cloud_is_asked() {
    let Some(flake) = Flake::new() else { return };
    let mut said = String::new();
    for image in [".#nod", ".#lib.notes", ".#tool", ".#two", ".#misnamed", ".#broken", "./elsewhere#fixed", "."] {
        said += &flake.refused(image);
    }
    let hash = |text: &str| {
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find("DIR/nix/store/") {
            let (before, after) = rest.split_at(at + "DIR/nix/store/".len());
            plain += before;
            plain += "HASH";
            rest = after.split_at(after.find('-').unwrap()).1;
        }
        plain + rest
    };
    insta::assert_snapshot!(hash(&said).replace(&format!("{}-linux", std::env::consts::ARCH), "SYSTEM"));
    assert_eq!(flake.audit()["traffic"], json!({}), "no cloud is asked anything");

    let output = flake.run(&["azure", ".#broken"], &[]);
    let reason = stderr(&output).lines().any(|line| line.contains("caused by: ") && line.contains("exit code 3"));
    assert!(reason && stderr(&output).contains("\nbroken> the disk is too small\n"), "{}", stderr(&output));
    let output = flake.run(&["azure", ".#fixed"], &[("PATH", "/nowhere")]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).starts_with("error: .#fixed is to be built, and `nix` cannot be run"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_run_that_is_ended_while_nix_builds_ends_nix() {
    let Some(flake) = Flake::new() else { return };
    let temporary = flake.stage.path("temporary");
    fs::create_dir(&temporary).unwrap();
    let mut command = flake.command(&["azure", ".#slow", "--regions", "westus2"]);
    let mut run = Running(command.env("TMPDIR", &temporary).stderr(Stdio::piped()).spawn().unwrap());
    let mut said = BufReader::new(run.0.stderr.take().unwrap()).lines().map(|line| line.unwrap());
    let begun =
        said.find_map(|line| Some(line.strip_prefix("slow> ")?.strip_suffix(" has begun")?.to_owned())).unwrap();
    assert!(Path::new("/proc").join(&begun).exists());
    disks::run("kill", &["-TERM", &run.0.id().to_string()]);
    assert_eq!(run.0.wait().unwrap().code(), Some(130));
    let rest: Vec<_> = said.collect();
    assert!(rest.contains(&"error: interrupted while Nix built .#slow".to_owned()), "{rest:#?}");
    assert!(!Path::new("/proc").join(&begun).exists(), "what Nix was building goes on");
    let left: Vec<_> = fs::read_dir(&temporary).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| name.to_string_lossy().starts_with("nix-")), "{left:?}");
}

#[test]
fn a_flag_with_a_token_is_refused_and_not_repeated() {
    let Some(flake) = Flake::new() else { return };
    let output = flake.run(&["azure", ".#fixed", "--nix-flag=--option,access-tokens,github.com=sesame"], &[]);
    assert_eq!(output.status.code(), Some(2));
    let said = stderr(&output);
    assert!(said.starts_with("error: a flag for Nix holds access tokens") && !said.contains("sesame"), "{said}");
}

#[test]
fn github_is_told_what_was_made() {
    let Some(flake) = Flake::new() else { return };
    let (outputs, summary) = (flake.stage.path("outputs"), flake.stage.path("summary"));
    fs::write(&outputs, "before=1\n").unwrap();
    let variables = [("CI", "true"), ("GITHUB_OUTPUT", text(&outputs)), ("GITHUB_STEP_SUMMARY", text(&summary))];
    let args =
        ["all", ".#fixed", "--regions", "westus2,westus,us-east-1,eu-west-1", "--name", "node", "--version", "1.0.0"];
    let output = flake.run(&args, &variables);
    assert!(output.status.success(), "{}", stderr(&output));

    let said = stderr(&output);
    let marks: Vec<_> = said.lines().filter(|line| line.starts_with("::")).collect();
    assert_eq!(marks, ["::group::Build .#fixed", "::endgroup::", "::group::Publish node", "::endgroup::"]);

    let audit = flake.audit();
    let ami = |region: &str| audit["aws"][region]["images"][0]["id"].as_str().unwrap().to_owned();
    let there = |name: &str| {
        let text = fs::read_to_string(&outputs).unwrap();
        let prefix = format!("{name}=");
        let found: Vec<_> = text.lines().filter_map(|line| line.strip_prefix(&prefix)).map(str::to_owned).collect();
        assert_eq!(found.len(), 1, "{name}: {text}");
        found[0].clone()
    };
    assert_eq!(there("before"), "1");
    assert_eq!(there("image_name"), "node");
    assert_eq!(there("ami_id"), ami("us-east-1"));
    assert_eq!(json!({"us-east-1": ami("us-east-1"), "eu-west-1": ami("eu-west-1")}).to_string(), {
        let ids: Value = serde_json::from_str(&there("ami_ids")).unwrap();
        ids.to_string()
    });
    let snapshots = audit["aws"]["us-east-1"]["snapshots"].as_array().unwrap();
    assert!(snapshots.iter().any(|snapshot| snapshot["id"] == *there("snapshot_id")), "{snapshots:#?}");
    assert_eq!(there("image_version_id"), audit["azure"]["image_versions"][0]["id"]);

    let summary = fs::read_to_string(&summary).unwrap();
    assert!(summary.starts_with("## node\n\nA disk of 2 GiB with "), "{summary}");
    for region in
        ["| azure | westus2 | available |", "| azure | westus |", "| aws | us-east-1 |", "| aws | eu-west-1 |"]
    {
        assert!(summary.contains(region), "{region}: {summary}");
    }
    for secret in [flake.stage.variable("AZURE_CLIENT_SECRET"), flake.stage.variable("AWS_SECRET_ACCESS_KEY")] {
        assert!(!summary.contains(secret) && !said.contains(secret));
    }

    // What a rehearsal makes is nowhere.
    let before = fs::read_to_string(&outputs).unwrap();
    let rehearsal = flake.run(&[&args[..], &["--sandbox"]].concat(), &variables);
    assert!(rehearsal.status.success(), "{}", stderr(&rehearsal));
    assert_eq!(fs::read_to_string(&outputs).unwrap(), before);

    // Elsewhere there is nothing of it; also a CI that is not GitHub's sets CI.
    for variables in [&[("CI", "false")][..], &[("CI", "true"), ("GITLAB_CI", "true")]] {
        let output = flake.run(&args, variables);
        assert!(output.status.success() && !stderr(&output).contains("::"), "{}", stderr(&output));
    }
}
