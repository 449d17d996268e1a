//! Policies out of lines of text, and what they decide.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidegate_fuzz::policy(data));
