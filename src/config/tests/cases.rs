//! Cases: what a file says reaches whoever asks the policy.

use super::*;
use crate::config::cases::{self, Case, Expect};
use crate::identity::{Identity, Method};
use crate::mqtt::frame::QoS;
use crate::policy::{Reason, Request};

fn read(text: &str) -> Result<Vec<Case>, Problems> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("cases.toml"), text).unwrap();
    cases::load(folder.path())
}

fn identity(said: &str) -> Identity {
    let text = format!("[[case]]\nname = \"n\"\nas = {{ {said} }}\nconnect = true\nexpect = \"allow\"\n");
    read(&text).unwrap_or_else(|problems| panic!("{problems}")).remove(0).identity
}

#[test]
fn a_client_of_a_case_has_the_name_that_proves_it_by_default() {
    for (said, name, method) in [
        ("", None, Method::Unproven),
        ("client_id = \"c\"", None, Method::Unproven),
        ("certificate.cn = \"a\", username = \"u\"", Some("a"), Method::Certificate),
        ("certificate = { cn = [\"a\", \"b\"] }", None, Method::Unproven),
        ("certificate = { cn = [\"a\", \"b\"] }, username = \"u\"", Some("u"), Method::Password),
        ("username = \"u\"", Some("u"), Method::Password),
        ("username = \"u\", method = \"unproven\"", None, Method::Unproven),
        ("identity = \"i\"", Some("i"), Method::Password),
        ("identity = \"i\", certificate.ou = \"o\"", Some("i"), Method::Certificate),
        ("identity = \"i\", method = \"token\", username = \"u\"", Some("i"), Method::Token),
        ("method = \"anonymous\", username = \"u\"", None, Method::Anonymous),
    ] {
        let identity = identity(said);
        assert_eq!((identity.name.as_deref(), identity.method), (name, method), "{said}");
    }
}

#[test]
fn everything_known_of_a_client_can_be_said() {
    let identity = identity(
        r#"listener = "field", address = "10.1.2.3", client_id = "c", username = "u",
        claim = { site = "north", roles = ["a", "b"] },
        certificate = { cn = "cn", o = "o", ou = ["ou1", "ou2"], dns = "d", uri = "u:1", email = "e", ip = "::1",
        spiffe = "spiffe://x/y", issuer = "CN=ca", serial = "0A1b",
        fingerprint = "00000000000000000000000000000000000000000000000000000000000000ff" }"#,
    );
    assert_eq!((&*identity.listener, &*identity.client_id, identity.username.as_deref()), ("field", "c", Some("u")));
    assert_eq!(identity.source.ip().to_string(), "10.1.2.3");
    let claims: Vec<(&str, &str)> = identity.claims.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(claims, [("roles", "a"), ("roles", "b"), ("site", "north")]);
    let certificate = identity.certificate.unwrap();
    assert_eq!(certificate.organizational_units, ["ou1".into(), "ou2".into()]);
    assert_eq!(certificate.uris, ["u:1".into(), "spiffe://x/y".into()]);
    assert_eq!(
        (&*certificate.issuer, &*certificate.serial, certificate.fingerprint[31]),
        ("CN=ca", &[0x0a, 0x1b][..], 255)
    );
}

#[test]
fn each_kind_of_request_is_asked_as_it_is_written() {
    let asked = |said: &str| {
        let text = format!("[[case]]\nname = \"n\"\nexpect = \"deny\"\n{said}\n");
        let case = read(&text).unwrap_or_else(|problems| panic!("{problems}")).remove(0);
        case.requests().iter().map(|request| format!("{request:?}")).collect::<Vec<_>>().join(" then ")
    };
    let message =
        |bytes: usize| format!("Message {{ topic: \"a/b\", qos: One, retain: true, payload_bytes: {bytes}, .. }}");
    let flags = "qos = 1\nretain = true";
    assert_eq!(
        asked("connect = true"),
        "Connect(Connect { version: V50, clean_start: true, session_expiry: 0, enhanced_authentication: false, client_id_bytes: 0 })"
    );
    assert_eq!(asked(&format!("publish = \"a/b\"\n{flags}\npayload = \"xyz\"")), format!("Publish({})", message(3)));
    assert_eq!(asked(&format!("publish = \"a/b\"\n{flags}\nwill = true")), format!("Will({})", message(0)));
    assert_eq!(asked(&format!("receive = \"a/b\"\n{flags}\npayload_bytes = 9")), format!("Receive({})", message(9)));
    let request = asked(&format!("publish = \"a/b\"\n{flags}\nresponse_topic = \"r\""));
    assert_eq!(request, format!("Publish({}) then Respond(\"r\")", message(0)));
    assert_eq!(
        asked("subscribe = \"$share/g/a/#\"\nqos = 2\nidentifier = true"),
        "Subscribe(Subscription { filter: \"$share/g/a/#\", qos: Two, has_identifier: true })"
    );
}

#[test]
fn what_must_be_said_is_read_with_the_time() {
    let text = r#"
[[case]]
name = "at night"
publish = "a"
at = 2026-11-22T03:00:00+01:00
expect = "deny"
rule = "default"
reason = "not_authorized"

[[case]]
name = "by day"
subscribe = "a"
at = "2026-11-22T12:00:00Z"
expect = "allow"
max_qos = 1
"#;
    let cases = read(text).unwrap_or_else(|problems| panic!("{problems}"));
    let [night, day] = cases.as_slice() else { panic!("{cases:?}") };
    assert_eq!((night.at, night.expect, night.rule.as_deref()), (Some(1_795_312_800), Expect::Deny, Some("default")));
    assert_eq!((night.reason, night.max_qos), (Some(Reason::NotAuthorized), None));
    assert_eq!((day.at, day.expect, day.max_qos), (Some(1_795_348_800), Expect::Allow, Some(QoS::One)));
    assert!(matches!(night.requests().as_slice(), [Request::Publish(message)] if message.payload == Some(b"")));
    assert!(night.failed("found allow").to_string().contains(":6:10"), "{}", night.failed("found allow"));
}
