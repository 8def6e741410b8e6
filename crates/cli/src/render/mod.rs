//! What people and programs see.

mod bars;
pub mod inspect;
pub mod message;
mod plain;
pub mod report;
mod sizes;

use std::{io::IsTerminal, sync::Arc};

use publisher::Reporter;

/// The reporter for where standard error goes: bars on a terminal, lines anywhere else.
pub fn reporter() -> Arc<dyn Reporter> {
    let terminal = std::io::stderr().is_terminal() && std::env::var_os("CI").is_none();
    if terminal { Arc::new(bars::Bars::default()) } else { Arc::new(plain::Plain) }
}
