//! A client that speaks bytes: sends exactly what it is given, in the pieces it is given, and keeps what comes back.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::wire;

/// How a peer ended the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    Closed,
    Reset,
    /// It did not: nothing came in time.
    Silent,
}

enum Transport {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

pub(crate) struct RawClient {
    transport: Transport,
    socket: TcpStream,
    received: Vec<u8>,
}

impl From<TcpStream> for RawClient {
    fn from(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("an option of TCP");
        let socket = stream.try_clone().expect("a second handle");
        Self { transport: Transport::Plain(stream), socket, received: Vec::new() }
    }
}

impl RawClient {
    pub(crate) fn dial(address: SocketAddr) -> Self {
        Self::try_dial(address).unwrap_or_else(|error| panic!("{address} does not accept: {error}"))
    }

    pub(crate) fn try_dial(address: SocketAddr) -> std::io::Result<Self> {
        // With a timeout, a connection that is closed at once would be taken for one that never was.
        let stream = TcpStream::connect(address)?;
        Ok(Self::from(stream))
    }

    /// TLS, handshake included; the error is rustls', or what the socket said.
    pub(crate) fn try_dial_tls(address: SocketAddr, config: Arc<ClientConfig>) -> std::io::Result<Self> {
        Self::try_dial_tls_as(address, config, "localhost")
    }

    /// The same, asking for that server name.
    pub(crate) fn try_dial_tls_as(address: SocketAddr, config: Arc<ClientConfig>, name: &str) -> std::io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, super::PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(super::PATIENCE))?;
        let socket = stream.try_clone()?;
        let name = ServerName::try_from(name.to_owned()).expect("a server name");
        let connection = ClientConnection::new(config, name).map_err(std::io::Error::other)?;
        let mut tls = StreamOwned::new(connection, stream);
        while tls.conn.is_handshaking() {
            tls.conn.complete_io(&mut tls.sock)?;
        }
        Ok(Self { transport: Transport::Tls(Box::new(tls)), socket, received: Vec::new() })
    }

    /// Dials, sends a CONNECT, and takes the CONNACK, which must accept.
    pub(crate) fn connect(address: SocketAddr, connect: &wire::Connect) -> Self {
        let mut client = Self::dial(address);
        client.send(&connect.bytes());
        let connack = client.frame();
        assert_eq!((connack.first(), wire::body(&connack).get(1)), (Some(&0x20), Some(&0)), "accepted: {connack:02x?}");
        client
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).expect("the peer takes the bytes");
    }

    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match &mut self.transport {
            Transport::Plain(stream) => stream.write_all(bytes),
            Transport::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        }
    }

    /// The next whole frame, or how it ended instead.
    pub(crate) fn try_frame(&mut self, patience: Duration) -> Result<Vec<u8>, Ended> {
        let until = Instant::now() + patience;
        loop {
            if let Some(frame) = wire::take_frame(&mut self.received) {
                return Ok(frame);
            }
            self.read_some(until)?;
        }
    }

    /// The next whole frame, which must come.
    pub(crate) fn frame(&mut self) -> Vec<u8> {
        self.try_frame(super::PATIENCE).unwrap_or_else(|ended| panic!("a packet was due, but: {ended:?}"))
    }

    /// The next frame must be this one, byte for byte.
    pub(crate) fn expect(&mut self, frame: &[u8]) {
        let came = self.frame();
        assert!(
            came == frame,
            "due {:02x?}…\ncame {:02x?}…",
            &frame[..frame.len().min(80)],
            &came[..came.len().min(80)]
        );
    }

    /// Everything that comes until the peer ends it, and how it ended.
    pub(crate) fn rest(&mut self, patience: Duration) -> (Vec<u8>, Ended) {
        let until = Instant::now() + patience;
        loop {
            if let Err(ended) = self.read_some(until) {
                return (std::mem::take(&mut self.received), ended);
            }
        }
    }

    /// The peer ends the connection without another byte.
    pub(crate) fn expect_end(&mut self) {
        let (bytes, ended) = self.rest(super::PATIENCE);
        assert!(bytes.is_empty() && ended != Ended::Silent, "an end was due, but came {bytes:02x?} and {ended:?}");
    }

    /// Goes as a process does that is killed with unread data, or a device whose stack gives up: by RST.
    pub(crate) fn reset(self) {
        socket2::SockRef::from(&self.socket).set_linger(Some(Duration::ZERO)).expect("linger is settable");
    }

    /// Says DISCONNECT and waits for the other end to close.
    pub(crate) fn goodbye(mut self) {
        self.send(&wire::DISCONNECT);
        let _ = self.socket.shutdown(std::net::Shutdown::Write);
        let _ = self.rest(super::PATIENCE);
    }

    /// What the other end shows in TLS.
    pub(crate) fn peer_certificate(&self) -> Option<Vec<u8>> {
        match &self.transport {
            Transport::Plain(_) => None,
            Transport::Tls(stream) => Some(stream.conn.peer_certificates()?.first()?.to_vec()),
        }
    }

    pub(crate) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    fn read_some(&mut self, until: Instant) -> Result<(), Ended> {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Ended::Silent);
        }
        self.socket.set_read_timeout(Some(left)).expect("a read timeout");
        let mut chunk = [0; 16_384];
        let result = match &mut self.transport {
            Transport::Plain(stream) => stream.read(&mut chunk),
            Transport::Tls(stream) => stream.read(&mut chunk),
        };
        match result {
            Ok(0) => Err(Ended::Closed),
            Ok(count) => {
                self.received.extend(&chunk[..count]);
                Ok(())
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Err(Ended::Silent),
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(Ended::Closed),
            Err(_) => Err(Ended::Reset),
        }
    }
}
