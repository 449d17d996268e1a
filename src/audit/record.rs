//! What each record holds. Pure: the time comes in, a line comes out.

use std::net::SocketAddr;
use std::time::SystemTime;

use super::line::{Line, Record};

/// The gateway starts; the first record of each run.
pub fn started(time: SystemTime) -> Record {
    let mut line = Line::new(time, "started");
    line.text("program", env!("CARGO_PKG_VERSION"));
    line.finish()
}

/// The gateway ends in good order; the last record of such a run.
pub fn stopped(time: SystemTime) -> Record {
    Line::new(time, "stopped").finish()
}

/// A connection was refused at accept, before anything of it was read.
pub fn not_accepted(listener: &str, peer: SocketAddr, reason: &'static str, time: SystemTime) -> Record {
    before_identity("not_accepted", None, listener, peer, reason, time)
}

/// A TLS (or WebSocket) handshake failed or took too long.
pub fn handshake_failed(
    connection: u64,
    listener: &str,
    peer: SocketAddr,
    reason: &'static str,
    time: SystemTime,
) -> Record {
    before_identity("handshake_failed", Some(connection), listener, peer, reason, time)
}

fn before_identity(
    event: &'static str,
    connection: Option<u64>,
    listener: &str,
    peer: SocketAddr,
    reason: &'static str,
    time: SystemTime,
) -> Record {
    let mut line = Line::new(time, event);
    line.number("connection", connection);
    line.text("listener", listener);
    line.display("peer", peer);
    line.text("reason", reason);
    line.finish()
}
