//! A client that is killed at a certain request: the sandbox tells when to, and sees to it that the request has come as far as
//! was asked for.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Deserialize;
use tokio::sync::oneshot;

/// How far the request comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Point {
    /// It has no effect: the client was killed before it was sent.
    Before,
    /// It has its effect, and no answer.
    Sent,
    /// It is answered, and the client does with the answer whatever it does before it asks again: the next request has no
    /// effect.
    Answered,
}

/// At which request a client is to be killed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Cut {
    /// Counted from 1, from now on.
    pub request: u64,
    /// How far it comes.
    pub point: Point,
    /// The operation whose requests count, where not all do.
    #[serde(default)]
    pub operation: Option<String>,
}

impl Cut {
    /// At a request, whatever it asks for.
    #[must_use]
    pub fn at(request: u64, point: Point) -> Self {
        Self { request, point, operation: None }
    }

    /// At the nth request for an operation, which has no effect.
    #[must_use]
    pub fn before(operation: &str, nth: u64) -> Self {
        Self { request: nth, point: Point::Before, operation: Some(operation.to_owned()) }
    }
}

/// The cut that is to come.
#[derive(Debug, Default)]
pub struct Cuts {
    next: Mutex<Option<(Cut, oneshot::Sender<()>)>>,
    /// Where it was set from outside, and nobody waits for it yet.
    told: Mutex<Option<oneshot::Receiver<()>>>,
}

impl Cuts {
    /// Sets the cut, in place of any other. The receiver is told when it is reached.
    pub fn set(&self, cut: Cut) -> oneshot::Receiver<()> {
        let (tell, told) = oneshot::channel();
        *self.lock() = Some((cut, tell));
        told
    }

    /// Sets the cut for whoever asks later, or none; whoever waits for the one before is told that it never comes.
    pub fn set_from_outside(&self, cut: Option<Cut>) {
        *self.lock() = None;
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = cut.map(|cut| self.set(cut));
    }

    /// Waits until the cut that was set from outside is reached; false if there is none.
    pub async fn is_reached(&self) -> bool {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner).take();
        match told {
            Some(told) => told.await.is_ok(),
            None => false,
        }
    }

    /// Counts a request; if the client is to be killed at it, how far it comes, and whom to tell.
    pub fn next(&self, operation: &str) -> Option<(Point, oneshot::Sender<()>)> {
        let mut cut = self.lock();
        let (next, tell) = cut.as_mut()?;
        if next.operation.as_deref().is_some_and(|counted| counted != operation) {
            return None;
        }
        // Whoever wanted it has seen the client end without it.
        if tell.is_closed() {
            *cut = None;
            return None;
        }
        next.request = next.request.saturating_sub(1);
        match (next.request, next.point) {
            (0, Point::Answered) => {
                *next = Cut::at(1, Point::Before);
                None
            }
            (0, _) => cut.take().map(|(cut, tell)| (cut.point, tell)),
            _ => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Cut, oneshot::Sender<()>)>> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
