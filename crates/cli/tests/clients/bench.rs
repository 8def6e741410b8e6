//! Where other people's programs are tried: a sandbox, a small disk, and the programs on the path.

use std::{
    fs::File,
    io::Write,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    proxy::Proxy,
    stage::{Stage, stderr, text},
};

pub struct Bench {
    pub stage: Stage,
    clients: PathBuf,
    proxy: Proxy,
}

/// Bytes of the disk.
pub const SIZE: u64 = 64 << 20;

impl Bench {
    /// None, which is said, if one of the programs is not installed.
    pub fn with(programs: &[&str]) -> Option<Self> {
        let clients = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("clients/bin");
        if let Some(missing) = programs.iter().find(|program| !clients.join(program).exists()) {
            assert!(std::env::var_os("CI").is_none(), "{missing} is not installed: .ci/clients installs it");
            // Past the harness, which keeps what a test prints to itself.
            let _ = writeln!(std::io::stderr(), "SKIPPED: {missing} is not installed; .ci/clients installs it");
            return None;
        }
        let stage = Stage::new();
        let proxy = Proxy::to(stage.variable("PUBLISH_SANDBOX_URL").strip_prefix("https://").unwrap());
        let bench = Self { stage, clients, proxy };
        bench.write_disk();
        Some(bench)
    }

    /// Data at both ends, some blocks between them, and holes.
    fn write_disk(&self) {
        let file = File::create(self.raw()).unwrap();
        file.set_len(SIZE).unwrap();
        for (offset, length, seed) in [(0, 9000, 1), (9 << 20, 5 << 20, 2), (SIZE - 512, 512, 3)] {
            let mut state = seed;
            let bytes: Vec<u8> = (0..length)
                .map(|_| {
                    // Noise that is the same every time (Numerical Recipes, a linear congruential generator).
                    state = 1_664_525_u32.wrapping_mul(state).wrapping_add(1_013_904_223);
                    (state >> 24) as u8
                })
                .collect();
            file.write_all_at(&bytes, offset).unwrap();
        }
    }

    pub fn raw(&self) -> PathBuf {
        self.stage.path("disk.raw")
    }

    /// The disk as a VHD, by our own program.
    pub fn vhd(&self, kind: &str) -> PathBuf {
        let path = self.stage.path(&format!("{kind}.vhd"));
        let output = self.stage.run(&["convert", text(&self.raw()), text(&path), "--to", &format!("{kind}-vhd")]);
        assert!(output.status.success(), "{}", stderr(&output));
        path
    }

    /// A program with the sandbox's environment, and the installed ones on its path.
    pub fn run(&self, program: &str, args: &[&str]) -> String {
        self.run_at(self.stage.variable("AWS_ENDPOINT_URL"), program, args)
    }

    /// The same, with another AWS.
    pub fn run_at(&self, aws: &str, program: &str, args: &[&str]) -> String {
        let output = self.command(program, args).env("AWS_ENDPOINT_URL", aws).output();
        let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
        assert!(
            output.status.success(),
            "{program} {args:?}: {}\n{}\n{}",
            output.status,
            stderr(&output),
            String::from_utf8_lossy(&output.stdout)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    fn command(&self, program: &str, args: &[&str]) -> Command {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
        let path = format!("{}:{}:/usr/bin:/bin", self.clients.display(), here.display());
        // The stage's own program gives the environment that a user would have sourced.
        let given = self.stage.command(&[]);
        let variables = given.get_envs().filter_map(|(name, value)| Some((name, value?)));
        let mut command = Command::new(program);
        command
            .args(args)
            .env_clear()
            .envs(variables)
            .env("PATH", path)
            .env("HOME", self.stage.path("home"))
            .env("AZURE_CONFIG_DIR", self.stage.path("az"))
            .env("AZURE_CORE_COLLECT_TELEMETRY", "0")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("SANDBOX_PROXY", self.proxy.url())
            .current_dir(self.stage.dir.path());
        command
    }

    /// The path of an installed program.
    pub fn client(&self, name: &str) -> PathBuf {
        self.clients.join(name)
    }

    /// Logs `az` in.
    pub fn log_in(&self) {
        let variable = |name: &str| self.stage.variable(name);
        let (id, secret, tenant) =
            (variable("AZURE_CLIENT_ID"), variable("AZURE_CLIENT_SECRET"), variable("AZURE_TENANT_ID"));
        let as_whom = ["-u", id, "-p", secret, "--tenant", tenant, "--output", "none"];
        self.run("az", &[&["login", "--service-principal"], &as_whom[..]].concat());
    }

    /// The path of a script beside this file.
    pub fn script(name: &str) -> String {
        text(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name)).to_owned()
    }

    /// That a disk of the sandbox begins with the whole of ours, and has zeros behind it.
    pub fn assert_is_disk(&self, content: &str) {
        let to = self.stage.path("arrived.raw");
        self.stage.download(content, &to);
        let (ours, arrived) = (std::fs::read(self.raw()).unwrap(), std::fs::read(&to).unwrap());
        assert!(arrived[..ours.len()] == ours, "{content}");
        assert!(arrived[ours.len()..].iter().all(|byte| *byte == 0), "{content}");
    }
}
