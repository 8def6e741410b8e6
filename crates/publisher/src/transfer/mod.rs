//! One engine for every upload: a layout's extents become chunks, and chunks go into a [`Sink`], many at a time.
//!
//! ```text
//! extents ─► plan (reads of bounded size) ─► read, cut out zeros, seal ─► put, retry ─► done
//!                                             on blocking threads          a window of them in flight
//! ```
//!
//! Memory is bounded by the runtime's buffers, whatever the image and however many transfers run. The window grows while
//! the service is healthy and halves when it throttles.

mod engine;
mod plan;
mod progress;
mod sink;
mod window;

pub use engine::run;
pub use progress::Progress;
pub(crate) use progress::Totals;
pub use sink::{Chunk, Cut, Limits, Sink};
