//! The PROXY protocol: what a load balancer says of the client it forwards, before that client's first byte.
//!
//! Both ways: [`read`] what stands in front of a listener has to say, versions 1 and 2; [`write`](write()) them for a
//! broker. Not here: who may say it, and what follows from it (`gateway`). Read [`Addresses`] first.
//!
//! Clauses are of the specification "The PROXY protocol, versions 1 & 2".

mod read;
#[cfg(test)]
mod tests;
mod write;

use std::net::SocketAddr;

pub use read::{MAX_HEADER_BYTES, ProxyError, begins, read};
pub use write::{MAX_WRITTEN_BYTES, TlsFacts, TooLong, write, write_local, write_v1, write_v1_unknown};

/// The two ends of the connection that a header speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// Where the client dialled from.
    pub source: SocketAddr,
    /// What it dialled.
    pub destination: SocketAddr,
}

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// `None` where it names no address (`UNKNOWN`, `LOCAL`, an address family without any): then the connection is its
    /// sender's own, and the socket's addresses stand.
    pub addresses: Option<Addresses>,
}

/// The first bytes of version 1.
const SIGNATURE_V1: &[u8] = b"PROXY ";

/// The first bytes of version 2.
const SIGNATURE_V2: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Bytes of version 2 in front of the addresses.
const FIXED_BYTES: usize = 16;
