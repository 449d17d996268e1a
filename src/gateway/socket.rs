//! TCP options that both sides set.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::TcpListener;

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
pub(super) fn configure(socket: &impl AsFd, options: &TcpOptions) -> io::Result<()> {
    apply(&SockRef::from(socket), options)
}

fn apply(socket: &Socket, options: &TcpOptions) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(options.keepalive).with_interval(options.keepalive))?;
    socket.set_tcp_user_timeout(Some(options.user_timeout))
}

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4096;

/// Listens on `address`, with options that accepted sockets take over. An IPv6 wildcard takes IPv4 clients too, as the system is set.
///
/// # Errors
/// What the system answers.
pub(super) fn listen(address: SocketAddr, options: &TcpOptions) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    // A restart must not wait for the connections of the last run to time out.
    socket.set_reuse_address(true)?;
    apply(&socket, options)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// A connection that waits to be accepted; the runtime does not know it yet, which costs it nothing.
///
/// # Errors
/// What the system answers; `WouldBlock` where none waits.
pub(super) fn accept_another(listener: &TcpListener) -> io::Result<(std::net::TcpStream, SocketAddr)> {
    let (socket, peer) = SockRef::from(listener).accept()?;
    let peer = peer.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
    Ok((socket.into(), peer))
}

/// Closes a connection on which nothing was said, and leaves nothing of it in the kernel: no wait for the other side's farewell.
pub(super) fn turn_away(stream: impl AsFd) {
    // Refused, it is closed all the same.
    let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    drop(stream);
}

/// Raises the soft limit of open descriptors to the hard one: every connection takes two.
pub(super) fn raise_descriptor_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current < maximum || maximum.is_none() {
        // Refused, the limit stays as it is, and accept waits when it is reached.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn accepted_sockets_take_over_the_options_of_their_listener() {
        let options = TcpOptions { keepalive: Duration::from_secs(77), user_timeout: Duration::from_secs(99) };
        let listener = listen("127.0.0.1:0".parse().unwrap(), &options).unwrap();
        let dialled = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        configure(&dialled, &options).unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        for stream in [&accepted, &dialled] {
            let socket = SockRef::from(stream);
            assert!(socket.tcp_nodelay().unwrap() && socket.keepalive().unwrap());
            assert_eq!(socket.tcp_keepalive_time().unwrap(), options.keepalive);
            assert_eq!(socket.tcp_user_timeout().unwrap(), Some(options.user_timeout));
        }
    }
}
