//! What a broker is shown of a client, and what a load balancer says of it.

mod certificates;
mod credentials;
mod header;
mod proxy_in;
mod proxy_out;

use crate::support::gateway::{Door, Gateway};
use crate::support::pki::Subject;
use crate::support::raw_client::RawClient;
use crate::support::wire;

/// A client of the TLS listener with a certificate of its own, whose Common Name is `name`.
fn dial_as(gateway: &Gateway, name: &str) -> RawClient {
    let subject = Subject { common_names: &[name], ..Subject::default() };
    let papers = gateway.pki.issue("shown", &subject).expect("a certificate");
    let config = gateway.tls_client(Some(&papers));
    RawClient::try_dial_tls(gateway.address(Door::Tls), config).expect("a handshake")
}

/// The reason of a CONNACK.
fn told(connack: &[u8]) -> u8 {
    assert_eq!(connack.first(), Some(&0x20), "a CONNACK: {connack:02x?}");
    wire::body(connack)[1]
}
