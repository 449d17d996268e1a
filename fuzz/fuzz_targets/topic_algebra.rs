//! Topic Filters against naive models.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidegate_fuzz::topic_algebra(data));
