use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::render::message;

/// The first Ctrl-C or SIGTERM ends the run in order; the second ends the program.
pub fn watch(cancel: CancellationToken) {
    tokio::spawn(async move {
        let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
        else {
            message::warning("signals cannot be watched: an interrupted run will leave its undoing to the next one");
            return;
        };
        let mut next = async || tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} };
        next().await;
        message::warning("interrupted: taking back what was begun; once more to leave at once");
        cancel.cancel();
        next().await;
        message::warning("left at once; publish the same image again to take back and finish what was begun");
        std::process::exit(130);
    });
}
