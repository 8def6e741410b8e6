//! Faults on request: the nth call of an operation goes wrong in one of the ways in which calls go wrong.

use std::{str::FromStr, sync::Mutex};

use serde::Deserialize;
use tokio::sync::Notify;

/// In which way a call goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The service asks for fewer requests, and to wait for a second.
    Throttle,
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
    /// How.
    pub kind: FaultKind,
    /// Only in this region of AWS.
    #[serde(default)]
    pub region: Option<String>,
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

/// The rules in force.
#[derive(Debug, Default)]
pub struct Faults {
    rules: Mutex<Vec<Fault>>,
    /// Told when a rule has been used up.
    used_up: Notify,
}

impl Faults {
    pub fn add(&self, fault: Fault) {
        self.lock().push(fault);
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
            } else if rule.times > 0 && hit.is_none() {
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
    fn a_rule_may_be_for_one_region() {
        let faults = Faults::default();
        faults.add(r#"{"operation": "*", "region": "eu-west-1", "kind": "deny"}"#.parse().unwrap());
        assert_eq!(faults.next("ec2:CopyImage", Some("us-east-1")), None);
        assert_eq!(faults.next("ec2:CopyImage", Some("eu-west-1")), Some(FaultKind::Deny));
    }
}
