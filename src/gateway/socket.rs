//! TCP options that both sides set.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream};

/// How a dead peer is found out when MQTT is silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TcpOptions {
    /// Silence before the first probe, and between probes.
    pub(super) keepalive: Duration,
    /// How long sent bytes may stay unacknowledged.
    pub(super) user_timeout: Duration,
}

/// Sets TCP_NODELAY, keepalive and user timeout.
///
/// # Errors
/// What the system answers; the socket is not usable then.
pub(super) fn configure(stream: &TcpStream, options: &TcpOptions) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(options.keepalive).with_interval(options.keepalive))?;
    socket.set_tcp_user_timeout(Some(options.user_timeout))
}

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4096;

/// Listens on `address`. An IPv6 wildcard takes IPv4 clients too, as the system is set.
///
/// # Errors
/// What the system answers.
pub(super) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    // A restart must not wait for the connections of the last run to time out.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Raises the soft limit of open descriptors to the hard one: every connection takes two.
pub(super) fn raise_descriptor_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current < maximum || maximum.is_none() {
        // Refused, the limit stays as it is, and accept waits when it is reached.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    }
}
