//! Who gets through a handshake, and why not.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::ClientConfig;
use rustls::client::Resumption;
use tidegate::config::{OnStale, Revocation};
use tidegate::tls::MinVersion;
use tidegate::tls::client::ClientSettings;
use tidegate::tls::failure::HandshakeFailure as Failure;
use tidegate::tls::server::{ClientCertificates, Server, ServerSettings};
use tidegate::tls::session::Session;
use tidegate::tls::verify::Refused;

use crate::bench::{Bench, Fault, Ours, Theirs, build, certificate, connect, name, settle};
use crate::pki::{Pair, Subject, Usage};

const DAY: Duration = Duration::from_secs(86_400);

/// The device is refused by us for `expected`, and told so.
fn refused(what: &str, server: &Server, device: ClientConfig, expected: Failure) {
    let Err(fault) = connect(server, &Arc::new(device)) else { panic!("{what}: let in") };
    let Fault::OursTold(error, heard) = *fault else { panic!("{what}: {fault:?}") };
    assert_eq!(error.failure(), expected, "{what}: {error}");
    assert!(matches!(heard, Some(rustls::Error::AlertReceived(_))), "{what}: {heard:?}");
}

#[test]
fn a_device_with_its_certificate_gets_through() {
    let bench = Bench::new();
    for (tls12, version) in [(false, "TLSv1.3"), (true, "TLSv1.2")] {
        let server = bench.server();
        let device = Arc::new(bench.device(Some(&bench.pki.pair("client")), tls12));
        let (ours, _) = connect(&server, &device).unwrap();
        assert_eq!(ours.session.protocol_version(), Some(version));
        assert_eq!(ours.session.server_name(), Some("localhost"));
        let suite = if tls12 { "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384" } else { "TLS_AES_256_GCM_SHA384" };
        assert_eq!(ours.session.cipher_suite(), Some(suite));
        assert!(!ours.session.is_resumed());
        if !tls12 {
            assert_eq!(ours.session.key_exchange(), Some("X25519MLKEM768"), "post-quantum where both can");
        }
        let identity = server.guard.admit(ours.session.peer_certificates(), SystemTime::now()).unwrap().unwrap();
        assert_eq!(identity.common_name(), Some("client"));
        assert_eq!(*identity.organizational_units, ["sensors".into()]);
    }
}

#[test]
fn each_bad_certificate_is_refused_for_its_own_reason() {
    let bench = Bench::new();
    let subject = Subject::default();
    let days = |from, to| Subject { days: (from, to), ..Subject::default() };
    let revoked = bench.pki.client("revoked").unwrap();
    let crl = bench.pki.revocation_list("crl.pem", &[revoked.serial], 30).unwrap();
    let stranger = bench.pki.stranger("stranger").unwrap();
    let impostor = bench.pki.impostor("impostor").unwrap();
    let server_usage = Subject { usage: Usage::Server, ..Subject::default() };
    let cases: Vec<(&str, Option<Pair>, Failure)> = vec![
        ("none", None, Failure::NoCertificate),
        ("expired", Some(bench.pki.issue("expired", &days(-20, -10)).unwrap()), Failure::Expired),
        ("not yet valid", Some(bench.pki.issue("early", &days(10, 20)).unwrap()), Failure::NotYetValid),
        ("of another CA", Some(stranger.client("foreign").unwrap()), Failure::UnknownCa),
        ("of a CA of the same name", Some(impostor.client("fake").unwrap()), Failure::BadCertificate),
        ("self-signed", Some(bench.pki.self_signed("own", &subject).unwrap()), Failure::UnknownCa),
        ("revoked", Some(revoked), Failure::Revoked),
        ("a server's", Some(bench.pki.issue("server-usage", &server_usage).unwrap()), Failure::WrongPurpose),
        ("of an unlisted CA", Some(bench.pki.by_intermediate("mid", &subject).unwrap()), Failure::RevocationUnknown),
    ];
    let server = build(&ServerSettings { crl: vec![crl], ..bench.settings() });
    for (what, pair, expected) in cases {
        for tls12 in [false, true] {
            refused(what, &server, bench.device(pair.as_ref(), tls12), expected);
        }
    }
    connect(&server, &Arc::new(bench.device(Some(&bench.pki.pair("client")), false))).unwrap();
}

#[test]
fn versions_and_protocols_must_meet() {
    let bench = Bench::new();
    let client = bench.pki.pair("client");
    let newest = build(&ServerSettings { min_version: MinVersion::Tls13, ..bench.settings() });
    refused("TLS 1.2 to 1.3 alone", &newest, bench.device(Some(&client), true), Failure::ProtocolVersion);

    let mqtt = build(&ServerSettings { alpn: vec!["mqtt".into()], ..bench.settings() });
    for (offered, agreed) in [(vec![], None), (vec![b"h2".to_vec(), b"mqtt".to_vec()], Some(b"mqtt".as_slice()))] {
        let mut device = bench.device(Some(&client), false);
        device.alpn_protocols = offered;
        let (ours, _) = connect(&mqtt, &Arc::new(device)).unwrap();
        assert_eq!(ours.session.alpn_protocol(), agreed);
    }
    let mut device = bench.device(Some(&client), false);
    device.alpn_protocols = vec![b"h2".to_vec()];
    refused("h2 alone", &mqtt, device, Failure::Alpn);

    let mut ours = Ours::server(&bench.server());
    let mut hello = vec![0x16, 3, 1, 0, 45, 1, 0, 0, 41, 3, 1];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0, 0x2f, 1, 0]);
    hello[4] = u8::try_from(hello.len() - 5).unwrap();
    hello[8] = u8::try_from(hello.len() - 9).unwrap();
    let error = ours.take(&hello).unwrap_err();
    assert_eq!(error.failure(), Failure::ProtocolVersion, "TLS 1.0: {error}");
    assert_eq!(ours.out.filled().first(), Some(&0x15));
}

#[test]
fn where_certificates_are_optional_a_bad_one_is_still_refused() {
    let bench = Bench::new();
    let optional = build(&ServerSettings { clients: ClientCertificates::Optional, ..bench.settings() });
    let (ours, _) = connect(&optional, &Arc::new(bench.device(None, false))).unwrap();
    assert_eq!(optional.guard.admit(ours.session.peer_certificates(), SystemTime::now()), Ok(None));
    let foreign = bench.pki.stranger("stranger").unwrap().client("foreign").unwrap();
    refused("foreign", &optional, bench.device(Some(&foreign), false), Failure::UnknownCa);

    let none = ServerSettings { clients: ClientCertificates::None, client_ca: None, ..bench.settings() };
    let (ours, _) = connect(&build(&none), &Arc::new(bench.device(Some(&foreign), false))).unwrap();
    assert_eq!(ours.session.peer_certificates(), None, "not asked for");
    let required = bench.server();
    assert_eq!(required.guard.admit(None, SystemTime::now()), Err(Refused::NoCertificate));
}

#[test]
fn intermediates_are_followed_and_their_lists_held_against_them() {
    let bench = Bench::new();
    let pair = bench.pki.by_intermediate("mid", &Subject { common_names: &["deep"], ..Subject::default() }).unwrap();
    let device = || bench.device(Some(&pair), false);
    let (ours, _) = connect(&bench.server(), &Arc::new(device())).unwrap();
    assert_eq!(ours.session.peer_certificates().map(<[_]>::len), Some(2));

    let root_list = bench.pki.revocation_list("root.crl", &[], 30).unwrap();
    let both = vec![root_list, bench.pki.path("mid-ca.crl")];
    let server = build(&ServerSettings { crl: both.clone(), ..bench.settings() });
    assert_eq!(server.warnings.len(), 1, "the intermediate's list can't be verified yet: {:?}", server.warnings);
    let (ours, _) = connect(&server, &Arc::new(device())).unwrap();
    let chain = ours.session.peer_certificates();
    assert_eq!(server.guard.admit(chain, SystemTime::now()).unwrap().unwrap().common_name(), Some("deep"));

    // The intermediate itself falls: the serial before the leaf's.
    bench.pki.revocation_list("root.crl", &[pair.serial - 1], 30).unwrap();
    let after = build(&ServerSettings { crl: both, ..bench.settings() });
    refused("revoked intermediate", &after, device(), Failure::Revoked);
    assert_eq!(after.guard.admit(chain, SystemTime::now()), Err(Refused::Revoked));
}

#[test]
fn a_stale_list_refuses_everybody_under_deny_and_under_allow_those_on_it_alone() {
    let bench = Bench::new();
    let good = bench.pki.pair("client");
    let revoked = bench.pki.client("revoked").unwrap();
    let deep = bench.pki.by_intermediate("mid", &Subject::default()).unwrap();
    let unlisted = bench.pki.by_intermediate("unlisted", &Subject::default()).unwrap();
    let crl = bench.pki.revocation_list_for("crl.pem", &[revoked.serial], -60).unwrap();
    let crls = vec![crl, bench.pki.path("mid-ca.crl")];
    let with = |on_stale| ServerSettings {
        crl: crls.clone(),
        revocation: Revocation { on_stale, ..Revocation::default() },
        ..bench.settings()
    };
    let now = SystemTime::now();
    let allow = build(&with(OnStale::Allow));
    // What `deny` refuses to load when it is old already it has loaded before.
    let deny = with(OnStale::Deny).build(now - DAY / 2).unwrap();
    for tls12 in [false, true] {
        let device = |pair: &Pair| bench.device(Some(pair), tls12);
        for pair in [&good, &deep] {
            let (ours, _) = connect(&allow, &Arc::new(device(pair))).unwrap();
            let chain = ours.session.peer_certificates();
            assert!(allow.guard.admit(chain, now).is_ok());
            assert_eq!(deny.guard.admit(chain, now), Err(Refused::RevocationListExpired));
            assert!(deny.guard.admit(chain, now - DAY / 2).is_ok(), "as long as it was not");
            refused("stale, deny", &deny, device(pair), Failure::RevocationListExpired);
        }
        refused("stale, allow, on the list", &allow, device(&revoked), Failure::Revoked);
        refused("stale, deny, on the list", &deny, device(&revoked), Failure::RevocationListExpired);
        refused("stale, allow, of no list", &allow, device(&unlisted), Failure::RevocationUnknown);
    }
}

#[test]
fn a_live_chain_is_verified_again_with_its_signatures_where_trust_has_changed() {
    let bench = Bench::new();
    let now = SystemTime::now();
    let pair = bench.pki.pair("client");
    let (ours, _) = connect(&bench.server(), &Arc::new(bench.device(Some(&pair), false))).unwrap();
    let chain = ours.session.peer_certificates();
    let crl = |revoked: &[u64], file: &str| vec![bench.pki.revocation_list(file, revoked, 30).unwrap()];
    let impostor = bench.pki.impostor("impostor").unwrap();
    let stranger = bench.pki.stranger("stranger").unwrap();
    let of = |ca: &Path| ServerSettings { client_ca: Some(ca.into()), ..bench.settings() };
    let none = ServerSettings { clients: ClientCertificates::None, client_ca: None, ..bench.settings() };
    let before = bench.server();
    for (what, settings, expected) in [
        ("the same", bench.settings(), Ok(())),
        ("a list without it", ServerSettings { crl: crl(&[7], "other.pem"), ..bench.settings() }, Ok(())),
        ("a CA of the same name", of(&impostor.path("ca.pem")), Err(Failure::BadCertificate)),
        ("another CA", of(&stranger.path("ca.pem")), Err(Failure::UnknownCa)),
        ("none is asked for", none, Ok(())),
    ] {
        let after = build(&settings).guard;
        assert_eq!(after.judge_again(Some(&before.guard), chain, now), expected, "{what}");
        assert_eq!(after.judge_again(None, chain, now), expected, "{what}, from a listener without TLS");
    }
    assert_eq!(before.guard.judge_again(None, None, now), Err(Failure::NoCertificate));
    let later = now + 366 * DAY;
    assert_eq!(before.guard.judge_again(Some(&before.guard), chain, later), Err(Failure::Expired), "the clock goes on");
}

#[test]
fn a_chain_ends_with_the_first_of_it() {
    let bench = Bench::new();
    let guard = bench.server().guard;
    let end_in_days = |pair: &Pair| {
        let (ours, _) = connect(&bench.server(), &Arc::new(bench.device(Some(pair), false))).unwrap();
        let end = guard.end(ours.session.peer_certificates()).unwrap().0;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        (u64::try_from(end).unwrap() - now).div_ceil(86_400)
    };
    let days = |days| Subject { days: (-1, days), ..Subject::default() };
    assert_eq!(end_in_days(&bench.pki.issue("short", &days(3)).unwrap()), 3);
    assert_eq!(end_in_days(&bench.pki.by_intermediate("long", &days(3000)).unwrap()), 1825, "the intermediate's");
    assert_eq!(end_in_days(&bench.pki.issue("longer", &days(9999)).unwrap()), 3650, "the CA's");
    assert_eq!(guard.end(None), None);
}

/// Connect twice with the same memory; the second connection.
fn again(first: &Server, second: &Server, device: &Arc<ClientConfig>) -> Result<(Ours, Theirs), Box<Fault>> {
    let (mut ours, mut theirs) = connect(first, device)?;
    ours.encrypt(b"so that the ticket is read");
    settle(&mut ours, &mut theirs, usize::MAX)?;
    connect(second, device)
}

#[test]
fn who_comes_back_with_a_ticket_is_known_and_looked_at_again() {
    let bench = Bench::new();
    let pair = bench.pki.client("device").unwrap();
    let clean = bench.pki.revocation_list("crl.pem", &[], 30).unwrap();
    let settings = ServerSettings { crl: vec![clean], ..bench.settings() };
    let before = build(&settings);
    bench.pki.revocation_list("crl.pem", &[pair.serial], 30).unwrap();
    let after = build(&settings);
    let now = SystemTime::now();
    for tls12 in [false, true] {
        let device = || Arc::new(bench.device(Some(&pair), tls12));
        let (ours, _) = again(&before, &before, &device()).unwrap();
        assert!(ours.session.is_resumed(), "TLS 1.2 {tls12}");
        assert_eq!(ours.session.server_name(), Some("localhost"));
        let chain = ours.session.peer_certificates();
        assert!(before.guard.admit(chain, now).is_ok());
        assert_eq!(after.guard.admit(chain, now), Err(Refused::Revoked), "revoked since, by the newer guard");
        assert_eq!(before.guard.admit(chain, now + 31 * DAY), Err(Refused::RevocationListExpired));
        assert_eq!(before.guard.admit(chain, now + 366 * DAY), Err(Refused::Expired));
        assert_eq!(before.guard.admit(chain, now - 3 * DAY), Err(Refused::NotYetValid));

        let Err(fault) = again(&before, &after, &device()) else { panic!("a ticket outlived a reload") };
        let Fault::OursTold(error, _) = *fault else { panic!("{fault:?}") };
        assert_eq!(error.failure(), Failure::Revoked, "no ticket of the old configuration is worth anything");
    }
}

#[test]
fn without_resumption_every_handshake_is_a_full_one() {
    let bench = Bench::new();
    let server = build(&ServerSettings { resumption: false, ..bench.settings() });
    for tls12 in [false, true] {
        let device = Arc::new(bench.device(Some(&bench.pki.pair("client")), tls12));
        let (ours, _) = again(&server, &server, &device).unwrap();
        assert!(!ours.session.is_resumed());
    }
}

#[test]
fn the_certificate_follows_the_name_that_is_asked_for() {
    let bench = Bench::new();
    let pairs = [
        bench.pki.server("one", &["one.example", "*.lines.example"]).unwrap(),
        bench.pki.server("two", &["two.example"]).unwrap(),
        bench.pki.server("three", &["three.example"]).unwrap(),
    ];
    let mut certificates: Vec<_> = pairs.iter().map(certificate).collect();
    certificates[2].server_names = vec!["Four.Example".into()];
    let settings = ServerSettings {
        certificates,
        clients: ClientCertificates::None,
        client_ca: None,
        ..ServerSettings::default()
    };
    let server = build(&settings);
    assert!(
        server
            .warnings
            .iter()
            .any(|w| w.to_string().ends_with("the certificate does not hold the name `four.example`"))
    );
    for (asked, shown) in [
        ("one.example", 0),
        ("ONE.example", 0),
        ("press.lines.example", 0),
        ("two.example", 1),
        ("four.example", 2),
        ("three.example", 0),
        ("elsewhere.example", 0),
        ("127.0.0.1", 0),
    ] {
        let device = Arc::new(bench.device(None, false));
        let name = rustls::pki_types::ServerName::try_from(asked.to_owned()).unwrap();
        let connection = rustls::ClientConnection::new(device, name).unwrap();
        let mut theirs = Theirs { connection: connection.into(), plain: Vec::new() };
        let mut ours = Ours::server(&server);
        let _ = settle(&mut ours, &mut theirs, usize::MAX);
        let expected = std::fs::read_to_string(&pairs[shown].certificate).unwrap();
        // Where the name is not in the certificate the device hangs up, and has not kept what it saw.
        if let Some(chain) = theirs.connection.peer_certificates() {
            let found = data_encoding::BASE64.encode(&chain[0]);
            assert!(expected.replace(['\r', '\n'], "").contains(&found), "{asked}");
        } else {
            assert!(["four.example", "three.example", "elsewhere.example", "127.0.0.1"].contains(&asked), "{asked}");
        }
        let offered = (asked != "127.0.0.1").then(|| asked.to_ascii_lowercase());
        assert_eq!(ours.session.server_name(), offered.as_deref());
    }
}

/// We dial, the broker is rustls.
fn dial(settings: &ClientSettings, broker: &Server) -> Result<(Ours, Theirs), Box<Fault>> {
    let client = settings.build(SystemTime::now()).unwrap();
    let asked = client.server_name("localhost").unwrap();
    let mut ours = Ours::new(Session::client(Arc::clone(&client.config), asked).unwrap());
    let mut theirs = Theirs::server(&broker.config);
    settle(&mut ours, &mut theirs, usize::MAX)?;
    Ok((ours, theirs))
}

#[test]
fn brokers_are_held_to_name_time_and_ca() {
    let bench = Bench::new();
    let open = |pair: &Pair| {
        let clients = ClientCertificates::None;
        ServerSettings { certificates: vec![certificate(pair)], clients, client_ca: None, ..ServerSettings::default() }
    };
    let stranger = bench.pki.stranger("stranger").unwrap();
    let good = build(&open(&bench.pki.pair("server")));
    let other_name = build(&open(&bench.pki.server("other", &["other.example"]).unwrap()));
    let foreign = build(&open(&stranger.server("foreign", &["localhost"]).unwrap()));
    let client =
        build(&open(&bench.pki.issue("c", &Subject { alternatives: &["localhost"], ..Subject::default() }).unwrap()));
    let plain = bench.client_settings();
    let renamed = ClientSettings { server_name: Some("other.example".into()), ..bench.client_settings() };
    for (what, settings, broker, expected) in [
        ("good", &plain, &good, None),
        ("other name", &plain, &other_name, Some(Failure::WrongName)),
        ("other name, expected", &renamed, &other_name, None),
        ("expected name missing", &renamed, &good, Some(Failure::WrongName)),
        ("foreign CA", &plain, &foreign, Some(Failure::UnknownCa)),
        ("client certificate", &plain, &client, Some(Failure::WrongPurpose)),
    ] {
        let found = match dial(settings, broker).map_err(|fault| *fault) {
            Ok(_) => None,
            Err(Fault::OursTold(error, _)) => Some(error.failure()),
            Err(fault) => panic!("{what}: {fault:?}"),
        };
        assert_eq!(found, expected, "{what}");
    }
}

#[test]
fn brokers_that_want_our_certificate_get_it_or_refuse() {
    let bench = Bench::new();
    let broker = bench.server();
    let identity = Some((bench.pki.path("client.pem"), bench.pki.path("client.key")));
    let (_, theirs) = dial(&ClientSettings { identity, ..bench.client_settings() }, &broker).unwrap();
    assert_eq!(theirs.connection.peer_certificates().map(<[_]>::len), Some(1));

    let Err(fault) = dial(&bench.client_settings(), &broker) else { panic!("let in without a certificate") };
    let Fault::Theirs(rustls::Error::NoCertificatesPresented, Some(heard)) = *fault else { panic!("{fault:?}") };
    assert_eq!(heard.failure(), Failure::PeerRefusedCertificate);
}

#[test]
fn the_broker_is_resumed_too() {
    let bench = Bench::new();
    let identity = Some((bench.pki.path("client.pem"), bench.pki.path("client.key")));
    let client = ClientSettings { identity, ..bench.client_settings() }.build(SystemTime::now()).unwrap();
    let broker = bench.server();
    let mut resumed = Vec::new();
    for _ in 0..2 {
        let mut ours = Ours::new(Session::client(Arc::clone(&client.config), name()).unwrap());
        settle(&mut ours, &mut Theirs::server(&broker.config), usize::MAX).unwrap();
        resumed.push(ours.session.is_resumed());
    }
    assert_eq!(resumed, [false, true]);
}

#[test]
fn a_device_that_wants_neither_tickets_nor_names_is_served() {
    let bench = Bench::new();
    let mut device = bench.device(Some(&bench.pki.pair("client")), false);
    device.resumption = Resumption::disabled();
    device.enable_sni = false;
    let (ours, _) = connect(&bench.server(), &Arc::new(device)).unwrap();
    assert_eq!(ours.session.server_name(), None);
}
