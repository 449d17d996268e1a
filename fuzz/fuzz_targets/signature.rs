//! A message that may be signed, by any carrier.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidegate_fuzz::signature(data));
