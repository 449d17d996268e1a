//! Certificates, keys and lists on disk: what is wrong is said at start, with the file's name and the reason.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tidegate::config::{OnStale, Revocation};
use tidegate::identity::Certificate;
use tidegate::tls::client::ClientSettings;
use tidegate::tls::error::{TlsError, Warning};
use tidegate::tls::server::{ClientCertificates, ExpiryKind, Server, ServerSettings};

use crate::bench::{Bench, build, certificate};
use crate::pki::{Pair, Subject, Usage};

const DAY: Duration = Duration::from_secs(86_400);

fn write(bench: &Bench, file: &str, text: &str) -> PathBuf {
    let path = bench.pki.path(file);
    fs::write(&path, text).unwrap();
    path
}

/// The problems, a line each, paths cut to the file's name.
fn problems(bench: &Bench, built: Result<Server, Vec<TlsError>>) -> Vec<String> {
    let folder = format!("{}/", bench.pki.path("").display()).replace("//", "/");
    built.err().unwrap_or_default().iter().map(|error| error.to_string().replace(&folder, "")).collect()
}

fn server_pair(bench: &Bench, file: &str, days: (i64, i64)) -> Pair {
    let subject = Subject { alternatives: &["localhost"], usage: Usage::Server, days, ..Subject::default() };
    bench.pki.issue(file, &subject).unwrap()
}

#[test]
fn every_kind_of_bad_file_is_named_with_its_reason() {
    let bench = Bench::new();
    let server = bench.pki.pair("server");
    let other = bench.pki.pair("client");
    let key = fs::read_to_string(&server.key).unwrap();
    let pem = fs::read_to_string(&server.certificate).unwrap();
    let pair = |certificate: &Path, key: &Path| Pair { certificate: certificate.into(), key: key.into(), serial: 0 };
    let empty = write(&bench, "empty.pem", "");
    let cut = write(&bench, "cut.pem", &pem[..pem.len() / 2]);
    let junk = write(&bench, "junk.pem", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n");
    let locked = write(&bench, "locked.key", &key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"));
    let odd = "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n";
    let odd = write(&bench, "odd.key", odd);
    let missing = bench.pki.path("missing.pem");
    for (pair, expected) in [
        (pair(&missing, &server.key), "`missing.pem`: can't be read: entity not found"),
        (pair(&empty, &server.key), "`empty.pem`: no certificate in it"),
        (pair(&server.key, &server.key), "`server.key`: no certificate in it"),
        (pair(&cut, &server.key), "`cut.pem`: not well-formed PEM"),
        (pair(&junk, &server.key), "`junk.pem`: certificate 1 in it can't be decoded"),
        (pair(&server.certificate, &missing), "`missing.pem`: can't be read: entity not found"),
        (pair(&server.certificate, &empty), "`empty.pem`: no private key in it"),
        (pair(&server.certificate, &other.key), "`client.key`: the key does not match the certificate in `server.pem`"),
        (
            pair(&server.certificate, &locked),
            "`locked.key`: the private key is encrypted; store it in plain PEM, readable by the gateway alone",
        ),
        (
            pair(&server.certificate, &odd),
            "`odd.key`: unsupported private key (supported: RSA from 2048 bits, ECDSA P-256, P-384 and P-521, Ed25519)",
        ),
    ] {
        let settings = ServerSettings { certificates: vec![certificate(&pair)], ..bench.settings() };
        assert_eq!(problems(&bench, settings.build(SystemTime::now())), [expected]);
    }
    for (pair, expected) in [
        (server_pair(&bench, "old", (-20, -10)), "`old.pem`: expired at 20"),
        (server_pair(&bench, "early", (10, 20)), "`early.pem`: not valid before 20"),
    ] {
        let settings = ServerSettings { certificates: vec![certificate(&pair)], ..bench.settings() };
        let found = problems(&bench, settings.build(SystemTime::now()));
        assert!(found.len() == 1 && found[0].starts_with(expected) && found[0].ends_with('Z'), "{found:?}");
    }
}

#[test]
fn bad_bundles_and_lists_are_named_with_their_reason() {
    let bench = Bench::new();
    let stranger = bench.pki.stranger("stranger").unwrap();
    let impostor = bench.pki.impostor("impostor").unwrap();
    let empty = write(&bench, "empty.pem", "");
    let expired_ca = bench.pki.expired_ca("expired-ca.pem").unwrap();
    let junk = write(&bench, "junk.crl", "-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n");
    let expired = bench.pki.revocation_list("expired.crl", &[], -3).unwrap();
    let fake = impostor.revocation_list("fake.crl", &[], 30).unwrap();
    let foreign = stranger.revocation_list("foreign.crl", &[], 30).unwrap();
    let ca = bench.pki.path("ca.pem");
    let with = |client_ca: Option<&Path>, crl: &[&Path]| ServerSettings {
        client_ca: client_ca.map(Into::into),
        crl: crl.iter().map(Into::into).collect(),
        ..bench.settings()
    };
    for (settings, expected) in [
        (with(None, &[]), "client certificates are wanted, but no client CA is given"),
        (with(Some(&empty), &[]), "`empty.pem`: no certificate in it"),
        (with(Some(&expired_ca), &[]), "`expired-ca.pem`: every CA in it has expired"),
        (with(Some(&ca), &[&ca]), "`ca.pem`: no revocation list in it"),
        (with(Some(&ca), &[&junk]), "`junk.crl`: revocation list can't be used: ParseError"),
        (
            with(Some(&ca), &[&fake]),
            "`impostor/fake.crl`: revocation list is not signed by `CN=Tidegate test CA,O=Tidegate`",
        ),
        (
            with(Some(&ca), &[&foreign]),
            "`stranger/foreign.crl`: revocation list is issued by `CN=Somebody else's CA,O=Tidegate`, \
             which is not among the client CAs",
        ),
        (
            ServerSettings { clients: ClientCertificates::None, ..with(None, &[&foreign]) },
            "revocation lists are given, but no client certificates are asked for",
        ),
        (ServerSettings { certificates: Vec::new(), ..with(Some(&ca), &[]) }, "no certificate to show to clients"),
    ] {
        assert_eq!(problems(&bench, settings.build(SystemTime::now())), [expected]);
    }
    let found = problems(&bench, with(Some(&ca), &[&expired]).build(SystemTime::now()));
    assert!(found.len() == 1 && found[0].starts_with("`expired.crl`: revocation list expired at 20"), "{found:?}");
}

#[test]
fn all_problems_are_reported_at_once() {
    let bench = Bench::new();
    let missing = |file: &str| Pair { certificate: bench.pki.path(file), key: bench.pki.path(file), serial: 0 };
    let settings = ServerSettings {
        certificates: vec![certificate(&missing("a")), certificate(&missing("b"))],
        crl: vec![bench.pki.path("c"), bench.pki.path("d")],
        ..bench.settings()
    };
    assert_eq!(problems(&bench, settings.build(SystemTime::now())).len(), 4);
}

#[test]
fn what_will_be_wrong_soon_is_said_before() {
    let bench = Bench::new();
    let crl = bench.pki.revocation_list("crl.pem", &[], 30).unwrap();
    let settings = ServerSettings { crl: vec![crl], ..bench.settings() };
    let warnings =
        |days: u32| -> Vec<Warning> { settings.build(SystemTime::now() + days * DAY + DAY / 24).unwrap().warnings };
    assert_eq!(warnings(0), []);
    assert!(matches!(warnings(29).as_slice(), [Warning::RevocationListExpiresSoon { .. }]), "{:?}", warnings(29));
    let settings = bench.settings();
    let late = settings.build(SystemTime::now() + 340 * DAY).unwrap();
    assert!(matches!(late.warnings.as_slice(), [Warning::ExpiresSoon { .. }]), "{:?}", late.warnings);
    let ends: Vec<_> = late.expiries.iter().map(|expiry| (expiry.kind, expiry.file.clone())).collect();
    let own = (ExpiryKind::Certificate, bench.pki.path("server.pem"));
    assert_eq!(ends, [own, (ExpiryKind::Authority, bench.pki.path("ca.pem"))]);
}

#[test]
fn a_stale_list_is_an_error_under_deny_and_a_warning_under_allow_and_notice_is_a_setting() {
    let bench = Bench::new();
    let crl = bench.pki.revocation_list("crl.pem", &[], 30).unwrap();
    let at = |on_stale, notice_days: u32, day: u32| {
        let revocation = Revocation { on_stale, notice: notice_days * DAY };
        let settings = ServerSettings { crl: vec![crl.clone()], revocation, ..bench.settings() };
        settings.build(SystemTime::now() + day * DAY + DAY / 24)
    };
    let warned = |server: Result<Server, Vec<TlsError>>| server.unwrap().warnings;
    assert_eq!(warned(at(OnStale::Deny, 3, 26)), []);
    assert!(matches!(warned(at(OnStale::Deny, 3, 27)).as_slice(), [Warning::RevocationListExpiresSoon { .. }]));
    let error = problems(&bench, at(OnStale::Deny, 3, 31));
    assert!(error.len() == 1 && error[0].starts_with("`crl.pem`: revocation list expired at 20"), "{error:?}");
    let late = warned(at(OnStale::Allow, 3, 31));
    assert!(matches!(late.as_slice(), [Warning::RevocationListStale { on_stale: OnStale::Allow, .. }]), "{late:?}");
    assert!(late[0].to_string().ends_with("who was revoked since is let in"), "{}", late[0]);
}

#[test]
fn an_expired_ca_in_a_bundle_is_left_out_and_said() {
    let bench = Bench::new();
    let expired = bench.pki.expired_ca("expired-ca.pem").unwrap();
    let both = fs::read_to_string(&expired).unwrap() + &fs::read_to_string(bench.pki.path("ca.pem")).unwrap();
    let bundle = write(&bench, "bundle.pem", &both);
    let crl = bench.pki.revocation_list("crl.pem", &[], 30).unwrap();
    let server = build(&ServerSettings { client_ca: Some(bundle), crl: vec![crl], ..bench.settings() });
    assert!(matches!(server.warnings.as_slice(), [Warning::CaExpired { .. }]), "{:?}", server.warnings);
}

#[cfg(unix)]
#[test]
fn a_key_that_all_can_read_is_said() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::new();
    fs::set_permissions(bench.pki.path("server.key"), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(bench.server().warnings.as_slice(), [Warning::KeyReadableByAll { .. }]));
}

#[test]
fn revocation_lists_come_in_der_and_in_parts() {
    let bench = Bench::new();
    let pem = fs::read_to_string(bench.pki.revocation_list("new.pem", &[7], 30).unwrap()).unwrap();
    let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = bench.pki.path("list.crl");
    fs::write(&der, data_encoding::BASE64.decode(base64.as_bytes()).unwrap()).unwrap();
    let old = bench.pki.revocation_list("old.pem", &[8], 1).unwrap();
    let server = build(&ServerSettings { crl: vec![old, der], ..bench.settings() });
    let ends = server.expiries.iter().filter(|expiry| expiry.kind == ExpiryKind::RevocationList);
    assert_eq!(ends.count(), 2);
}

fn identity_of(bench: &Bench, pair: &Pair) -> Certificate {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    let chain: Vec<_> = CertificateDer::pem_file_iter(&pair.certificate).unwrap().map(Result::unwrap).collect();
    bench.server().guard.admit(Some(&chain), SystemTime::now()).unwrap().unwrap()
}

#[test]
fn a_certificate_gives_all_its_names() {
    let bench = Bench::new();
    let alternatives = ["press-4.plant.example", "urn://plant/press-4", "press@plant.example", "10.1.2.3", "fd00::4"];
    let subject = Subject {
        common_names: &["press-4", "admin"],
        organizational_unit: Some("presses"),
        alternatives: &alternatives,
        ..Subject::default()
    };
    let pair = bench.pki.issue("press", &subject).unwrap();
    let found = identity_of(&bench, &pair);
    assert_eq!(*found.common_names, ["press-4".into(), "admin".into()]);
    assert_eq!(found.common_name(), None, "two names are none");
    assert_eq!(*found.organizations, ["Plant".into()]);
    assert_eq!(*found.organizational_units, ["presses".into()]);
    assert_eq!(*found.dns_names, [alternatives[0].into()]);
    assert_eq!(*found.uris, [alternatives[1].into()]);
    assert_eq!(*found.emails, [alternatives[2].into()]);
    assert_eq!(found.ip_addresses, ["10.1.2.3".parse::<std::net::IpAddr>().unwrap(), "fd00::4".parse().unwrap()]);
    assert_eq!(&*found.issuer, "CN=Tidegate test CA,O=Tidegate");
    assert_eq!(*found.serial, pair.serial.to_be_bytes()[6..], "as DER has it");
    assert_ne!(found.fingerprint, [0; 32]);

    let bare = bench.pki.issue("bare", &Subject { common_names: &[], ..Subject::default() }).unwrap();
    assert_eq!(identity_of(&bench, &bare).common_names.len(), 0);
    let rsa = bench.pki.issue("rsa", &Subject { rsa: true, ..Subject::default() }).unwrap();
    assert_eq!(identity_of(&bench, &rsa).common_name(), Some("client"));
}

#[test]
fn the_system_trust_store_and_odd_names_are_dealt_with() {
    let bench = Bench::new();
    for (host, fine) in [("broker.example", true), ("10.0.0.1", true), ("::1", true), ("[::1]", true), ("a b", false)] {
        let client = bench.client_settings().build(SystemTime::now()).unwrap();
        assert_eq!(client.server_name(host).is_ok(), fine, "{host}");
        let settings = ClientSettings { server_name: Some(host.into()), ..bench.client_settings() };
        assert_eq!(settings.build(SystemTime::now()).is_ok(), fine, "{host}");
    }
    match ClientSettings::default().build(SystemTime::now()) {
        Ok(_) => {}
        Err(errors) => assert_eq!(errors, [TlsError::NoSystemRoots]),
    }
}
