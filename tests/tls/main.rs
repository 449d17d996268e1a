//! TLS as the gateway speaks it, in memory, with rustls' own buffered connections as the peer.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::string_slice,
    reason = "what is not as it should be ends the test"
)]

#[path = "../support/pki.rs"]
mod pki;

mod bench;
mod handshake;
mod records;
mod settings;
