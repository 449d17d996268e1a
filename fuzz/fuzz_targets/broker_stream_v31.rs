//! A broker's stream, MQTT 3.1.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidegate_fuzz::broker_stream_v31(data));
