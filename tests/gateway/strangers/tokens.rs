//! Admission tokens over real sockets: without one nobody gets a handshake, or a password check.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::ClientConfig;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};
use tidegate::credentials::admission::Keys;
use tidegate::credentials::password::{Cost, hash};

use crate::support::PATIENCE;
use crate::support::gateway::{Door, Gateway, Setup};
use crate::support::raw_client::RawClient;
use crate::support::recording_broker::RecordingBroker;
use crate::support::wire::{self, Connect, V3_1_1, V5_0};

const KEYS: &str = "1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n";
const OTHERS: &str = "1:/wECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n";
const BY_HELLO: &str = "admission.keys = [\"admission.keys\"]\nadmission.carriers = [\"sni\", \"alpn\"]";
const BY_USERNAME: &str = "admission.keys = [\"admission.keys\"]\nadmission.carriers = [\"username\"]";

fn token(keys: &str, seconds: i64, name: Option<&str>) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs();
    let mut made = Keys::default();
    made.add(keys).expect("keys");
    let ends = now.checked_add_signed(seconds).and_then(|ends| u32::try_from(ends).ok()).expect("a time");
    made.make(made.newest().expect("a key"), ends, name).expect("a token")
}

/// Takes the server for whom it says that it is: a test's certificate has no name for each token.
#[derive(Debug)]
struct Trusting(Arc<CryptoProvider>);

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let schemes = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, schemes)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let schemes = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, schemes)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

fn client(gateway: &Gateway, protocols: &[String]) -> Arc<ClientConfig> {
    let mut config = ClientConfig::clone(&gateway.tls_client(Some(&gateway.pki.pair("client"))));
    let provider = Arc::clone(config.crypto_provider());
    config.dangerous().set_certificate_verifier(Arc::new(Trusting(provider)));
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.clone().into_bytes()).collect();
    Arc::new(config)
}

/// Whether somebody gets as far as a CONNACK that accepts.
fn gets_in(gateway: &Gateway, config: &Arc<ClientConfig>, name: &str, client_id: &str) -> bool {
    let dialled = RawClient::try_dial_tls_as(gateway.address(Door::Tls), Arc::clone(config), name);
    let Ok(mut client) = dialled else { return false };
    let _ = client.try_send(&Connect::new(V5_0, client_id).bytes());
    let connack = client.try_frame(PATIENCE);
    connack.is_ok_and(|frame| frame[0] == 0x20 && wire::body(&frame)[1] == 0)
}

fn failures(gateway: &Gateway, reason: &str) -> f64 {
    gateway.metric("tidegate_tls_handshake_failures_total", &[&format!("reason=\"{reason}\"")])
}

#[test]
fn without_a_token_there_is_no_handshake_however_good_the_certificate() {
    let broker = RecordingBroker::polite();
    let gateway =
        Setup::to(broker.address).only(&[Door::Tls]).file("admission.keys", KEYS).each_listener(BY_HELLO).start();
    let good = token(KEYS, 3600, None);
    let in_name = |token: &str| format!("{token}.localhost");
    let in_alpn = |token: &str| vec!["mqtt".to_owned(), format!("tg1.{token}")];
    let mixed = good.to_ascii_uppercase();
    let cases = [
        (in_name(&good), vec![], None),
        (in_name(&mixed), vec![], None),
        ("localhost".to_owned(), in_alpn(&good), None),
        ("localhost".to_owned(), vec![], Some("admission_missing")),
        ("localhost".to_owned(), vec!["mqtt".to_owned()], Some("admission_missing")),
        (in_name(&token(OTHERS, 3600, None)), vec![], Some("admission_invalid")),
        ("localhost".to_owned(), in_alpn(good.trim_start_matches('a')), Some("admission_invalid")),
        (in_name(&token(KEYS, -1, None)), vec![], Some("admission_expired")),
        (in_name(&token(KEYS, -1, None)), in_alpn(&good), Some("admission_expired")),
    ];
    for (number, (name, protocols, refused)) in cases.into_iter().enumerate() {
        let config = client(&gateway, &protocols);
        let before = refused.map(|reason| failures(&gateway, reason));
        let connections = broker.connections();
        assert_eq!(gets_in(&gateway, &config, &name, &format!("c{number}")), refused.is_none(), "{name} {protocols:?}");
        if let (Some(reason), Some(before)) = (refused, before) {
            gateway.wait_metric(
                "tidegate_tls_handshake_failures_total",
                &[&format!("reason=\"{reason}\"")],
                before + 1.0,
            );
            assert_eq!(broker.connections(), connections);
        }
    }
    gateway.wait_audit(&[("event", "handshake_failed"), ("reason", "admission_missing")]);
}

#[test]
fn a_resumed_session_needs_its_token_too() {
    let broker = RecordingBroker::polite();
    let gateway =
        Setup::to(broker.address).only(&[Door::Tls]).file("admission.keys", KEYS).each_listener(BY_HELLO).start();
    let with = client(&gateway, &[format!("tg1.{}", token(KEYS, 3600, None))]);
    let mut without = ClientConfig::clone(&with);
    without.alpn_protocols.clear();
    let resumed = || gateway.metric("tidegate_tls_handshakes_total", &["resumed=\"true\""]);
    assert!(gets_in(&gateway, &with, "localhost", "first") && gets_in(&gateway, &with, "localhost", "second"));
    assert!(resumed() >= 1.0, "there was a ticket to come back with");
    let before = failures(&gateway, "admission_missing");
    assert!(!gets_in(&gateway, &Arc::new(without), "localhost", "third"));
    gateway.wait_metric("tidegate_tls_handshake_failures_total", &["reason=\"admission_missing\""], before + 1.0);
}

#[test]
fn a_token_of_a_name_lets_in_whoever_is_proven_to_have_it() {
    let broker = RecordingBroker::polite();
    let gateway = Setup::to(broker.address)
        .only(&[Door::Tls])
        .file("admission.keys", KEYS)
        .each_listener(&format!("{BY_HELLO}\nidentity.sources = [\"certificate\"]"))
        .start();
    let config = client(&gateway, &[]);
    let name = |owner: &str| format!("{}.localhost", token(KEYS, 3600, Some(owner)));
    // The Common Name of the certificate that all tests have.
    assert!(gets_in(&gateway, &config, &name("client"), "its-own"));
    assert!(!gets_in(&gateway, &config, &name("another"), "not-its-own"));
    gateway.wait_audit(&[("event", "ended"), ("client_id", "not-its-own"), ("rule", "admission.name")]);
}

fn login(version: u8, client_id: &str, name: &str) -> Connect {
    let login = Some((name.to_owned(), Some(b"p7".to_vec())));
    Connect { login, ..Connect::new(version, client_id) }
}

#[test]
fn a_token_in_the_user_name_is_seen_by_neither_password_check_nor_broker() {
    let broker = RecordingBroker::polite();
    let cost = Cost { memory_kib: 64, passes: 1, lanes: 1 };
    let gateway = Setup::to(broker.address)
        .only(&[Door::Plain])
        .file("admission.keys", KEYS)
        .file("passwords", &format!("pump-7:{}\n", *hash(b"p7", cost).expect("a hash")))
        .each_listener(&format!(
            "{BY_USERNAME}\nidentity.sources = [\"password\"]\nidentity.password.files = [\"passwords\"]"
        ))
        .start();
    let checks = || gateway.metric("tidegate_password_check_seconds_count", &[]);
    for version in [V3_1_1, V5_0] {
        let bad = if version == V5_0 { 0x86 } else { 4 };
        let knock = |client_id: &str, name: &str| {
            let mut client = RawClient::dial(gateway.plain());
            client.send(&login(version, client_id, name).bytes());
            wire::body(&client.frame())[1]
        };
        let (checked, connections) = (checks(), broker.connections());
        let others = token(OTHERS, 3600, None);
        for (number, (name, rule)) in [
            ("pump-7".to_owned(), "admission.missing"),
            (format!("{others}@pump-7"), "admission.invalid"),
            (format!("{}@pump-7", token(KEYS, -1, None)), "admission.expired"),
        ]
        .into_iter()
        .enumerate()
        {
            let client_id = format!("v{version}-{number}");
            assert_eq!(knock(&client_id, &name), bad, "{name}");
            gateway.wait_audit(&[("event", "ended"), ("client_id", &client_id), ("rule", rule)]);
        }
        assert_eq!((checks(), broker.connections()), (checked, connections), "no password was checked");

        let (own, foreign) = (token(KEYS, 3600, Some("pump-7")), token(KEYS, 3600, Some("pump-8")));
        assert_eq!(knock(&format!("v{version}-foreign"), &format!("{foreign}@pump-7")), bad);
        let client_id = format!("v{version}-good");
        assert_eq!(knock(&client_id, &format!("{own}@pump-7")), 0);
        let expected = login(version, &client_id, "pump-7").bytes();
        assert_eq!(broker.wait_received(connections, expected.len()), expected, "as if there had been no token");
        gateway.wait_audit(&[("event", "rewritten"), ("client_id", &client_id), ("reason", "admission_taken")]);
        for shown in [own, foreign, others] {
            let is_shown = gateway.audit().iter().any(|line| line.to_string().contains(&shown));
            assert!(!is_shown, "a record shows a token that holds somewhere");
        }
    }
}

#[test]
fn a_key_that_is_taken_out_lets_nobody_in_and_who_is_in_stays() {
    let broker = RecordingBroker::polite();
    let gateway = Setup::to(broker.address)
        .only(&[Door::Plain])
        .file("admission.keys", KEYS)
        .each_listener(BY_USERNAME)
        .with("[reload]\npoll = \"0s\"")
        .start();
    let enter = |client_id: &str, token: &str| {
        let mut client = RawClient::dial(gateway.plain());
        client.send(&login(V3_1_1, client_id, &format!("{token}@")).bytes());
        let code = wire::body(&client.frame())[1];
        (client, code)
    };
    let (old, new) = (token(KEYS, 3600, None), token("2:paWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaU=", 3600, None));
    let (mut stays, code) = enter("stays", &old);
    assert_eq!(code, 0);
    assert_eq!(enter("early", &new).1, 4);
    gateway.put("admission.keys", "2:paWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaU=\n");
    gateway.hang_up();
    gateway.wait_reloads("applied", 1.0);
    assert_eq!((enter("late", &old).1, enter("new", &new).1), (4, 0));
    stays.send(&wire::PINGREQ);
    stays.expect(&wire::PINGRESP);
    gateway.put("admission.keys", "nonsense\n");
    gateway.hang_up();
    gateway.wait_reloads("refused", 1.0);
    assert_eq!(enter("after", &new).1, 0, "what was in force is");
}
