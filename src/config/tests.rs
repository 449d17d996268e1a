//! What is taken and what is refused.

mod cases;
mod far;
mod identity;
mod payload;
mod policy;
mod rates;
mod shield;
mod signature;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use super::read::{Key, Table as _};
use super::*;
use crate::enforce::{Terms, ZeroKeepAlive};
use crate::mqtt::Version;

/// A folder with a policy and files that look like certificates.
fn folder(settings: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("policy")).unwrap();
    fs::write(folder.path().join("policy/policy.toml"), "version = \"7\"\npermit_all = true\n").unwrap();
    for file in ["gw.pem", "gw.key", "ca.pem", "list.crl"] {
        fs::write(folder.path().join(file), "").unwrap();
    }
    let path = folder.path().join("gateway.toml");
    fs::write(&path, settings).unwrap();
    (folder, path)
}

const SMALLEST: &str = r#"
policies = ["policy"]

[[listener]]
name = "field"
bind = "0.0.0.0:8883"
broker = "plant"
tls.certificate = "gw.pem"
tls.key = "gw.key"
tls.clients = "required"
tls.client_ca = "ca.pem"

[[broker]]
name = "plant"
servers = ["127.0.0.1:1883"]
"#;

/// The smallest start with more behind its listener, or why not.
fn with(more: &str) -> Result<Settings, Problems> {
    let (broker, listener) = SMALLEST
        .split_once("[[listener]]")
        .map(|(top, rest)| {
            let (listener, broker) = rest.split_once("[[broker]]").unwrap();
            (format!("{top}[[broker]]{broker}"), format!("[[listener]]{listener}"))
        })
        .unwrap();
    let (_folder, path) = folder(&format!("{broker}\n{listener}\n{more}"));
    load(&path)
}

fn taken(more: &str) -> Settings {
    with(more).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn the_smallest_secure_start_is_taken() {
    let (folder, path) = folder(SMALLEST);
    let settings = load(&path).unwrap_or_else(|problems| panic!("{problems}"));
    let listener = &settings.listeners[0];
    assert_eq!(listener.bind.to_string(), "0.0.0.0:8883");
    assert_eq!(listener.broker.servers[0].to_string(), "127.0.0.1:1883");
    let tls = listener.tls.as_ref().unwrap();
    assert_eq!(tls.clients, ClientAuth::Required { ca: folder.path().join("ca.pem") });
    assert_eq!(tls.certificates[0].certificate, folder.path().join("gw.pem"));
    assert_eq!(tls.certificates[0].key, folder.path().join("gw.key"));
    assert!(tls.resumption && tls.alpn.is_empty() && tls.crl.is_empty());
    assert_eq!(tls.min_version, TlsVersion::V12);
    assert!(listener.websocket.is_none());
    assert_eq!(listener.terms.versions, [Version::V31, Version::V311, Version::V50]);
    assert_eq!(listener.limits.max_packet_bytes, 16 << 20);
    assert_eq!(listener.deadlines.connect, Duration::from_secs(15));
    assert_eq!((listener.terms.max_keep_alive, listener.terms.zero_keep_alive), (65_535, ZeroKeepAlive::Allow));
    assert!(settings.policy.permits_all());
    assert_eq!(&**settings.policy.version(), "7");
    assert!(Arc::ptr_eq(&settings.policy, &listener.terms.policy));
    assert_eq!((settings.admin, settings.audit.file, settings.audit.on_full), (None, None, OnFull::Block));
    let kinds: Vec<Kind> = settings.warnings.iter().map(|warning| warning.kind).collect();
    assert_eq!(kinds, [Kind::Unsafe], "that of the policy");
}

#[test]
fn a_listener_takes_from_the_gateway_what_it_does_not_say() {
    let settings = taken(
        r#"
limits.max_filters = 7
deadlines.dial = "1s"
keep_alive.zero = "refuse"

[limits]
max_filters = 8
max_topic_levels = 9
max_connections = 100

[deadlines]
dial = "2s"
drain = "3s"

[keep_alive]
max = "1h"
"#,
    );
    let listener = &settings.listeners[0];
    let limits = &listener.limits;
    assert_eq!((limits.max_filters, limits.max_topic_levels, limits.max_connections), (7, 9, 100));
    assert_eq!(limits.max_half_open, Limits::default().max_half_open);
    assert_eq!(settings.limits.max_filters, 8);
    assert_eq!(listener.deadlines.dial, Duration::from_secs(1));
    assert_eq!(settings.drain, Duration::from_secs(3));
    assert_eq!((listener.terms.max_keep_alive, listener.terms.zero_keep_alive), (3600, ZeroKeepAlive::Refuse));
    assert_eq!((listener.terms.limits.max_filters, listener.terms.limits.max_topic_levels), (7, 9));
}

/// Each with a value of its own, so that none can stand in another's place.
#[test]
fn every_bound_of_a_listener_reaches_what_obeys_it() {
    let settings = taken(
        r#"
versions = ["3.1.1", "5.0"]
keep_alive = { max = "100s", zero = "replace" }
websocket = { path = "/ws", max_message_bytes = 20001 }
tcp = { keepalive = "101s", user_timeout = "102s" }

[listener.limits]
max_packet_bytes = 10001
max_connect_bytes = 10002
max_control_bytes = 10003
max_client_id_bytes = 10004
max_topic_bytes = 10005
max_topic_levels = 10006
max_user_properties = 9007
max_filters = 10008
max_subscriptions = 10009
receive_maximum = 10010
topic_alias_maximum = 10011
refuse_control_characters = false
stream_threshold_bytes = 10012
max_buffered_bytes = 20013
max_connections = 114
max_half_open = 115
max_connections_per_address = 116
max_connections_per_prefix = 117
max_half_open_per_address = 118
ipv4_prefix_bits = 19
ipv6_prefix_bits = 20

[listener.deadlines]
tls_handshake = "1s"
connect = "2s"
packet = "3s"
dial = "4s"
connack = "5s"
write = "6s"
"#,
    );
    let listener = &settings.listeners[0];
    let (terms, packets) = (&listener.terms, &listener.terms.limits);
    let sizes = [packets.max_packet_bytes, packets.max_connect_bytes, packets.max_control_bytes];
    assert_eq!(sizes, [10_001, 10_002, 10_003]);
    let fields = [packets.max_client_id_bytes, packets.max_topic_bytes, packets.max_topic_levels];
    assert_eq!(fields, [10_004, 10_005, 10_006]);
    assert_eq!((packets.max_user_properties, packets.max_filters), (9007, 10_008));
    assert!(!packets.refuse_control_characters);
    assert_eq!((terms.max_subscriptions, terms.receive_maximum, terms.topic_alias_maximum), (10_009, 10_010, 10_011));
    assert_eq!((terms.stream_threshold_bytes, terms.max_buffered_bytes), (10_012, 20_013));
    assert_eq!(terms.versions, [Version::V311, Version::V50]);
    assert_eq!((terms.max_keep_alive, terms.zero_keep_alive), (100, ZeroKeepAlive::Replace));
    let seconds = Duration::from_secs;
    assert_eq!((terms.packet_deadline, terms.connack_deadline), (seconds(3), seconds(5)));
    let Deadlines { tls_handshake, connect, dial, write, .. } = listener.deadlines;
    assert_eq!([tls_handshake, connect, dial, write], [1, 2, 4, 6].map(seconds));
    let limits = &listener.limits;
    assert_eq!((limits.max_connections, limits.max_half_open), (114, 115));
    assert_eq!((limits.max_connections_per_address, limits.max_connections_per_prefix), (116, 117));
    assert_eq!((limits.max_half_open_per_address, limits.ipv4_prefix_bits, limits.ipv6_prefix_bits), (118, 19, 20));
    assert_eq!((listener.tcp.keepalive, listener.tcp.user_timeout), (seconds(101), seconds(102)));
    let websocket = listener.websocket.as_ref().unwrap();
    assert_eq!((websocket.path.as_str(), websocket.max_message_bytes), ("/ws", 20_001));
    assert_eq!(settings.limits.max_connections, Limits::default().max_connections, "the process has its own");
}

#[test]
fn durations_are_numbers_with_units() {
    let dial = |text: &str| with(&format!("deadlines.dial = \"{text}\"")).ok().map(|s| s.listeners[0].deadlines.dial);
    let millis = |millis| Some(Duration::from_millis(millis));
    let cases = [
        ("500ms", millis(500)),
        ("10s", millis(10_000)),
        ("1m30s", millis(90_000)),
        ("1m500ms", millis(60_500)),
        ("0h1s", millis(1000)),
        ("60m", millis(3_600_000)),
        ("60m1ms", None),
        ("1s1s", None),
        ("1s1m", None),
        ("10", None),
        ("s", None),
        ("-1s", None),
        ("1.5s", None),
        (" 1s", None),
        ("1 s", None),
        ("1S", None),
        ("\u{0661}s", None),
        ("18446744073709551615d", None),
    ];
    for (text, expected) in cases {
        assert_eq!(dial(text), expected, "{text}");
    }
}

#[test]
fn sizes_are_bytes_or_have_a_unit() {
    let size = |text: &str| {
        with(&format!("limits.max_packet_bytes = {text}")).ok().map(|s| s.listeners[0].limits.max_packet_bytes)
    };
    let cases = [
        ("65536", Some(65_536)),
        ("65_536", Some(65_536)),
        ("0x10000", Some(65_536)),
        ("\"64KiB\"", Some(65_536)),
        ("\"64 KiB\"", None),
        ("\"65536B\"", Some(65_536)),
        ("\"256MiB\"", Some(256 << 20)),
        ("\"257MiB\"", None),
        ("127", None),
        ("0", None),
        ("-65536", None),
        ("\"65536\"", None),
        ("\"64kB\"", None),
        ("\"KiB\"", None),
        ("\"+64KiB\"", None),
        ("\"99999999999999999GiB\"", None),
        ("64.0", None),
    ];
    for (text, expected) in cases {
        assert_eq!(size(text), expected, "{text}");
    }
}

#[test]
fn addresses_of_the_sixth_version_are_taken() {
    let settings = taken("[admin]\nbind = \"[::1]:9464\"\n");
    assert_eq!(settings.admin.unwrap().to_string(), "[::1]:9464");
    let servers = SMALLEST.replace("127.0.0.1:1883", "[fd00::5]:1883");
    let (_folder, path) = folder(&servers);
    let settings = load(&path).unwrap();
    assert_eq!(settings.brokers[0].servers, [Server { host: "fd00::5".to_owned(), port: 1883 }]);
    assert_eq!(settings.brokers[0].servers[0].to_string(), "[fd00::5]:1883");
}

#[test]
fn certificates_by_name_stand_beside_or_in_place_of_the_single_one() {
    let more =
        r#"tls.certificates = [{ certificate = "gw.pem", key = "gw.key", server_names = ["a.plant", "*.b.plant"] }]"#;
    let names = |settings: Settings| {
        let tls = settings.listeners[0].tls.clone().unwrap();
        tls.certificates.into_iter().map(|pair| pair.server_names).collect::<Vec<_>>()
    };
    let wanted = vec!["a.plant".to_owned(), "*.b.plant".to_owned()];
    assert_eq!(names(taken(more)), [Vec::new(), wanted.clone()]);
    let single = "tls.certificate = \"gw.pem\"\ntls.key = \"gw.key\"\n";
    let (_folder, path) = folder(&SMALLEST.replace(single, &format!("{more}\n")));
    assert_eq!(names(load(&path).unwrap()), [wanted]);
}

#[test]
fn a_file_that_is_no_text_or_is_too_large_is_refused() {
    let (folder, path) = folder("");
    let kinds = |path: &Path| load(path).unwrap_err().iter().map(|problem| problem.kind).collect::<Vec<_>>();
    fs::write(&path, b"name = \"\xff\"").unwrap();
    assert_eq!(kinds(&path), [Kind::Unreadable]);
    fs::write(&path, " ".repeat((1 << 20) + 1)).unwrap();
    assert_eq!(kinds(&path), [Kind::Unreadable]);
    assert_eq!(kinds(folder.path()), [Kind::Unreadable]);
    assert_eq!(kinds(&folder.path().join("gone.toml")), [Kind::Unreadable]);
}

#[test]
fn problems_tell_programs_where_they_are() {
    let problems = with("limits.max_filtres = 1").unwrap_err();
    let problem = problems.iter().next().unwrap().to_json();
    assert_eq!(problem["kind"], "unknown_key");
    assert_eq!((problem["line"].as_u64(), problem["column"].as_u64()), (Some(18), Some(8)));
    assert_eq!(problem["help"], "did you mean `max_filters`?");
}

#[test]
fn every_default_is_within_its_own_range() {
    fn check(path: &str, keys: &[Key]) {
        for key in keys.iter().filter(|key| key.keys.is_empty()) {
            let Some(default) = key.default.as_ref() else { continue };
            assert!(with(&format!("[{path}]\n{} = {default}", key.name)).is_ok(), "{path}.{}", key.name);
        }
    }
    for key in tables::Gateway::keys() {
        check(key.name, if key.is_list { &[] } else { &key.keys });
    }
}

#[test]
fn every_key_is_documented() {
    fn check(path: &str, keys: &[Key]) {
        for key in keys {
            assert!(key.doc.ends_with('.'), "{path}{}: {}", key.name, key.doc);
            check(&format!("{path}{}.", key.name), &key.keys);
        }
    }
    check("", &tables::Gateway::keys());
}

#[test]
fn hints_are_near() {
    let known = ["certificate", "key", "clients", "client_ca"];
    let cases = [
        ("certficate", Some("certificate")),
        ("client-ca", Some("client_ca")),
        ("Key", Some("key")),
        ("cleints", Some("clients")),
        ("password", None),
        ("", None),
    ];
    for (word, expected) in cases {
        assert_eq!(read::nearest(word, known.into_iter()), expected, "{word}");
    }
}

#[test]
fn the_terms_of_the_smallest_start_are_the_documented_defaults() {
    let settings = taken("");
    let terms = &settings.listeners[0].terms;
    let limits = Limits::default();
    let documented = Terms::new(terms.limits.clone(), Arc::clone(&settings.policy));
    assert_eq!(terms.versions, documented.versions);
    assert_eq!(terms.max_keep_alive, documented.max_keep_alive);
    assert_eq!(terms.zero_keep_alive, documented.zero_keep_alive);
    assert_eq!(terms.receive_maximum, documented.receive_maximum);
    assert_eq!(terms.topic_alias_maximum, documented.topic_alias_maximum);
    assert_eq!(terms.max_subscriptions, documented.max_subscriptions);
    assert_eq!(terms.stream_threshold_bytes, documented.stream_threshold_bytes);
    assert_eq!(terms.max_buffered_bytes, documented.max_buffered_bytes);
    assert_eq!(terms.packet_deadline, documented.packet_deadline);
    assert_eq!(terms.connack_deadline, documented.connack_deadline);
    assert_eq!(terms.limits.max_packet_bytes, limits.max_packet_bytes);
}

#[test]
fn a_file_cut_or_altered_anywhere_is_taken_or_refused_and_never_more() {
    let (_folder, path) = folder("");
    for at in 0..SMALLEST.trim_end().len() - 1 {
        fs::write(&path, &SMALLEST.as_bytes()[..at]).unwrap();
        assert!(load(&path).is_err(), "cut at {at}");
        for byte in *b"\"[" {
            let mut altered = SMALLEST.as_bytes().to_vec();
            altered[at] = byte;
            fs::write(&path, altered).unwrap();
            if let Err(problems) = load(&path) {
                assert!(!problems.to_string().is_empty(), "`{}` at {at}", char::from(byte));
            }
        }
    }
}
