//! Paths in reports.

use std::path::Path;

use serde::Serializer;

/// A path as text, with a replacement for what is no Unicode: a report that cannot name a file is still a report.
///
/// # Errors
/// The serializer's.
pub fn lossy<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}
