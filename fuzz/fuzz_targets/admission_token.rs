//! Admission tokens, and their keys.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidegate_fuzz::admission_token(data));
