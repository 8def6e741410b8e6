use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering},
};

use indicatif::ProgressBar;
use vhd::Progress;

use super::{bars::style, message::line, on_terminal, sizes::bytes};

/// How far a long operation on a file is: a bar on a terminal, a line for each tenth anywhere else. Nothing is shown
/// before there is something to show.
#[derive(Debug)]
pub struct Meter {
    what: String,
    bar: OnceLock<ProgressBar>,
    told: AtomicU64,
}

impl Meter {
    /// A meter for `what`, as in "unpacking disk.vhd.zst".
    pub fn new(what: String) -> Self {
        Self { what, bar: OnceLock::new(), told: AtomicU64::new(0) }
    }

    /// Shows how far it is. Several threads may do so.
    pub fn show(&self, progress: Progress) {
        if on_terminal() {
            self.bar.get_or_init(|| self.start(progress.total)).set_position(progress.done);
            return;
        }
        let tenth = (progress.done * 10).checked_div(progress.total).unwrap_or(10);
        if self.told.fetch_max(tenth, Ordering::Relaxed) < tenth {
            line(&format!("{}: {} of {}", self.what, bytes(progress.done), bytes(progress.total)));
        }
    }

    fn start(&self, total: u64) -> ProgressBar {
        let bar = ProgressBar::new(total);
        bar.set_style(style("{spinner} {msg} {bar:30} {bytes} of {total_bytes}, {binary_bytes_per_sec}, {eta} left"));
        bar.set_message(self.what.clone());
        bar
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.get() {
            bar.finish_and_clear();
        }
    }
}
