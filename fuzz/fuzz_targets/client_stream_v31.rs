//! A client's stream, MQTT 3.1.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidegate_fuzz::client_stream_v31(data));
