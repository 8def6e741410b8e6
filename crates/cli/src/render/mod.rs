//! What people and programs see.

mod bars;
pub mod building;
pub mod github;
pub mod inspect;
pub mod message;
pub mod meter;
mod plain;
pub mod report;
pub mod sizes;

use std::{
    io::{IsTerminal, Write},
    sync::Arc,
};

use publisher::Reporter;

/// The reporter for where standard error goes: bars on a terminal, lines anywhere else.
pub fn reporter() -> Arc<dyn Reporter> {
    if on_terminal() { Arc::new(bars::Bars::default()) } else { Arc::new(plain::Plain) }
}

/// Writes to standard output. Whoever reads may have gone; the exit code tells all the same.
pub fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn on_terminal() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("CI").is_none()
}
