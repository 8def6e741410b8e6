//! The kill matrix: a run is cut off at each of its requests, before it is sent, before it is answered and just after that, and
//! then it is run again. Whatever the cell, in the end there is what an undisturbed run leaves, and nothing else, and no more was
//! sent twice than can be on its way at once.

use std::io::Write;

use publisher::Status;
use sandbox::{Cut, Point};

use super::{Subject, difference, let_go};

const POINTS: [Point; 3] = [Point::Before, Point::Sent, Point::Answered];

/// Runs all cells, each on a stage of its own, with the journal of the killed run or without it: on another machine.
///
/// # Panics
/// If a cell ends otherwise than an undisturbed run.
pub async fn run<S: Subject>(what: &str, stage: impl AsyncFn() -> S, keeps_journal: bool) {
    let undisturbed = stage().await;
    assert_eq!(undisturbed.publish().await.status, Status::Published);
    let (wanted, total) = (undisturbed.outcome(), undisturbed.requests());
    let (image, window) = (undisturbed.image_bytes(), undisturbed.window(keeps_journal));
    let (mut table, mut wrong, mut missed) = (String::new(), Vec::new(), 0);
    for point in POINTS {
        let mut row = String::new();
        for request in 1..=total {
            let stage = stage().await;
            let was_cut = is_cut_off(&stage, Cut::at(request, point)).await;
            missed += u64::from(!was_cut);
            let_go(&stage.state_dir(), keeps_journal).await;
            let report = stage.publish().await;
            let (found, status) = (stage.outcome(), report.status);
            let twice = stage.image_bytes().saturating_sub(image);
            let is_well = matches!(status, Status::Published | Status::Unchanged) && found == wanted && twice <= window;
            row.push(match status {
                _ if !is_well => '!',
                _ if !was_cut => '-',
                Status::Unchanged => '=',
                _ => '+',
            });
            if !is_well {
                let differs = difference(&found, &wanted);
                let error = report.error;
                wrong.push(format!("{point:?} {request}: {status:?} {error:?} {differs}, {twice} bytes twice"));
            }
        }
        table += &format!("  {:9} {row}\n", format!("{point:?}"));
    }
    let journal = if keeps_journal { "with its journal" } else { "without its journal" };
    let head = format!("{what}, killed at each of {total} requests and run again {journal}:");
    let key = "+ published, = found as it is, - not reached, ! wrong";
    // Past the harness, which keeps what a test prints to itself.
    let _ = write!(std::io::stderr(), "{head}\n{table}  {key}\n");
    // The last answer is followed by nothing; and a run may make some requests fewer than another.
    assert!(missed <= 3 * 4, "{missed} cells were not reached");
    assert!(wrong.is_empty(), "{} cells of {}:\n{}", wrong.len(), total * 3, wrong.join("\n"));
}

/// Cuts a run off at each of its requests; then another machine publishes, and the killed run is cleaned up after, by its
/// journal: nothing is taken back of what is published.
///
/// # Panics
/// If a cell ends otherwise than an undisturbed run, or leaves something to take back.
pub async fn run_and_clean_up<S: Subject>(stage: impl AsyncFn() -> S) {
    let undisturbed = stage().await;
    assert_eq!(undisturbed.publish().await.status, Status::Published);
    let wanted = undisturbed.outcome();
    for request in 1..=undisturbed.requests() {
        let stage = stage().await;
        is_cut_off(&stage, Cut::at(request, Point::Before)).await;
        let_go(&stage.state_dir(), true).await;
        let (own, kept) = (stage.state_dir(), stage.state_dir().with_extension("kept"));
        // A run that was cut off before its journal was opened has none.
        let has_journal = std::fs::rename(&own, &kept).is_ok();
        let report = stage.publish().await;
        assert!(matches!(report.status, Status::Published | Status::Unchanged), "{request}: {:?}", report.error);
        if has_journal {
            std::fs::remove_dir_all(&own).unwrap();
            std::fs::rename(&kept, &own).unwrap();
        }
        for run in publisher::runs(&own).unwrap() {
            let cleaned = stage.clean_up(&run.run).await;
            assert_eq!(cleaned.left, 0, "{request}");
        }
        let found = stage.outcome();
        assert!(found == wanted, "{request}: {}", difference(&found, &wanted));
    }
}

/// Runs until it is cut off, and whether it was: which requests go beside each other is not the same in every run.
async fn is_cut_off(stage: &impl Subject, cut: Cut) -> bool {
    let reached = stage.sandbox().cut(cut);
    tokio::select! {
        biased;
        Ok(()) = reached => true,
        report = stage.publish() => {
            assert_eq!(report.status, Status::Published, "{:?}", report.error);
            false
        }
    }
}
