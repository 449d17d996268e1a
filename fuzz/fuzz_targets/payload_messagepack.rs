//! MessagePack payloads.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidegate_fuzz::payload_messagepack(data));
