//! What is accepted as MQTT 3.1.1, mqttrs reads alike.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidegate_fuzz::oracle_v311(data));
