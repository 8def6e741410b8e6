use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::render::message;

/// What is said to a signal.
#[derive(Debug)]
pub struct Texts {
    pub first: &'static str,
    pub second: &'static str,
}

/// What is said of a run.
pub const RUN: Texts = Texts {
    first: "interrupted: taking back what was begun; once more to leave at once",
    second: "left at once; publish the same image again to finish what was begun, or take it back with: publish cleanup",
};

/// What is said of something that only looks.
pub const LOOK: Texts = Texts { first: "interrupted", second: "left at once" };

/// The first Ctrl-C or SIGTERM ends the work in order; the second ends the program.
pub fn watch(cancel: CancellationToken, texts: &'static Texts) {
    tokio::spawn(async move {
        let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
        else {
            message::warning("signals cannot be watched: an interrupted run will leave its undoing to the next one");
            return;
        };
        let mut next = async || tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} };
        next().await;
        message::warning(texts.first);
        cancel.cancel();
        next().await;
        message::warning(texts.second);
        std::process::exit(130);
    });
}
