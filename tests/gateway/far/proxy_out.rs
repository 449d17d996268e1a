//! PROXY protocol towards a broker.

use std::io::Read as _;
use std::net::{SocketAddr, TcpListener};

use super::{dial_as, header, told};
use crate::support::gateway::{Door, Gateway, Setup};
use crate::support::ports;
use crate::support::raw_client::RawClient;
use crate::support::recording_broker::RecordingBroker;
use crate::support::wire::{self, Connect, V5_0};

const ON: &str = "proxy_protocol.version = \"v2\"";

/// What the broker got of a client that came, and where that one dialled from.
fn received(broker: &RecordingBroker, mut client: RawClient) -> (Vec<u8>, SocketAddr) {
    let number = broker.connections();
    let source = client.socket().local_addr().expect("an address");
    client.send(&Connect::new(V5_0, "c").bytes());
    assert_eq!(told(&client.frame()), 0);
    client.goodbye();
    broker.wait_ended(number);
    (broker.received(number), source)
}

fn start(broker: &RecordingBroker, lines: &str) -> Gateway {
    Setup::to(broker.address).broker(lines).with_ipv6().start()
}

#[test]
fn a_broker_is_told_where_a_client_comes_from_and_what_its_certificate_says() {
    let broker = RecordingBroker::polite();
    let gateway = start(&broker, ON);
    let mut config = (*gateway.tls_client(Some(&gateway.pki.pair("client")))).clone();
    config.alpn_protocols = vec![b"mqtt".to_vec()];
    let address = gateway.address(Door::Tls);
    let (bytes, source) = received(&broker, RawClient::try_dial_tls(address, config.into()).expect("a handshake"));
    let told = header::read(&bytes);
    assert_eq!((told.source, told.destination), (source, address));
    let ssl = &told.tlvs[&0x20];
    assert_eq!(&ssl[..5], [0x07, 0, 0, 0, 0], "TLS, a certificate in connection and session, verified");
    let within = header::tlvs(&ssl[5..]);
    assert_eq!((&*within[&0x21], &*within[&0x22]), (&b"TLSv1.3"[..], &b"client"[..]));
    assert!(within[&0x23].starts_with(b"TLS_"), "{within:?}");
    assert_eq!(told.tlvs.get(&0x02).map(Vec::as_slice), Some(&b"localhost"[..]));
    // What follows is the CONNECT as it was sent, then DISCONNECT.
    let expected = [Connect::new(V5_0, "c").bytes(), wire::DISCONNECT.to_vec()].concat();
    assert_eq!(&bytes[told.len..], expected);
}

#[test]
fn a_certificate_without_one_common_name_has_none_that_is_told() {
    let broker = RecordingBroker::polite();
    let gateway = start(&broker, ON);
    let subject = crate::support::pki::Subject { common_names: &["a", "b"], ..Default::default() };
    let papers = gateway.pki.issue("two", &subject).expect("a certificate");
    let client = RawClient::try_dial_tls(gateway.address(Door::Tls), gateway.tls_client(Some(&papers)));
    let told = header::read(&received(&broker, client.expect("a handshake")).0);
    assert!(!header::tlvs(&told.tlvs[&0x20][5..]).contains_key(&0x22));

    let long = "n".repeat(480);
    let mut client = dial_as(&gateway, &long);
    client.send(&Connect::new(V5_0, "c").bytes());
    assert_eq!(super::told(&client.frame()), 0x87, "a name that has no room is not left out");
    let line = gateway.wait_audit(&[("event", "ended"), ("cause", "broker_credentials")]);
    assert_eq!(line["rule"], "broker.proxy_protocol");
}

#[test]
fn without_tls_the_addresses_alone_are_told() {
    let broker = RecordingBroker::polite();
    let gateway = start(&broker, ON);
    for door in [Door::Plain, Door::Ipv6] {
        let address = gateway.address(door);
        let (bytes, source) = received(&broker, RawClient::dial(address));
        let told = header::read(&bytes);
        assert_eq!((told.source, told.destination, told.tlvs.len()), (source, address, 0));
    }
    let silent = start(&broker, "proxy_protocol = { version = \"v2\", tls = false }");
    assert!(header::read(&received(&broker, dial_as(&silent, "temp-07")).0).tlvs.is_empty());
    let v1 = start(&broker, "proxy_protocol.version = \"v1\"");
    let (bytes, source) = received(&broker, RawClient::dial(v1.plain()));
    let line = format!("PROXY TCP4 127.0.0.1 127.0.0.1 {} {}\r\n", source.port(), v1.plain().port());
    assert!(bytes.starts_with(line.as_bytes()), "{}", bytes.escape_ascii());
}

/// The header is for whoever stands in front of the broker, and TLS begins behind it.
#[test]
fn towards_a_broker_with_tls_the_header_comes_first() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let pki_folder = tempfile::tempdir().expect("a folder");
    let pki = crate::support::pki::Pki::create(pki_folder.path()).expect("certificates");
    let gateway = Setup::to(address).broker_tls(&pki, false).broker(ON).start();
    let mut client = dial_as(&gateway, "temp-07");
    client.send(&Connect::new(V5_0, "c").bytes());
    let (mut stream, _) = listener.accept().expect("the gateway dials");
    let mut bytes = vec![0; 1024];
    let mut len = 0;
    let told = loop {
        len += stream.read(&mut bytes[len..]).expect("bytes");
        if len > 16 && len > 16 + usize::from(u16::from_be_bytes([bytes[14], bytes[15]])) {
            break header::read(&bytes[..len]);
        }
    };
    assert_eq!(told.source, client.socket().local_addr().expect("an address"));
    assert_eq!(bytes[told.len], 0x16, "a TLS handshake");
}

/// A reader that is neither ours nor the test's: HAProxy takes the header, and says what it understood in version 1.
#[test]
fn haproxy_reads_the_header_as_it_is_meant() {
    let broker = RecordingBroker::polite();
    let folder = tempfile::tempdir().expect("a folder");
    for version in ["v1", "v2"] {
        let front = SocketAddr::from(([127, 0, 0, 1], ports::free_port()));
        let _haproxy = header::haproxy(folder.path(), (front, "accept-proxy"), (broker.address, "send-proxy"));
        let gateway = Setup::to(front).broker(&format!("proxy_protocol.version = {version:?}")).start();
        let mut client = dial_as(&gateway, "temp-07");
        let source = client.socket().local_addr().expect("an address");
        client.send(&Connect::new(V5_0, "c").bytes());
        assert_eq!(told(&client.frame()), 0);
        client.goodbye();
        let line =
            format!("PROXY TCP4 127.0.0.1 127.0.0.1 {} {}\r\n", source.port(), gateway.address(Door::Tls).port());
        // HAProxy was looked for by connections of this test, which end without a word.
        let all: Vec<_> = (0..broker.connections()).map(|number| broker.received(number)).collect();
        let heard = |bytes: &Vec<u8>| bytes.starts_with(line.as_bytes());
        assert!(
            all.iter().any(heard),
            "{version}: {line:?} in {:?}",
            all.iter().map(|it| it.escape_ascii().to_string()).collect::<Vec<_>>()
        );
    }
}
