//! Faults on request: the nth call of an operation goes wrong in one of the ways in which calls go wrong.

use std::{collections::BTreeMap, str::FromStr, sync::Mutex};

use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::sync::Notify;

/// In which way a call goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The service asks for fewer requests, and to wait for a second.
    Throttle,
    /// The service asks for fewer requests, and does not say when.
    Busy,
    /// The service fails, and nothing happened.
    ServerError,
    /// The connection breaks before the request has an effect.
    ResetBefore,
    /// The connection breaks after the request had its effect.
    ResetAfter,
    /// No answer ever comes, and nothing happens.
    Stall,
    /// A byte of the body is flipped on its way.
    Corrupt,
    /// The service says that it has what it was sent, and has lost it.
    Lose,
    /// The identity may not do this.
    Deny,
    /// The service does not know yet what it has just made.
    Forget,
    /// Every access to a disk, or every token, that was given out so far is no longer valid.
    Expire,
    /// Nothing goes wrong, but the calls that the rule is for are answered only when all of them are there: it takes a
    /// client that sends so many at once.
    Gather,
}

/// A rule: `times` calls of `operation`, from the `nth` on (1 is the next), go wrong.
#[derive(Clone, Debug, Deserialize)]
pub struct Fault {
    /// The operation's name, such as `PutPage` or `ec2:CopyImage`; `*` is every one.
    pub operation: String,
    /// Which call is the first to go wrong.
    #[serde(default = "one")]
    pub nth: u32,
    /// How many go wrong.
    #[serde(default = "one")]
    pub times: u32,
    /// Only one in so many of these calls goes wrong.
    #[serde(default = "one")]
    pub every: u32,
    /// How.
    pub kind: FaultKind,
    /// Only in this region of AWS.
    #[serde(default)]
    pub region: Option<String>,
    /// How many calls have been let through since the last that went wrong.
    #[serde(skip)]
    spared: u32,
}

fn one() -> u32 {
    1
}

impl FromStr for Fault {
    type Err = serde_json::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        serde_json::from_str(text)
    }
}

/// Faults by chance: a share of all requests, each in one of the ways in which any request may go wrong. The same seed gives the
/// nth request of an operation the same fate, whatever goes beside it.
#[derive(Debug)]
struct Chaos {
    seed: u64,
    share: f64,
    asked: BTreeMap<String, u64>,
    hits: u64,
}

/// The ways in which a request goes wrong by chance: those in which the client can tell that it did.
const BY_CHANCE: [FaultKind; 8] = [
    FaultKind::Throttle,
    FaultKind::ServerError,
    FaultKind::ResetBefore,
    FaultKind::ResetAfter,
    FaultKind::Stall,
    FaultKind::Corrupt,
    FaultKind::Forget,
    FaultKind::Expire,
];
/// One in so many of the faults is a refusal.
const DENIALS: u64 = 50;

impl Chaos {
    fn next(&mut self, operation: &str) -> Option<FaultKind> {
        let asked = self.asked.entry(operation.to_owned()).or_default();
        *asked += 1;
        let mut hash = Sha256::new();
        hash.update(self.seed.to_le_bytes());
        hash.update(asked.to_le_bytes());
        hash.update(operation);
        let hash = hash.finalize();
        let word = |at: usize| u64::from(u32::from_le_bytes([hash[at], hash[at + 1], hash[at + 2], hash[at + 3]]));
        if word(0) as f64 >= self.share * f64::from(u32::MAX) {
            return None;
        }
        self.hits += 1;
        let by_chance = BY_CHANCE[word(4) as usize % BY_CHANCE.len()];
        Some(if word(8).is_multiple_of(DENIALS) { FaultKind::Deny } else { by_chance })
    }
}

/// The rules in force.
#[derive(Debug, Default)]
pub struct Faults {
    rules: Mutex<Vec<Fault>>,
    chaos: Mutex<Option<Chaos>>,
    /// Told when a rule has been used up.
    used_up: Notify,
}

impl Faults {
    pub fn add(&self, fault: Fault) {
        self.lock().push(fault);
    }

    /// Has a share of all requests go wrong from now on.
    pub fn add_chaos(&self, seed: u64, share: f64) {
        *self.chaos() = Some(Chaos { seed, share, asked: BTreeMap::new(), hits: 0 });
    }

    /// Ends that; how many requests went wrong.
    pub fn clear_chaos(&self) -> u64 {
        self.chaos().take().map_or(0, |chaos| chaos.hits)
    }

    /// What is to go wrong with a request: by rule, or by chance.
    pub fn next_request(&self, operation: &str, region: Option<&str>) -> Option<FaultKind> {
        self.next(operation, region).or_else(|| self.chaos().as_mut()?.next(operation))
    }

    fn chaos(&self) -> std::sync::MutexGuard<'_, Option<Chaos>> {
        self.chaos.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub fn clear(&self) {
        self.lock().clear();
        self.used_up.notify_waiters();
    }

    /// What is to go wrong with this call, which counts as one for every rule that names it.
    pub fn next(&self, operation: &str, region: Option<&str>) -> Option<FaultKind> {
        let mut rules = self.lock();
        let mut hit = None;
        for rule in rules.iter_mut() {
            let elsewhere = rule.region.as_deref().is_some_and(|only| Some(only) != region);
            if elsewhere || (rule.operation != "*" && rule.operation != operation) {
                continue;
            }
            if rule.nth > 1 {
                rule.nth -= 1;
            } else if rule.spared + 1 < rule.every {
                rule.spared += 1;
            } else if rule.times > 0 && hit.is_none() {
                rule.spared = 0;
                rule.times -= 1;
                hit = Some(rule.kind);
            }
        }
        let before = rules.len();
        rules.retain(|rule| rule.times > 0);
        if rules.len() < before {
            self.used_up.notify_waiters();
        }
        hit
    }

    /// Waits until no rule gathers calls of `operation` any more.
    pub async fn gathered(&self, operation: &str) {
        let gathers = |rule: &Fault| rule.kind == FaultKind::Gather && rule.operation == operation;
        loop {
            let used_up = self.used_up.notified();
            if !self.lock().iter().any(gathers) {
                return;
            }
            used_up.await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Fault>> {
        self.rules.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_counts_the_calls_it_names() {
        let faults = Faults::default();
        faults.add(r#"{"operation": "PutPage", "nth": 2, "times": 2, "kind": "throttle"}"#.parse().unwrap());
        let next = |operation| faults.next(operation, None);
        assert_eq!(next("PutPage"), None);
        assert_eq!(next("CreateDisk"), None);
        assert_eq!(next("PutPage"), Some(FaultKind::Throttle));
        assert_eq!(next("PutPage"), Some(FaultKind::Throttle));
        assert_eq!(next("PutPage"), None);
    }

    #[test]
    fn a_rule_may_spare_most_calls() {
        let faults = Faults::default();
        faults.add(r#"{"operation": "PutPage", "every": 3, "times": 2, "kind": "throttle"}"#.parse().unwrap());
        let hits: Vec<_> = (1..10).filter(|_| faults.next("PutPage", None).is_some()).collect();
        assert_eq!(hits, [3, 6]);
    }

    #[test]
    fn chance_is_the_same_for_the_same_seed_and_hits_its_share() {
        let fate = |seed| {
            let faults = Faults::default();
            faults.add_chaos(seed, 0.05);
            let fate: Vec<_> = (0..2000).map(|_| faults.next_request("PutPage", None)).collect();
            (fate, faults.clear_chaos())
        };
        let (one, hits) = fate(7);
        assert!((60..140).contains(&hits), "{hits}");
        assert_eq!(one, fate(7).0);
        assert_ne!(one, fate(8).0);
    }

    #[test]
    fn a_rule_may_be_for_one_region() {
        let faults = Faults::default();
        faults.add(r#"{"operation": "*", "region": "eu-west-1", "kind": "deny"}"#.parse().unwrap());
        assert_eq!(faults.next("ec2:CopyImage", Some("us-east-1")), None);
        assert_eq!(faults.next("ec2:CopyImage", Some("eu-west-1")), Some(FaultKind::Deny));
    }
}
