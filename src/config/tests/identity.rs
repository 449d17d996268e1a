//! Who the clients of a listener are: what a file says reaches whoever asks them.

use super::*;
use crate::credentials::token::Algorithm;
use crate::identity::Attribute;

fn identity(said: &str) -> IdentitySettings {
    taken(&format!("[listener.identity]\n{said}\n")).listeners[0].identity.clone().unwrap()
}

#[test]
fn every_source_reaches_what_asks_it_in_order() {
    let settings = identity(
        r#"
sources = ["http", "token", "certificate", "password", "address", "anonymous"]
client_id = ["${identity}", "${identity}-*"]
username = ["${certificate.cn}"]
certificate = { name = "uri", pattern = 'urn:device:(\w+)' }
password.files = ["ca.pem"]
address = { from = ["10.1.0.0/16", "::1"], name = "address" }
[listener.identity.token]
keys = "ca.pem"
carrier = "username"
algorithms = ["ES256", "EdDSA"]
issuer = "https://issuer"
audience = ["plant", "other"]
leeway = "5s"
name = "device.id"
max_lifetime = "1d"
require_expiry = false
[listener.identity.http]
url = "https://auth.plant/mqtt?x=1"
ca = "ca.pem"
timeout = "1s"
cache = "2s"
negative_cache = "3s"
max_cached = 4
max_open = 5
max_failures = 6
pause = "7s"
on_error = "allow"
"#,
    );
    let labels: Vec<&str> = settings.sources.iter().map(IdentitySource::label).collect();
    assert_eq!(labels, ["http", "token", "certificate", "password", "address", "anonymous"]);
    let [http, token, certificate, password, address, _] = settings.sources.as_slice() else { panic!("{settings:?}") };
    let IdentitySource::Http(http) = http else { panic!("{http:?}") };
    assert_eq!(http.url.to_string(), "https://auth.plant:443/mqtt?x=1");
    let seconds = [http.timeout, http.cache, http.negative_cache, http.pause].map(|time| time.as_secs());
    assert_eq!((seconds, http.max_cached, http.max_open, http.max_failures), ([1, 2, 3, 7], 4, 5, 6));
    assert_eq!((http.on_error, http.ca.is_some(), http.authorization.is_none()), (OnError::Allow, true, true));
    let IdentitySource::Token(token) = token else { panic!("{token:?}") };
    let verifier = &token.verifier;
    assert_eq!(
        (token.carrier, verifier.algorithms.as_slice()),
        (TokenCarrier::Username, &[Algorithm::Es256, Algorithm::EdDsa][..])
    );
    assert_eq!((verifier.issuer.as_deref(), &*verifier.name_claim), (Some("https://issuer"), "device.id"));
    assert_eq!(verifier.audiences, ["plant".into(), "other".into()]);
    assert_eq!(
        (verifier.leeway_seconds, verifier.max_lifetime_seconds, verifier.require_expiry),
        (5, Some(86_400), false)
    );
    let IdentitySource::Certificate(certificate) = certificate else { panic!("{certificate:?}") };
    assert_eq!(certificate.name, Attribute::CertificateUri);
    let pattern = certificate.pattern.as_ref().unwrap();
    assert_eq!(pattern.capture("urn:device:temp_07"), Some("temp_07"));
    let IdentitySource::Password(password) = password else { panic!("{password:?}") };
    assert!(password.files[0].ends_with("ca.pem"));
    let IdentitySource::Address(address) = address else { panic!("{address:?}") };
    assert_eq!((address.from.len(), address.name), (2, AddressName::Address));
    assert_eq!(settings.client_id[1].as_str(), "${identity}-*");
    assert_eq!((settings.username.len(), settings.require), (1, Require::Any));
}

#[test]
fn a_pattern_matches_the_whole_of_a_name_and_takes_a_part() {
    for (pattern, name, expected) in [
        ("^device-(.+)$", "device-07", Some("07")),
        ("device-(.+)", "device-07", Some("07")),
        ("device-(.+)", "my-device-07", None),
        ("device-(.*)", "device-", None),
        ("(a)|b", "ab", None),
        ("(a)|b", "b", None),
        ("([a-z]+)-\\d+", "temp-07", Some("temp")),
        ("([a-z]+)-\\d+", "temp-٠٧", None),
        ("(?i)DEVICE-(.+)", "device-x", Some("x")),
        ("(é+)", "éé", Some("éé")),
        ("(.)", "é", None),
        ("(?s:(.+))", "a\nb", Some("a\nb")),
        ("(.+)", "a\nb", None),
    ] {
        let compiled = NamePattern::new(pattern).unwrap();
        assert_eq!(compiled.capture(name), expected, "{pattern} {name}");
        assert_eq!(compiled.as_str(), pattern);
    }
    for refused in ["device", "(a)(b)", "a)(b", "(", "(?:a)", "((((a{1000}){1000}){1000}){1000})", "(a)|(b)"] {
        assert!(NamePattern::new(refused).is_err(), "{refused}");
    }
}

#[test]
fn addresses_of_services_are_taken_apart_strictly() {
    let url = |text: &str| {
        let settings = with(&format!("identity = {{ sources = [\"http\"], http.url = \"{text}\" }}")).ok()?;
        let IdentitySource::Http(http) = settings.listeners[0].identity.clone()?.sources.remove(0) else { return None };
        Some(http.url.to_string())
    };
    for (text, expected) in [
        ("http://auth", Some("http://auth:80/")),
        ("https://auth", Some("https://auth:443/")),
        ("http://auth:8080/a/b?c=d", Some("http://auth:8080/a/b?c=d")),
        ("http://[::1]:8080", Some("http://[::1]:8080/")),
        ("http://[::1]/x", Some("http://[::1]:80/x")),
        ("http://10.0.0.1?x", Some("http://10.0.0.1:80/?x")),
        ("http://user@auth/", None),
        ("http://user:word@auth/", None),
        ("http://auth/#x", None),
        ("http://auth/a b", None),
        ("http://auth:0/", None),
        ("http://auth:99999/", None),
        ("http://", None),
        ("http:///x", None),
        ("ftp://auth/", None),
        ("auth/x", None),
    ] {
        assert_eq!(url(text).as_deref(), expected, "{text}");
    }
}

const RULES: &str = "version = \"8\"\n[[grant]]\nid = \"g\"\nroles = [\"everyone\"]\npublish = [\"t\"]\n";

#[test]
fn under_a_policy_with_rules_the_clients_of_a_listener_are_somebody() {
    let kinds = |settings: &str| {
        let (folder, path) = folder(settings);
        fs::write(folder.path().join("policy/policy.toml"), RULES).unwrap();
        let loaded = load(&path);
        match loaded {
            Ok(settings) => Ok(settings.listeners[0].identity.clone().map(|identity| identity.sources.len())),
            Err(problems) => Err(problems.iter().filter(|p| p.is_error()).map(|p| p.kind).collect::<Vec<_>>()),
        }
    };
    assert_eq!(kinds(SMALLEST), Ok(Some(1)), "the one Common Name");
    let tls = SMALLEST.split_once("tls.certificate").unwrap().1.split_once("\n\n").unwrap().0;
    let plain = SMALLEST.replace(&format!("tls.certificate{tls}"), "");
    assert_eq!(kinds(&plain), Err(vec![Kind::NoIdentity]));
    let unasked = SMALLEST.replace("\"required\"", "\"none\"").replace("tls.client_ca = \"ca.pem\"\n", "");
    assert_eq!(kinds(&unasked), Err(vec![Kind::NoIdentity]));
    let anyone = plain.replace("broker = \"plant\"", "broker = \"plant\"\nidentity.sources = [\"anonymous\"]");
    assert_eq!(kinds(&anyone), Ok(Some(1)));
    let (_folder, path) = folder(&plain);
    assert!(load(&path).unwrap().listeners[0].identity.is_none(), "a policy that permits everything asks nobody");
}

#[test]
fn what_a_load_balancer_says_is_taken_from_it_alone() {
    let settings = taken("[listener.proxy_protocol]\nfrom = [\"10.0.0.0/8\"]\n");
    let proxy = settings.listeners[0].proxy_protocol.clone().unwrap();
    assert!(proxy.required && proxy.from[0].contains("10.2.3.4".parse().unwrap()));
    assert!(with("[listener.proxy_protocol]\nfrom = []\n").is_err(), "nobody may");
    assert!(with("[listener.proxy_protocol]\nrequired = true\n").is_err(), "anybody may");
}
