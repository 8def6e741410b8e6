//! A client that is killed at a certain request: the sandbox tells when to, and sees to it that the request has come as far as
//! was asked for.

use std::sync::{Mutex, PoisonError};

use tokio::sync::oneshot;

/// How far the request comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// It has no effect: the client was killed before it was sent.
    Before,
    /// It has its effect, and no answer.
    Sent,
    /// It is answered.
    Answered,
}

/// At which request a client is to be killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Counted from 1, from now on.
    pub request: u64,
    /// How far it comes.
    pub point: Point,
}

/// The cut that is to come.
#[derive(Debug, Default)]
pub struct Cuts(Mutex<Option<(Cut, oneshot::Sender<()>)>>);

impl Cuts {
    /// Sets the cut, in place of any other. The receiver is told when it is reached.
    pub fn set(&self, cut: Cut) -> oneshot::Receiver<()> {
        let (tell, told) = oneshot::channel();
        *self.lock() = Some((cut, tell));
        told
    }

    /// Counts a request; if the client is to be killed at it, how far it comes, and whom to tell.
    pub fn next(&self) -> Option<(Point, oneshot::Sender<()>)> {
        let mut cut = self.lock();
        let (next, _) = cut.as_mut()?;
        next.request = next.request.saturating_sub(1);
        if next.request > 0 {
            return None;
        }
        cut.take().map(|(cut, tell)| (cut.point, tell))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(Cut, oneshot::Sender<()>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
