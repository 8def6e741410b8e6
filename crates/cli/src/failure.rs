use publisher::{Error, Kind};

use crate::{exit::Exit, render::message};

/// Shows a failure that ends the program, and says how it ends.
pub fn show(error: &Error) -> Exit {
    message::error(&error.to_string(), &error.causes(), error.hint());
    match error.kind() {
        Kind::Config => Exit::Usage,
        Kind::Cancelled => Exit::Interrupted,
        _ => Exit::Failed,
    }
}
