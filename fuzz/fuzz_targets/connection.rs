//! The state machine, both peers' bytes in pieces.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidegate_fuzz::connection(data));
