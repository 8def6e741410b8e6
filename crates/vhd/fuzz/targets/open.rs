#![no_main]

use vhd_fuzz::{case, with_file};

libfuzzer_sys::fuzz_target!(|input: &[u8]| with_file(input, case::open));
