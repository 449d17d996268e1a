//! Strangers at the door: those without an admission token, those who crowd the handshakes, and those who are slow.

mod slow;
mod tokens;
mod turns;

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

/// Dials from that address of this machine.
fn dial_from(source: Ipv4Addr, address: SocketAddr) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from((source, 0)).into()).expect("an address of 127/8");
    socket.connect(&address.into()).expect("it accepts");
    socket.set_tcp_nodelay(true).expect("an option of TCP");
    socket.into()
}

/// The bytes of a ClientHello, which is good.
fn client_hello(config: &Arc<ClientConfig>) -> Vec<u8> {
    let name = ServerName::try_from("localhost").expect("a server name");
    let mut connection = ClientConnection::new(Arc::clone(config), name).expect("a client");
    let mut bytes = Vec::new();
    connection.write_tls(&mut bytes).expect("it has something to say");
    bytes
}
