//! JSON, to its canonical form.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidegate_fuzz::canonical(data));
