//! One file for each format that is read: from a file's bytes to a [`Map`](crate::map::Map).

pub mod dynamic;
pub mod fixed;
pub mod raw;
