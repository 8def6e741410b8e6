//! What was asked of the sandbox: how often, how much, and whether with the checksums that belong to it.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use serde::Serialize;

use crate::{message::Call, server::Route};

/// What was asked of the sandbox, by operation.
#[derive(Debug, Default)]
pub struct Traffic(Mutex<BTreeMap<String, Count>>);

/// What was asked of one operation.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Count {
    pub requests: u64,
    /// Whether the operation changes anything.
    pub mutates: bool,
    /// Bytes in bodies.
    pub bytes: u64,
    /// Bodies of image data that were nothing but zeros.
    pub zero_bodies: u64,
    /// Pages of 4 KiB of zeros in image data.
    pub zero_pages: u64,
    /// Bodies of image data without a checksum.
    pub unsealed: u64,
    /// Blocks of an imported dynamic VHD that are stored and hold nothing but zeros.
    pub zero_blocks: u64,
}

/// Headers with which a body's checksum comes.
const CHECKSUMS: [&str; 6] = [
    "content-md5",
    "x-ms-content-crc64",
    "x-amz-checksum",
    "x-amz-checksum-crc64nvme",
    "x-amz-checksum-sha256",
    "x-amz-trailer",
];

impl Traffic {
    /// Counts a call.
    pub fn note(&self, route: &Route, call: &Call) {
        let body = &call.body;
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(route.operation.clone()).or_default();
        count.requests += 1;
        count.mutates = route.mutates;
        count.bytes += call.length;
        if route.carries_image {
            count.unsealed += u64::from(!CHECKSUMS.iter().any(|name| call.header(name).is_some()));
        }
        // Of what was thrown away nothing is known.
        if route.carries_image && !call.is_discarded() {
            count.zero_bodies += u64::from(vhd::zero::is_zero(body));
            count.zero_pages +=
                body.as_chunks::<4096>().0.iter().filter(|page| vhd::zero::is_zero(*page)).count() as u64;
        }
    }

    /// Counts stored blocks of zeros in what `operation` was given.
    pub fn note_zero_blocks(&self, operation: &str, blocks: u64) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.entry(operation.to_owned()).or_default().zero_blocks += blocks;
    }

    pub fn snapshot(&self) -> BTreeMap<String, Count> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
