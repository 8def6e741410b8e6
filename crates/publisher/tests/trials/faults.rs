//! The fault matrix: every operation of a run goes wrong in every way, once and for ever. Either the run succeeds all the same, or
//! it fails with what sort of failure it is and the next thing to do; then nothing is left, or the journal knows of it, and the
//! next run ends well.

use std::io::Write;

use publisher::{Kind, Status};
use serde_json::json;

use super::{CARRIERS, DEADLINE, Subject, difference};

/// Ways in which any request can go wrong.
const KINDS: [&str; 9] =
    ["throttle", "server_error", "reset_before", "reset_after", "stall", "corrupt", "deny", "forget", "expire"];
/// How often: once, and for ever.
const TIMES: [u32; 2] = [1, 1_000_000];

/// Runs all cells, each on a stage of its own.
///
/// # Panics
/// If a cell ends otherwise, or hangs.
pub async fn run<S: Subject>(what: &str, stage: impl AsyncFn() -> S) {
    let undisturbed = stage().await;
    let nothing = undisturbed.left();
    assert_eq!(undisturbed.publish().await.status, Status::Published);
    let wanted = undisturbed.outcome();
    let traffic = undisturbed.sandbox().state()["traffic"].clone();
    let (mut table, mut wrong) = (String::new(), Vec::new());
    for operation in traffic.as_object().unwrap().keys() {
        let mut row = String::new();
        let loses = CARRIERS.contains(&operation.as_str()).then_some("lose");
        for (kind, times) in KINDS.into_iter().chain(loses).flat_map(|kind| TIMES.map(|times| (kind, times))) {
            let stage = stage().await;
            let rule = json!({"operation": operation, "kind": kind, "times": times});
            stage.sandbox().add_fault(serde_json::from_value(rule).unwrap());
            let ended = cell(&stage, &nothing, &wanted).await;
            row.push(ended.as_ref().copied().unwrap_or('!'));
            if let Err(why) = ended {
                wrong.push(format!("{operation} {kind} {times}: {why}"));
            }
        }
        table += &format!("  {operation:34} {row}\n");
    }
    let head =
        format!("{what}, each operation with each of {KINDS:?} (and lost, where it carries image), once and for ever:");
    let key = "+ published, x failed and nothing left, j failed and the journal knows what is left, ! wrong";
    // Past the harness, which keeps what a test prints to itself.
    let _ = write!(std::io::stderr(), "{head}\n{table}  {key}\n");
    assert!(wrong.is_empty(), "{} cells:\n{}", wrong.len(), wrong.join("\n"));
}

/// How a cell has ended, or what is wrong with that.
async fn cell(stage: &impl Subject, nothing: &serde_json::Value, wanted: &serde_json::Value) -> Result<char, String> {
    let run = tokio::time::timeout(DEADLINE, stage.publish()).await;
    let report = run.map_err(|_| "it hangs".to_owned())?;
    let (found, due) = (stage.outcome(), stage.due());
    let ended = match (report.status, &report.error) {
        (Status::Published, None) if found == *wanted => '+',
        (Status::Published, None) if due > 0 => 'j',
        // A region, or what comes after it, failed: what is registered stays.
        (Status::Partial, None) => 'x',
        (Status::Failed, None) if report.regions.iter().any(|region| region.error.is_some()) => 'x',
        (Status::Failed, Some(error)) => {
            if error.hint.is_none() {
                return Err(format!("no hint: {error:?}"));
            }
            if matches!(error.kind, Kind::Local | Kind::Cancelled) {
                return Err(format!("misclassified: {error:?}"));
            }
            match due {
                0 if stage.left() == *nothing || !report.resources.is_empty() => 'x',
                0 => return Err(format!("left: {} after {error:?}", difference(&stage.left(), nothing))),
                _ => 'j',
            }
        }
        (status, error) => return Err(format!("{status:?} {error:?} {}", difference(&found, wanted))),
    };
    stage.sandbox().clear_faults();
    let again = tokio::time::timeout(DEADLINE, stage.publish()).await.map_err(|_| "the next run hangs".to_owned())?;
    let (found, due) = (stage.outcome(), stage.due());
    if !matches!(again.status, Status::Published | Status::Unchanged) || found != *wanted || due > 0 {
        let differs = difference(&found, wanted);
        return Err(format!("then {:?} {:?} {differs}, {due} due", again.status, again.error));
    }
    Ok(ended)
}
