//! Protobuf messages by a descriptor.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidegate_fuzz::payload_protobuf(data));
