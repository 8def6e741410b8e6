use publisher::{Error, Kind, Result, RunKey, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::render::message;

/// What is said to a signal.
#[derive(Debug)]
pub struct Texts {
    pub first: &'static str,
    pub second: &'static str,
}

/// What is said of something that only looks.
pub const LOOK: Texts = Texts { first: "interrupted", second: "left at once" };

/// The first Ctrl-C or SIGTERM ends the work in order; the second ends the program.
pub fn watch(cancel: CancellationToken, texts: &'static Texts) {
    watch_with(cancel, texts.first, || texts.second.to_owned());
}

/// The same of runs: whoever leaves at once is told what takes back what they have begun.
pub fn watch_runs(runtime: &Runtime) {
    let begun = runtime.begun.clone();
    let first = "interrupted: taking back what was begun; once more to leave at once";
    watch_with(runtime.cancel.clone(), first, move || left(&begun.runs()));
}

/// Does something unless it is ended before. What blocks a thread goes on there until the program is gone.
///
/// # Errors
/// What is done has, or [`Kind::Cancelled`].
pub async fn unless<T>(cancel: &CancellationToken, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::select! {
        done = work => done,
        () = cancel.cancelled() => Err(Error::new(Kind::Cancelled, "interrupted")),
    }
}

fn left(runs: &[RunKey]) -> String {
    if runs.is_empty() {
        return "left at once; nothing was begun".to_owned();
    }
    let commands: Vec<_> = runs.iter().map(|run| format!("publish cleanup {run}")).collect();
    format!("left at once; publish again to finish what was begun, or take it back with: {}", commands.join(" && "))
}

fn watch_with(cancel: CancellationToken, first: &'static str, second: impl Fn() -> String + Send + 'static) {
    tokio::spawn(async move {
        let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
        else {
            message::warning("signals cannot be watched: an interrupted run will leave its undoing to the next one");
            return;
        };
        let mut next = async || tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} };
        next().await;
        message::warning(first);
        cancel.cancel();
        next().await;
        message::warning(&second());
        std::process::exit(130);
    });
}
