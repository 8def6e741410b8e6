//! Many runs in which requests go wrong by chance: a twentieth of them. All end as they should.

use std::{collections::BTreeMap, io::Write};

use publisher::Status;

use super::{DEADLINE, Subject, difference};

/// The variable that says how many runs there are, and the one for the seed of the first.
const RUNS: &str = "PUBLISH_CHAOS_RUNS";
const SEED: &str = "PUBLISH_CHAOS_SEED";

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Runs as often as the environment says, or `default` times, each on a stage of its own and with a seed of its own.
///
/// # Panics
/// If a run ends otherwise; its seed is named.
pub async fn run<S: Subject>(what: &str, default: u64, stage: impl AsyncFn() -> S) {
    let undisturbed = stage().await;
    let nothing = undisturbed.left();
    assert_eq!(undisturbed.publish().await.status, Status::Published);
    let wanted = undisturbed.outcome();
    let first = number(SEED, 1);
    let (mut endings, mut faults) = (BTreeMap::<String, u64>::new(), 0);
    for seed in first..first + number(RUNS, default) {
        let stage = stage().await;
        fastrand::seed(seed);
        stage.sandbox().add_chaos(seed, 0.05);
        let run = tokio::time::timeout(DEADLINE, stage.publish()).await;
        let report = run.unwrap_or_else(|_| panic!("seed {seed} hangs"));
        faults += stage.sandbox().clear_chaos();
        let (found, due) = (stage.outcome(), stage.due());
        let differs = || difference(&found, &wanted);
        let ending = match (report.status, &report.error) {
            (Status::Published, _) => {
                assert!(found == wanted || due > 0, "seed {seed}: published, {}", differs());
                "published".to_owned()
            }
            (Status::Partial, _) => "partial".to_owned(),
            (Status::Failed, None) => "failed in all regions".to_owned(),
            (Status::Failed, Some(error)) => {
                let is_clean = stage.left() == nothing || !report.resources.is_empty() || due > 0;
                assert!(is_clean, "seed {seed}: {error:?}, left {}", difference(&stage.left(), &nothing));
                format!("failed, {:?}", error.kind)
            }
            other => panic!("seed {seed}: {other:?}"),
        };
        *endings.entry(ending).or_default() += 1;
        let again = tokio::time::timeout(DEADLINE, stage.publish()).await;
        let again = again.unwrap_or_else(|_| panic!("seed {seed}: the run after it hangs"));
        let is_well = matches!(again.status, Status::Published | Status::Unchanged);
        assert!(is_well, "seed {seed}: the run after it: {:?} {:?}", again.error, again.regions);
        let (found, due) = (stage.outcome(), stage.due());
        assert!(found == wanted, "seed {seed}: in the end {}", difference(&found, &wanted));
        assert_eq!(due, 0, "seed {seed}");
    }
    // Past the harness, which keeps what a test prints to itself.
    let _ = writeln!(std::io::stderr(), "{what}, from seed {first}: {faults} faults; {endings:?}");
}
