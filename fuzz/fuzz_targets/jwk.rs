//! A JWK set, to check with and to sign with.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidegate_fuzz::jwk(data));
