use std::sync::Mutex;

use crate::TransferReport;

/// How far a transfer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the layout that hold data or may do so.
    pub total: u64,
    /// Bytes of those that are dealt with, sent or found to be zeros.
    pub done: u64,
    /// Bytes sent.
    pub sent: u64,
    /// Requests that succeeded.
    pub requests: u64,
}

/// What all transfers of a run add up to.
#[derive(Debug, Default)]
pub(crate) struct Totals(Mutex<TransferReport>);

impl Totals {
    pub fn add(&self, more: &TransferReport) {
        let mut sum = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        sum.bytes_sent += more.bytes_sent;
        sum.bytes_skipped += more.bytes_skipped;
        sum.requests += more.requests;
        sum.retries += more.retries;
        sum.seconds += more.seconds;
    }

    pub fn report(&self) -> TransferReport {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
