//! A device that signs: reads a payload from standard input and writes the signed message as JSON, as
//! `tidegate verify --message -` reads it. The secrets of a device belong into its key store, not into its source.
//!
//! `echo -n 21.5 | cargo run --example signing -- plant/line1/temperature/temp-7`

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "an example: a panic is its way to fail")]

mod device;

use std::io::Read as _;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::signature::Ed25519KeyPair;
use data_encoding::{BASE64, BASE64URL_NOPAD};
use serde_json::json;

fn main() {
    let topic = std::env::args().nth(1).unwrap_or_else(|| "plant/line1/temperature/temp-7".to_owned());
    let mut payload = Vec::new();
    std::io::stdin().read_to_end(&mut payload).unwrap();

    // The key of RFC 8037, which everybody knows: tests/vectors/signatures/public.json checks it.
    let seed = BASE64URL_NOPAD.decode(b"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
    let key = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let mut nonce = [0; 16];
    aws_lc_rs::rand::fill(&mut nonce).unwrap();

    let properties = device::sign(&key, "ed-1", &topic, &payload, u64::try_from(now).unwrap(), &nonce);
    println!("{}", json!({"topic": topic, "payload": BASE64.encode(&payload), "properties": properties}));
}
