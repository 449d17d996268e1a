//! A certificate that is wrong in any way lets nobody in, and the reason is counted and recorded.

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::version::{TLS12, TLS13};

use super::Rest;
use crate::support::gateway::{Door, Gateway, Setup};
use crate::support::pki::{Pair, Pki, Subject, Usage};
use crate::support::raw_client::RawClient;
use crate::support::recording_broker::RecordingBroker;
use crate::support::wire::{self, Connect, V5_0};

/// What a stranger may show, and what that is called.
fn bad_papers(pki: &Pki) -> Vec<(&'static str, Option<Pair>, &'static [&'static str])> {
    let issue = |name, subject: Subject| Some(pki.issue(name, &subject).expect("a certificate"));
    let foreign = pki.stranger("foreign").and_then(|other| other.client("foreign")).expect("a certificate");
    let forged = pki.impostor("impostor").and_then(|other| other.client("client")).expect("a certificate");
    let own = pki.self_signed("own", &Subject::default()).expect("a certificate");
    vec![
        ("none", None, &["no_certificate"]),
        ("of a foreign CA", Some(foreign), &["unknown_ca"]),
        ("of a CA of the same name", Some(forged), &["unknown_ca", "bad_certificate"]),
        ("its own issuer", Some(own), &["unknown_ca", "bad_certificate"]),
        ("expired", issue("expired", Subject { days: (-9, -1), ..Subject::default() }), &["expired"]),
        ("not yet valid", issue("early", Subject { days: (2, 9), ..Subject::default() }), &["not_yet_valid"]),
        (
            "a server's",
            issue("server-as-client", Subject { usage: Usage::Server, ..Subject::default() }),
            &["wrong_purpose"],
        ),
        ("revoked", Some(pki.pair("revoked")), &["revoked"]),
    ]
}

fn failures(gateway: &Gateway, door: &str, reasons: &[&str]) -> f64 {
    let listener = format!("listener=\"{door}\"");
    let of = |reason: &&str| {
        let reason = format!("reason=\"{reason}\"");
        gateway.metric("tidegate_tls_handshake_failures_total", &[&listener, &reason])
    };
    reasons.iter().map(of).sum()
}

fn config(
    gateway: &Gateway,
    papers: Option<&Pair>,
    version: &'static rustls::SupportedProtocolVersion,
) -> Arc<ClientConfig> {
    let mut config = ClientConfig::clone(&gateway.tls_client(papers));
    // The handshake is the point: nothing is to be resumed.
    config.resumption = rustls::client::Resumption::disabled();
    if version == &TLS12 {
        return Arc::new(only_tls12(gateway, papers));
    }
    Arc::new(config)
}

fn only_tls12(gateway: &Gateway, papers: Option<&Pair>) -> ClientConfig {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(gateway.pki.path("ca.pem")).expect("the CA")).expect("a CA");
    let builder = ClientConfig::builder_with_protocol_versions(&[&TLS12]).with_root_certificates(roots);
    match papers {
        None => builder.with_no_client_auth(),
        Some(pair) => {
            let chain = CertificateDer::pem_file_iter(&pair.certificate).expect("a chain");
            let key = PrivateKeyDer::from_pem_file(&pair.key).expect("a key");
            builder.with_client_auth_cert(chain.collect::<Result<_, _>>().expect("certificates"), key).expect("a pair")
        }
    }
}

/// Whether somebody with these papers gets as far as a CONNACK.
fn gets_in(gateway: &Gateway, config: Arc<ClientConfig>) -> bool {
    let Ok(mut client) = RawClient::try_dial_tls(gateway.address(Door::Tls), config) else { return false };
    // In TLS 1.3 the client is through before the server has judged it.
    let _ = client.try_send(&Connect::new(V5_0, "hopeful").bytes());
    client.try_frame(Duration::from_secs(10)).is_ok_and(|frame| frame[0] == 0x20 && wire::body(&frame)[1] == 0)
}

#[test]
fn bad_certificates_of_every_kind_are_refused_with_their_reason() {
    let broker = RecordingBroker::polite();
    let gateway = Setup::to(broker.address).with_revocation().start();
    let rest = Rest::of(&gateway);
    let papers = bad_papers(&gateway.pki);
    let mut count = 0.0;
    for version in [&TLS12, &TLS13] {
        for (what, pair, reasons) in &papers {
            let before = failures(&gateway, "tls", reasons);
            assert!(!gets_in(&gateway, config(&gateway, pair.as_ref(), version)), "{what}, {version:?}");
            crate::support::wait_for(&format!("the count of one that is {what}, {version:?}, as {reasons:?}"), || {
                (failures(&gateway, "tls", reasons) > before).then_some(())
            });
            count += 1.0;
        }
    }
    gateway.wait_metric("tidegate_tls_handshake_failures_total", &["listener=\"tls\""], count);
    for reason in ["no_certificate", "expired", "not_yet_valid", "wrong_purpose", "revoked", "unknown_ca"] {
        let line = gateway.wait_audit(&[("event", "handshake_failed"), ("reason", reason)]);
        assert_eq!(line["listener"], "tls", "{line}");
    }
    assert_eq!(broker.connections(), 1, "of nobody but the first plain one");
    let good = gateway.pki.pair("client");
    for version in [&TLS12, &TLS13] {
        assert!(gets_in(&gateway, config(&gateway, Some(&good), version)), "a good one, {version:?}");
    }
    rest.is_back(&gateway);
}

#[test]
fn what_is_no_tls_is_refused_with_its_reason() {
    let broker = RecordingBroker::polite();
    let gateway = Setup::to(broker.address).start();
    for (what, bytes) in [
        ("MQTT without TLS", Connect::new(V5_0, "in the clear").bytes()),
        ("HTTP", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        ("zeros", vec![0; 200]),
    ] {
        let mut client = RawClient::dial(gateway.address(Door::Tls));
        client.send(&bytes);
        let (_, ended) = client.rest(Duration::from_secs(8));
        assert_ne!(ended, crate::support::raw_client::Ended::Silent, "{what}");
    }
    gateway.wait_metric("tidegate_tls_handshake_failures_total", &["listener=\"tls\""], 3.0);
    assert_eq!(broker.connections(), 0);
}
