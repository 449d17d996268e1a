//! One client's connection, as light as it can be: a socket from a chosen loopback address, TLS over it, whole frames in.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::support::wire::{self, Connect};

/// Longest that a client waits for what its opening needs.
const OPENING: Duration = Duration::from_secs(20);

pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

pub(crate) struct Line {
    pub(crate) stream: Box<dyn Stream>,
    received: Vec<u8>,
}

/// TCP from that address.
pub(crate) async fn dial(from: Ipv4Addr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_nodelay(true)?;
    socket.bind((from, 0).into())?;
    socket.connect(to).await
}

impl Line {
    pub(crate) fn over(stream: impl Stream + 'static) -> Self {
        Self { stream: Box::new(stream), received: Vec::new() }
    }

    /// TCP, and TLS where there is a configuration.
    pub(crate) async fn dial(from: Ipv4Addr, to: SocketAddr, tls: Option<Arc<ClientConfig>>) -> io::Result<Self> {
        let opening = async {
            let stream = dial(from, to).await?;
            let Some(config) = tls else { return Ok(Self::over(stream)) };
            let name = ServerName::try_from("localhost").expect("a server name");
            Ok(Self::over(TlsConnector::from(config).connect(name, stream).await?))
        };
        timeout(OPENING, opening).await?
    }

    /// The same, CONNECT and the CONNACK that accepts.
    pub(crate) async fn open(
        from: Ipv4Addr,
        to: SocketAddr,
        tls: Option<Arc<ClientConfig>>,
        connect: &Connect,
    ) -> io::Result<Self> {
        let mut line = Self::dial(from, to, tls).await?;
        line.send(&connect.bytes()).await?;
        let connack = line.within(OPENING).await?;
        match (connack.first(), wire::body(&connack).get(1)) {
            (Some(0x20), Some(0)) => Ok(line),
            _ => Err(io::Error::other(format!("refused: {connack:02x?}"))),
        }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// The next whole frame. Dropped while it waits, it has lost nothing.
    pub(crate) async fn frame(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let Some(frame) = wire::take_frame(&mut self.received) {
                return Ok(frame);
            }
            if self.stream.read_buf(&mut self.received).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    pub(crate) async fn within(&mut self, patience: Duration) -> io::Result<Vec<u8>> {
        timeout(patience, self.frame()).await?
    }
}

/// The parts of a PUBLISH of 3.1.1: Topic Name, Packet Identifier at QoS 1 and 2, payload.
pub(crate) fn published(frame: &[u8]) -> (String, u16, Vec<u8>) {
    let body = wire::body(frame);
    let topic_bytes = usize::from(u16::from_be_bytes([body[0], body[1]]));
    let (topic, rest) = body[2..].split_at(topic_bytes);
    let (id, payload) = match frame[0] & 0x06 {
        0 => (0, rest),
        _ => (u16::from_be_bytes([rest[0], rest[1]]), &rest[2..]),
    };
    (String::from_utf8_lossy(topic).into_owned(), id, payload.to_vec())
}
