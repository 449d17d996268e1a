//! A client's stream, MQTT 5.0.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidegate_fuzz::client_stream_v50(data));
