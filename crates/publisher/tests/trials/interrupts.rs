//! The user ends a run at each of its requests: what it has begun is taken back, and nothing is left to be.

use publisher::{Kind, Status};
use sandbox::{Cut, Point};

use super::{DEADLINE, Subject, difference};

/// Runs all cells, each on a stage of its own.
///
/// # Panics
/// If a cell leaves something, or hangs.
pub async fn run<S: Subject>(stage: impl AsyncFn() -> S) {
    let undisturbed = stage().await;
    let nothing = undisturbed.left();
    assert_eq!(undisturbed.publish().await.status, Status::Published);
    let wanted = undisturbed.outcome();
    let mut interrupted = 0;
    for (request, point) in (1..=undisturbed.requests()).flat_map(|k| [(k, Point::Before), (k, Point::Sent)]) {
        let stage = stage().await;
        let runtime = stage.runtime();
        let reached = stage.sandbox().cut(Cut::at(request, point));
        let cancel = runtime.cancel.clone();
        let interrupt = async move {
            if reached.await.is_ok() {
                cancel.cancel();
            }
        };
        let run = async {
            let report = stage.publish_by(&runtime).await;
            // Whoever still waits for the cut is told that it never comes.
            drop(stage.sandbox().cut(Cut::at(u64::MAX, point)));
            report
        };
        let both = async { tokio::join!(run, interrupt).0 };
        let report = tokio::time::timeout(DEADLINE, both).await.expect("it hangs");
        let what = format!("{point:?} {request}: {:?} {:?}", report.status, report.error);
        match report.status {
            Status::Interrupted => {
                interrupted += 1;
                assert_eq!(report.error.as_ref().unwrap().kind, Kind::Cancelled, "{what}");
            }
            // It was over in that moment.
            Status::Published => assert!(stage.outcome() == wanted, "{what}"),
            _ => panic!("{what}"),
        }
        assert_eq!(stage.due(), 0, "{what}");
        let found = stage.left();
        // What is registered is the user's, and goes on in the cloud; a run that comes after it finds it.
        if report.resources.is_empty() {
            assert!(found == nothing, "{what}: {}", difference(&found, &nothing));
        }
        let again = stage.publish().await;
        assert!(matches!(again.status, Status::Published | Status::Unchanged), "{what}, then {:?}", again.error);
        let found = stage.outcome();
        assert!(found == wanted, "{what}, then {}", difference(&found, &wanted));
    }
    let cells = 2 * undisturbed.requests();
    assert!(interrupted > cells / 2, "only {interrupted} of {cells} were interrupted");
}
