use publisher::{CloudName, Event, Reporter, transfer::Progress};
use tokio::sync::watch;

use super::{message::line, sizes::bytes};

/// One line for each thing that happened, for logs.
#[derive(Debug)]
pub struct Plain;

impl Reporter for Plain {
    fn report(&self, cloud: CloudName, event: Event) {
        match event {
            Event::TransferStarted { progress } => {
                tokio::spawn(follow(cloud, progress));
            }
            event => {
                if let Some(text) = describe(&event) {
                    line(&format!("{cloud:5}  {text}"));
                }
            }
        }
    }
}

/// An event in words; none for those that say nothing new.
pub fn describe(event: &Event) -> Option<String> {
    Some(match event {
        Event::StageStarted { stage } => format!("{stage} …"),
        Event::StageFinished { stage, elapsed } => format!("{stage} done in {:.1} s", elapsed.as_secs_f64()),
        Event::Resumed { bytes: there, .. } => format!("the upload goes on: {} are there already", bytes(*there)),
        Event::Waiting { what, percent: Some(percent) } => format!("{what}: {percent} %"),
        Event::Waiting { what, percent: None } => what.clone(),
        Event::Created { kind, id } => format!("made {} {id}", kind.replace('_', " ")),
        Event::Removed { kind, id } => format!("removed {} {id}", kind.replace('_', " ")),
        Event::Region { region, percent } => format!("{region}: {percent} %"),
        Event::RegionFailed { region, error } => format!("{region}: failed: {error}"),
        Event::Retrying { what, attempt, wait, error } => {
            format!("{what}: {error}; attempt {attempt} in {:.1} s", wait.as_secs_f64())
        }
        Event::Warning { message } => format!("warning: {message}"),
        Event::Unwinding { steps } => format!("cleaning up: {steps} step{}", if *steps == 1 { "" } else { "s" }),
        Event::Undoing { step, steps, what } => format!("cleaning up, {step} of {steps}: {what}"),
        _ => return None,
    })
}

/// Tells every tenth of a transfer.
async fn follow(cloud: CloudName, mut progress: watch::Receiver<Progress>) {
    let mut told = 0;
    loop {
        let now = *progress.borrow_and_update();
        let tenth = (now.done * 10).checked_div(now.total).unwrap_or(10);
        if tenth > told {
            told = tenth;
            let (done, total, sent) = (bytes(now.done), bytes(now.total), bytes(now.sent));
            line(&format!("{cloud:5}  {done} of {total} read, {sent} sent in {} requests", now.requests));
        }
        if progress.changed().await.is_err() {
            return;
        }
    }
}
