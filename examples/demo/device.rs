//! A device of the plant: a Network Connection over mTLS, or over plain TCP behind the gateway.

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::wire;

/// What a step of the demo may fail with.
pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// How long anything in the demo may take before it counts as failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// A connected device.
pub(crate) struct Device {
    stream: Box<dyn Stream>,
    level: u8,
    next_packet_id: u16,
    /// The address that the gateway knows the device by.
    pub(crate) address: SocketAddr,
}

/// What a device is configured with: whom it trusts, and who it is (certificate and key), if anybody.
pub(crate) fn trust(ca: &Path, own: Option<(PathBuf, PathBuf)>) -> Result<Arc<ClientConfig>, Failure> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca)?)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    Ok(Arc::new(match own {
        None => config.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<_, _>>()?;
            config.with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(key)?)?
        }
    }))
}

impl Device {
    /// Dials over TLS; the handshake happens with the first bytes.
    pub(crate) fn dial(gateway: SocketAddr, config: &Arc<ClientConfig>) -> Result<Self, Failure> {
        let socket = open(gateway)?;
        let address = socket.local_addr()?;
        let tls = ClientConnection::new(Arc::clone(config), ServerName::try_from("localhost")?)?;
        Ok(Self { stream: Box::new(StreamOwned::new(tls, socket)), level: wire::V50, next_packet_id: 1, address })
    }

    /// Dials without TLS.
    pub(crate) fn dial_plain(broker: SocketAddr) -> Result<Self, Failure> {
        let socket = open(broker)?;
        let address = socket.local_addr()?;
        Ok(Self { stream: Box::new(socket), level: wire::V50, next_packet_id: 1, address })
    }

    /// Sends bytes as they are.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    /// CONNECT, and the wait for a CONNACK that says yes.
    pub(crate) fn connect(&mut self, level: u8, client_id: &str) -> Result<(), Failure> {
        self.level = level;
        self.send(&wire::connect(level, client_id))?;
        match wire::read_packet(&mut self.stream)? {
            (0x20, body) if body.get(1) == Some(&0) => Ok(()),
            (first, body) => Err(format!("{client_id} expected a CONNACK, got {first:#04x} {body:02x?}").into()),
        }
    }

    /// PUBLISH, and with QoS 1 the wait for its PUBACK.
    pub(crate) fn publish(&mut self, qos: u8, topic: &str, payload: &str) -> Result<(), Failure> {
        let id = self.packet_id();
        self.send(&wire::publish(self.level, qos, id, topic, payload.as_bytes()))?;
        if qos == 0 {
            return Ok(());
        }
        match wire::read_packet(&mut self.stream)? {
            (0x40, body) if body.starts_with(&id.to_be_bytes()) && body.get(2).is_none_or(|code| *code < 0x80) => {
                Ok(())
            }
            (first, body) => Err(format!("expected a PUBACK, got {first:#04x} {body:02x?}").into()),
        }
    }

    /// SUBSCRIBE, and the wait for its SUBACK.
    pub(crate) fn subscribe(&mut self, filter: &str) -> Result<(), Failure> {
        let id = self.packet_id();
        self.send(&wire::subscribe(self.level, id, filter))?;
        match wire::read_packet(&mut self.stream)? {
            (0x90, body) if body.last().is_some_and(|code| *code < 0x80) => Ok(()),
            (first, body) => Err(format!("expected a SUBACK, got {first:#04x} {body:02x?}").into()),
        }
    }

    /// The next message: Topic Name and payload.
    pub(crate) fn receive(&mut self) -> Result<(String, String), Failure> {
        loop {
            let (first, body) = wire::read_packet(&mut self.stream)?;
            if first >> 4 == 3 {
                let message = wire::message(self.level, first, &body).ok_or("a PUBLISH that cannot be read")?;
                return Ok((message.topic.to_owned(), String::from_utf8_lossy(message.payload).into_owned()));
            }
        }
    }

    /// Keeps the connection alive.
    pub(crate) fn ping(&mut self) -> io::Result<()> {
        self.send(&wire::packet(0xC0, &[]))
    }

    /// DISCONNECT, and the end.
    pub(crate) fn leave(mut self) {
        let _ = self.send(&wire::DISCONNECT);
    }

    /// Reads one acknowledgement and tells in words what it says.
    pub(crate) fn answer(&mut self) -> Result<String, Failure> {
        match wire::read_packet(&mut self.stream)? {
            (0x40, body) => Ok(format!("PUBACK {:#04x}", body.get(2).unwrap_or(&0))),
            (0x90, body) => Ok(format!("SUBACK {:#04x}", body.last().unwrap_or(&0))),
            (first, body) => Err(format!("expected an acknowledgement, got {first:#04x} {body:02x?}").into()),
        }
    }

    /// Reads to the end of the connection and tells in words what the device saw.
    pub(crate) fn ending(&mut self) -> String {
        match wire::read_packet(&mut self.stream) {
            Ok((0xE0, body)) => format!("DISCONNECT {:#04x}, then {}", body.first().unwrap_or(&0), self.ending()),
            Ok((0x20, body)) => format!("CONNACK {:#04x}, then {}", body.get(1).unwrap_or(&0), self.ending()),
            Ok((first, _)) => format!("a packet {first:#04x}, then {}", self.ending()),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                "nothing: still open".to_owned()
            }
            Err(error) => match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
                Some(rustls::Error::AlertReceived(alert)) => format!("TLS alert {alert:?}"),
                _ => "closed".to_owned(),
            },
        }
    }

    fn packet_id(&mut self) -> u16 {
        let id = self.next_packet_id;
        self.next_packet_id = id.checked_add(1).unwrap_or(1);
        id
    }
}

fn open(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpStream::connect_timeout(&address, PATIENCE)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.set_nodelay(true)?;
    Ok(socket)
}
