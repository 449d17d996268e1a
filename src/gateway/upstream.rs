//! The far side: one connection to the broker for each client, over TCP or TLS, with failover between its servers.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{timeout, timeout_at};

use super::admin::Reachability;
use super::far::{Call, Far};
use super::socket::{self, TcpOptions};
use super::transport::{Input, Transport, TransportError};
use crate::metrics::{Open, ServerMetrics};
use crate::tls::session::{Session, SessionError};

/// The least time that one server gets before the next is tried, while there is any left.
const SERVER_SHARE: Duration = Duration::from_secs(1);

/// Addresses of one name that are tried.
const MAX_ADDRESSES: usize = 8;

/// A broker as the gateway dials it.
pub(super) struct Upstream {
    pub(super) name: Arc<str>,
    pub(super) servers: Vec<Server>,
    pub(super) tls: Option<Arc<ClientConfig>>,
    pub(super) far: Far,
    pub(super) tcp: TcpOptions,
    /// Where the last dial succeeded: the next begins there.
    pub(super) preferred: AtomicUsize,
}

/// One server of a broker.
pub(super) struct Server {
    /// `host:port`.
    pub(super) address: String,
    /// Whose certificate TLS asks for.
    pub(super) name: Option<ServerName<'static>>,
    pub(super) metrics: Arc<ServerMetrics>,
    pub(super) reachability: Option<Reachability>,
    /// The last dial failed, and the log says so.
    pub(super) lost: AtomicBool,
}

/// A connection to a broker, ready for its CONNECT.
pub(super) struct Dialled {
    pub(super) transport: Transport,
    pub(super) metrics: Arc<ServerMetrics>,
    pub(super) open: Open,
}

/// Why one server could not be reached.
#[derive(Debug, thiserror::Error)]
pub(super) enum DialError {
    #[error("no server answered in time")]
    Timeout,
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("the server closed during the handshake")]
    Closed,
    #[error("TLS failed")]
    Tls(#[from] SessionError),
}

impl DialError {
    /// A short stable name, for records and metrics.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Io(error) if error.kind() == io::ErrorKind::TimedOut => "timeout",
            Self::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused => "connection_refused",
            Self::Io(_) => "io",
            Self::Closed => "closed",
            Self::Tls(error) => error.failure().label(),
        }
    }
}

impl From<TransportError> for DialError {
    fn from(error: TransportError) -> Self {
        match error {
            TransportError::Io(error) => Self::Io(error),
            TransportError::Tls(error) => Self::Tls(error),
            // INVARIANT: no transport towards a broker has a WebSocket.
            TransportError::WebSocket(_) => Self::Closed,
        }
    }
}

impl Server {
    fn reached(&self, broker: &str) -> Open {
        if self.lost.swap(false, Ordering::Relaxed) {
            tracing::info!(broker, server = %self.address, "the broker is reached again");
        }
        if let Some(reachability) = &self.reachability {
            reachability.up();
        }
        self.metrics.dialled()
    }

    /// Said once, until a dial succeeds: each client that dials meanwhile has its line in the audit file.
    fn failed(&self, broker: &str, error: &DialError) {
        let reason = error.label();
        if self.lost.swap(true, Ordering::Relaxed) {
            tracing::debug!(broker, server = %self.address, reason, %error, "dial failed again");
        } else {
            tracing::warn!(broker, server = %self.address, reason, %error, "can't reach the broker");
        }
        if let Some(reachability) = &self.reachability {
            reachability.down(Instant::now());
        }
        self.metrics.dial_failed(reason);
    }
}

impl Upstream {
    /// The address of the server that the next dial begins with.
    pub(super) fn preferred(&self) -> Option<&str> {
        self.servers.get(self.preferred.load(Ordering::Relaxed)).map(|server| server.address.as_str())
    }

    /// Whether the last dial of this server failed.
    pub(super) fn has_lost(&self, address: &str) -> bool {
        self.servers.iter().any(|server| server.address == address && server.lost.load(Ordering::Relaxed))
    }

    /// Dials the servers in turn, the last good one first, all within `within`.
    ///
    /// # Errors
    /// What the last server tried failed of.
    pub(super) async fn dial(&self, within: Duration, call: &Call) -> Result<Dialled, DialError> {
        let deadline = Instant::now() + within;
        let first = self.preferred.load(Ordering::Relaxed);
        let mut failure = DialError::Timeout;
        for tried in 0..self.servers.len() {
            let index = (first + tried) % self.servers.len();
            let Some(server) = self.servers.get(index) else { break };
            let now = Instant::now();
            if now >= deadline {
                break;
            }
            let left = u32::try_from(self.servers.len() - tried).unwrap_or(u32::MAX);
            let share = ((deadline - now) / left).max(SERVER_SHARE).min(deadline - now);
            let outcome = timeout_at((now + share).into(), self.connect(server, now + share, call)).await;
            match outcome.unwrap_or(Err(DialError::Timeout)) {
                Ok(transport) => {
                    self.preferred.store(index, Ordering::Relaxed);
                    let open = server.reached(&self.name);
                    return Ok(Dialled { transport, metrics: Arc::clone(&server.metrics), open });
                }
                Err(error) => {
                    server.failed(&self.name, &error);
                    failure = error;
                }
            }
        }
        Err(failure)
    }

    async fn connect(&self, server: &Server, deadline: Instant, call: &Call) -> Result<Transport, DialError> {
        let tls = call.tls.as_ref().or(self.tls.as_ref()).zip(server.name.as_ref());
        connect(&server.address, tls, &self.tcp, &call.header, deadline).await
    }
}

/// Connects to one server: TCP, what stands in front of everything, TLS.
///
/// # Errors
/// What it failed of.
pub(super) async fn connect(
    address: &str,
    tls: Option<(&Arc<ClientConfig>, &ServerName<'static>)>,
    tcp: &TcpOptions,
    header: &[u8],
    deadline: Instant,
) -> Result<Transport, DialError> {
    let addresses: Vec<_> = lookup_host(address).await?.take(MAX_ADDRESSES).collect();
    let mut stream = connect_any(&addresses, deadline).await?;
    socket::configure(&stream, tcp)?;
    // The first bytes of a new socket have room for it: it goes in one segment.
    stream.write_all(header).await?;
    let Some((config, name)) = tls else { return Ok(Transport::new(stream, None, None)) };
    let session = Session::client(Arc::clone(config), name.clone()).map_err(SessionError::from)?;
    let mut transport = Transport::new(stream, Some(session), None);
    transport.start_handshake().await?;
    let mut early = Vec::new();
    while transport.is_handshaking() {
        if transport.read_into(&mut early).await? == Input::End {
            return Err(DialError::Closed);
        }
    }
    // A Server says nothing before it has a CONNECT ([MQTT-3.1.0-1]): bytes now are not MQTT.
    if early.is_empty() { Ok(transport) } else { Err(DialError::Closed) }
}

/// Connects to the first of a name's addresses that answers. Each has its part of the time, so that one which says nothing
/// leaves some to the next.
pub(super) async fn connect_any(addresses: &[SocketAddr], deadline: Instant) -> io::Result<TcpStream> {
    let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for (left, address) in (1..=addresses.len()).rev().zip(addresses) {
        let time = deadline.saturating_duration_since(Instant::now());
        let share = time / u32::try_from(left).unwrap_or(u32::MAX);
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => failure = error,
            Err(_) => failure = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(failure)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use socket2::{Domain, Socket, Type};

    use super::*;

    /// Listens and never answers: its queue is full.
    struct Hole {
        socket: Socket,
        _queued: Vec<TcpStream>,
    }

    impl Hole {
        async fn dig() -> Self {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
            socket.listen(0).unwrap();
            let address = socket.local_addr().unwrap().as_socket().unwrap();
            let mut queued = Vec::new();
            while let Ok(Ok(stream)) = timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
                queued.push(stream);
            }
            Self { socket, _queued: queued }
        }

        fn address(&self) -> SocketAddr {
            self.socket.local_addr().unwrap().as_socket().unwrap()
        }
    }

    #[tokio::test]
    async fn an_address_that_says_nothing_leaves_time_for_the_next() {
        let hole = Hole::dig().await;
        let good = TcpListener::bind("127.0.0.1:0").unwrap();
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let within = |time: u64| Instant::now() + Duration::from_millis(time);
        let addresses = [hole.address(), closed, good.local_addr().unwrap()];
        assert!(connect_any(&addresses, within(2000)).await.is_ok());
        let error = connect_any(&[closed, hole.address()], within(200)).await.unwrap_err();
        assert_eq!(DialError::Io(error).label(), "timeout");
        let error = connect_any(&[closed], within(200)).await.unwrap_err();
        assert_eq!(DialError::Io(error).label(), "connection_refused");
        assert!(connect_any(&[], within(200)).await.is_err());
    }
}
