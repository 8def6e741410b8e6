//! Errors and warnings, on standard error.

use std::io::Write;

/// What is wrong, why, and what to do.
pub fn error(what: &str, causes: &[String], hint: Option<&str>) {
    line(&format!("error: {what}"));
    for cause in causes {
        line(&format!("  caused by: {cause}"));
    }
    if let Some(hint) = hint {
        line(&format!("\nhint: {hint}"));
    }
}

pub fn warning(what: &str) {
    line(&format!("warning: {what}"));
}

/// A line on standard error. That nobody reads it is no reason to end.
pub fn line(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
