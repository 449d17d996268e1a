//! A answer, its header, its claims, or the key set.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidegate_fuzz::answer(data));
