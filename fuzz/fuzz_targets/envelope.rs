//! An envelope of a quarantined message.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidegate_fuzz::envelope(data));
