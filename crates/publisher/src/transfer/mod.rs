//! One engine for every upload: a layout's extents become chunks, and chunks go into a [`Sink`], many at a time.
//!
//! ```text
//! extents ─► plan (pieces of bounded size) ─► reader (compare, cut out zeros, seal) ─► engine, line (put, hedge, retry)
//!                                              on threads that drive no connection     a window of them on their way
//!                                                     ▲ buffers: bounded, used again        │
//!                                                     └──────── cost: which zeros to send ◄─┘
//! ```
//!
//! Memory is bounded by the runtime's buffers, whatever the image and however many transfers run. The window grows while
//! the service is healthy and halves when it throttles; a chunk that takes far longer than others is sent once more.

mod buffers;
mod cost;
mod engine;
mod line;
mod plan;
mod progress;
mod reader;
mod sink;
mod window;

pub(crate) use buffers::Buffers;
pub use engine::run;
pub use progress::Progress;
pub(crate) use progress::Totals;
pub use sink::{Chunk, Cut, Limits, Pace, Sink};
