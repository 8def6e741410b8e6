//! One process, from its start to its end.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use wait4::Wait4;

use crate::Result;

/// What a process took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    pub wall: Duration,
    /// User and system time, of its children too.
    pub cpu: Duration,
    /// Peak resident memory in bytes.
    pub memory: u64,
}

impl Cost {
    /// One process after the other.
    pub fn then(self, next: Self) -> Self {
        Self { wall: self.wall + next.wall, cpu: self.cpu + next.cpu, memory: self.memory.max(next.memory) }
    }
}

/// Runs a program to its end. What it prints goes to `log`; standard output is returned too.
///
/// # Errors
/// If it cannot be started, or fails.
pub fn run(mut command: Command, log: &Path) -> Result<(Cost, String)> {
    let (out, err) = (log.with_extension("out"), log.with_extension("err"));
    command.stdin(Stdio::null()).stdout(std::fs::File::create(&out)?).stderr(std::fs::File::create(&err)?);
    let began = Instant::now();
    let mut child = command.spawn().map_err(|error| format!("{}: {error}", called(&command)))?;
    let ended = child.wait4()?;
    let wall = began.elapsed();
    let output = std::fs::read_to_string(&out)?;
    if !ended.status.success() {
        let text = std::fs::read_to_string(&err)?;
        return Err(format!("{} ended with {}:\n{text}\n{output}", called(&command), ended.status).into());
    }
    let usage = ended.rusage;
    Ok((Cost { wall, cpu: usage.utime + usage.stime, memory: usage.maxrss }, output))
}

/// A program and its arguments.
fn called(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
