//! Certificates, CAs and keys that change, and client certificates that end.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, SupportedProtocolVersion};

use super::{SIGNAL_ONLY, is_alive};
use crate::support::gateway::{Door, Gateway, Setup};
use crate::support::pki::Pair;
use crate::support::raw_client::RawClient;
use crate::support::recording_broker::RecordingBroker;
use crate::support::wire::{self, Connect, V3_1_1, V5_0};
use crate::support::{PATIENCE, wait_for};

/// How a client with these papers speaks TLS of one version.
pub(super) fn config(
    gateway: &Gateway,
    papers: &Pair,
    version: &'static SupportedProtocolVersion,
) -> Arc<ClientConfig> {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(gateway.pki.path("ca.pem")).expect("the CA")).expect("a CA");
    let chain = CertificateDer::pem_file_iter(&papers.certificate).expect("a chain");
    let chain = chain.collect::<Result<_, _>>().expect("certificates");
    let key = PrivateKeyDer::from_pem_file(&papers.key).expect("a key");
    let builder = ClientConfig::builder_with_protocol_versions(&[version]).with_root_certificates(roots);
    Arc::new(builder.with_client_auth_cert(chain, key).expect("a pair"))
}

/// Connects with these papers, which must do.
pub(super) fn enter(gateway: &Gateway, config: &Arc<ClientConfig>, version: u8, client_id: &str) -> RawClient {
    let mut client = RawClient::try_dial_tls(gateway.address(Door::Tls), Arc::clone(config)).expect("a handshake");
    client.send(&Connect::new(version, client_id).bytes());
    let connack = client.frame();
    assert_eq!((connack[0], wire::body(&connack)[1]), (0x20, 0), "{connack:02x?}");
    client
}

/// Whether somebody with these papers gets as far as a CONNACK.
pub(super) fn gets_in(gateway: &Gateway, config: &Arc<ClientConfig>) -> bool {
    let Ok(mut client) = RawClient::try_dial_tls(gateway.address(Door::Tls), Arc::clone(config)) else { return false };
    // In TLS 1.3 the client is through before the server has judged it.
    let _ = client.try_send(&Connect::new(V5_0, "hopeful").bytes());
    client.try_frame(PATIENCE).is_ok_and(|frame| frame[0] == 0x20 && wire::body(&frame)[1] == 0)
}

fn resumed(gateway: &Gateway) -> f64 {
    gateway.metric("tidegate_tls_handshakes_total", &["resumed=\"true\""])
}

#[test]
fn a_revoked_certificate_ends_its_connections_and_no_ticket_brings_it_back() {
    let broker = RecordingBroker::polite();
    let gateway = Setup::to(broker.address).with_revocation().with(SIGNAL_ONLY).start();
    let (lost, kept) = (gateway.pki.client("lost").expect("a certificate"), gateway.pki.pair("client"));
    let lost_serial = lost.serial;
    let mut count = 0.0;
    for (tls, name) in [(&TLS12, "TLS 1.2"), (&TLS13, "TLS 1.3")] {
        gateway.pki.revocation_list("revoked.crl", &[], 30).expect("a list");
        gateway.hang_up();
        count += 1.0;
        gateway.wait_reloads("applied", count);
        let (lost, kept) = (config(&gateway, &lost, tls), config(&gateway, &kept, tls));
        enter(&gateway, &lost, V5_0, "first").goodbye();
        let before = resumed(&gateway);
        let mut five = enter(&gateway, &lost, V5_0, "five");
        let mut three = enter(&gateway, &lost, V3_1_1, "three");
        assert!(resumed(&gateway) >= before + 1.0, "{name}: it has tickets, and they are good");
        let mut other = enter(&gateway, &kept, V5_0, "other");

        gateway.pki.revocation_list("revoked.crl", &[lost_serial], 30).expect("a list");
        gateway.hang_up();
        count += 1.0;
        gateway.wait_reloads("applied", count);
        assert_eq!(wire::disconnect_reason(&five.frame()), Some(0x87), "{name}");
        five.expect_end();
        three.expect_end();
        is_alive(&mut other);
        let before = resumed(&gateway);
        assert!(!gets_in(&gateway, &lost), "{name}");
        assert!(gets_in(&gateway, &kept), "{name}");
        assert!(resumed(&gateway) < before + 0.1, "{name}: tickets of before are worth nothing");
        let ended = gateway.wait_audit(&[("event", "ended"), ("client_id", "three"), ("rule", "revoked")]);
        assert_eq!(ended["cause"], "certificate_revoked", "{ended}");
        other.goodbye();
    }
    gateway.wait_metric("tidegate_tls_handshake_failures_total", &["reason=\"revoked\""], 2.0);
}

/// The serial number in a certificate file.
pub(super) fn serial(file: &Path) -> u64 {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    let der = CertificateDer::from_pem_file(file).expect("a certificate");
    let (_, certificate) = x509_parser::parse_x509_certificate(&der).expect("a certificate");
    certificate.raw_serial().iter().fold(0, |serial, byte| serial << 8 | u64::from(*byte))
}

/// What the gateway shows at a new handshake.
fn shown(gateway: &Gateway) -> Vec<u8> {
    let papers = gateway.pki.pair("client");
    let client = RawClient::try_dial_tls(gateway.address(Door::Tls), gateway.tls_client(Some(&papers)));
    client.expect("a handshake").peer_certificate().expect("a certificate")
}

#[test]
fn a_new_certificate_of_the_gateway_is_shown_and_nobody_is_disturbed() {
    let broker = RecordingBroker::polite();
    let gateway = Setup::to(broker.address).with(SIGNAL_ONLY).start();
    let papers = config(&gateway, &gateway.pki.pair("client"), &TLS13);
    let mut before = enter(&gateway, &papers, V5_0, "before");
    let old = shown(&gateway);
    gateway.pki.server("server", &["localhost"]).expect("another certificate");
    assert_eq!(shown(&gateway), old, "not before it is asked for");
    gateway.hang_up();
    gateway.wait_reloads("applied", 1.0);
    assert_ne!(shown(&gateway), old);
    is_alive(&mut before);
}

#[test]
fn another_client_ca_ends_those_of_the_old_one() {
    let broker = RecordingBroker::polite();
    let gateway = Setup::to(broker.address).with(SIGNAL_ONLY).start();
    let old = config(&gateway, &gateway.pki.pair("client"), &TLS13);
    let other = gateway.pki.stranger("other").expect("another CA");
    let impostor = gateway.pki.impostor("impostor").expect("a CA of the same name");
    let new = config(&gateway, &other.client("new").expect("a certificate"), &TLS13);
    let both = gateway.read("pki/ca.pem") + &fs::read_to_string(other.path("ca.pem")).expect("its certificate");
    gateway.settings("client_ca = \"pki/ca.pem\"", "client_ca = \"pki/clients.pem\"");
    gateway.put("pki/clients.pem", &both);
    gateway.hang_up();
    gateway.wait_reloads("applied", 1.0);
    let (mut one, mut two) = (enter(&gateway, &old, V5_0, "one"), enter(&gateway, &new, V5_0, "two"));
    // A CA of the old one's name with another key: names agree, signatures do not.
    let second = fs::read_to_string(impostor.path("ca.pem")).expect("its certificate");
    let second = second + &fs::read_to_string(other.path("ca.pem")).expect("its certificate");
    gateway.put("pki/clients.pem", &second);
    gateway.hang_up();
    gateway.wait_reloads("applied", 2.0);
    assert_eq!(wire::disconnect_reason(&one.frame()), Some(0x87));
    one.expect_end();
    is_alive(&mut two);
    let ended = gateway.wait_audit(&[("event", "ended"), ("client_id", "one")]);
    assert_eq!(
        (ended["cause"].as_str(), ended["rule"].as_str()),
        (Some("certificate_revoked"), Some("bad_certificate"))
    );
    gateway.put("pki/clients.pem", &gateway.read("pki/ca.pem"));
    gateway.hang_up();
    gateway.wait_reloads("applied", 3.0);
    two.frame();
    two.expect_end();
    assert_eq!(gateway.wait_audit(&[("event", "ended"), ("client_id", "two")])["rule"], "unknown_ca");
    assert!(gets_in(&gateway, &old) && !gets_in(&gateway, &new));
}

#[test]
fn a_connection_does_not_outlive_its_certificate() {
    let broker = RecordingBroker::polite();
    let gateway = Setup::to(broker.address).with(SIGNAL_ONLY).start();
    let short = gateway.pki.client_for("short", 4).expect("a certificate");
    let short = config(&gateway, &short, &TLS13);
    let (mut five, mut three) = (enter(&gateway, &short, V5_0, "five"), enter(&gateway, &short, V3_1_1, "three"));
    is_alive(&mut five);
    assert_eq!(wire::disconnect_reason(&five.frame()), Some(0xa0), "maximum connect time");
    five.expect_end();
    three.expect_end();
    wait_for("both records", || {
        let ended = gateway.audit().into_iter().filter(|line| line["event"] == "ended" && line["cause"] == "expired");
        (ended.count() == 2).then_some(())
    });
    assert!(!gets_in(&gateway, &short), "and its ticket is worth nothing");
}
