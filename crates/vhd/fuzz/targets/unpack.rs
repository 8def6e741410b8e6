#![no_main]

use vhd_fuzz::{case, with_bytes};

libfuzzer_sys::fuzz_target!(|input: &[u8]| with_bytes(input, case::open));
