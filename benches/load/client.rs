//! The load generator's client: blocking, one record and one `send` per write, frames made beforehand.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, HandshakeKind};

use crate::Result;

const TOPIC: &str = "plant/line1/temperature/t07";

/// One connected client; through TLS or, for the direct way, without.
pub(crate) struct Client {
    tcp: TcpStream,
    tls: Option<Box<ClientConnection>>,
}

impl Client {
    /// TCP, TLS when there is a configuration, CONNECT, CONNACK.
    pub(crate) fn connect(address: SocketAddr, config: Option<&Arc<ClientConfig>>, id: &str) -> Result<Self> {
        let tcp = TcpStream::connect(address)?;
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(Duration::from_secs(20)))?;
        tcp.set_write_timeout(Some(Duration::from_secs(20)))?;
        let tls = match config {
            None => None,
            Some(config) => {
                let mut tls = ClientConnection::new(config.clone(), ServerName::try_from("localhost")?)?;
                tls.set_buffer_limit(None);
                Some(Box::new(tls))
            }
        };
        let mut client = Self { tcp, tls };
        client.send(&connect_packet(id))?;
        let mut connack = [0; 4];
        let mut got = 0;
        while got < connack.len() {
            got += client.receive(&mut connack[got..])?;
        }
        if connack != [0x20, 2, 0, 0] {
            return Err(format!("CONNACK {connack:02x?}").into());
        }
        Ok(client)
    }

    /// Whether this connection resumed an earlier session.
    pub(crate) fn resumed(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.handshake_kind() == Some(HandshakeKind::Resumed))
    }

    /// One write: one record up to 16 KiB, as few as hold it above.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(tls) = &mut self.tls else { return self.tcp.write_all(bytes) };
        if tls.is_handshaking() {
            tls.complete_io(&mut self.tcp)?;
        }
        tls.writer().write_all(bytes)?;
        while tls.wants_write() {
            tls.write_tls(&mut self.tcp)?;
        }
        Ok(())
    }

    /// Waits for bytes; an error at the end of the connection.
    pub(crate) fn receive(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return none_is_end(self.tcp.read(into)?) };
        loop {
            match tls.reader().read(into) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(n) => return none_is_end(n),
                Err(error) => return Err(error),
            }
            none_is_end(tls.read_tls(&mut self.tcp)?)?;
            tls.process_new_packets().map_err(io::Error::other)?;
        }
    }

    /// DISCONNECT and `close_notify`.
    pub(crate) fn close(mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            tls.writer().write_all(&DISCONNECT)?;
            tls.send_close_notify();
            while tls.wants_write() {
                tls.write_tls(&mut self.tcp)?;
            }
            return Ok(());
        }
        self.tcp.write_all(&DISCONNECT)
    }

    /// The socket alone, kept open without what TLS holds on this side.
    pub(crate) fn into_socket(self) -> TcpStream {
        self.tcp
    }
}

const DISCONNECT: [u8; 2] = [0xe0, 0];

fn none_is_end(n: usize) -> io::Result<usize> {
    if n == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(n) }
}

/// CONNECT of 3.1.1: clean session, Keep Alive of ten minutes.
fn connect_packet(id: &str) -> Vec<u8> {
    let mut packet = vec![0x10, 0, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 2, 0x58];
    string(&mut packet, id);
    packet[1] = u8::try_from(packet.len() - 2).unwrap_or(u8::MAX);
    packet
}

/// Telemetry of so many bytes: two values, and text to fill it.
fn telemetry(len: usize) -> Vec<u8> {
    let (head, tail) = (br#"{"celsius":21.5,"bar":3.2,"note":""#, br#""}"#);
    let mut payload = head.to_vec();
    payload.resize(len.saturating_sub(tail.len()).max(head.len()), b'x');
    payload.extend_from_slice(tail);
    payload
}

/// PUBLISH of 3.1.1; the Packet Identifier stands at `packet_id_at` of the frame's end.
pub(crate) fn publish(qos: u8, packet_id: u16, payload_len: usize) -> Vec<u8> {
    let mut body = Vec::new();
    string(&mut body, TOPIC);
    if qos > 0 {
        body.extend(packet_id.to_be_bytes());
    }
    body.extend(telemetry(payload_len));
    let mut packet = vec![0x30 | qos << 1];
    let mut remaining = body.len();
    loop {
        let byte = u8::try_from(remaining & 0x7f).unwrap_or_default();
        remaining >>= 7;
        packet.push(if remaining > 0 { byte | 0x80 } else { byte });
        if remaining == 0 {
            break;
        }
    }
    packet.append(&mut body);
    packet
}

fn string(to: &mut Vec<u8>, text: &str) {
    to.extend(u16::try_from(text.len()).unwrap_or_default().to_be_bytes());
    to.extend(text.as_bytes());
}
