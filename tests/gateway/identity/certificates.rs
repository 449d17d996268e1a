//! Names in client certificates, and what the client calls itself beside them.

use super::passwords::{CHEAP, file};
use super::{BAD_CREDENTIALS, CLIENT_IDENTIFIER, NOT_AUTHORIZED, Outcome, dial, judge, with_login};
use crate::support::gateway::{Door, Gateway, Setup};
use crate::support::pki::{Pair, Subject};
use crate::support::recording_broker::RecordingBroker;
use crate::support::wire::{Connect, V3_1_1, V5_0, VERSIONS};

const DEVICE: Subject<'_> = Subject {
    common_names: &["device-7"],
    organizational_unit: Some("sensors"),
    alternatives: &["pump-7.plant", "spiffe://plant/line1/pump-7", "pump-7@plant.example", "192.0.2.7"],
    usage: crate::support::pki::Usage::Client,
    days: (-1, 365),
    rsa: false,
};

fn setup(broker: &RecordingBroker, lines: &str) -> Gateway {
    Setup::to(broker.address).only(&[Door::Tls]).each_listener(lines).start()
}

fn papers(gateway: &Gateway, subject: &Subject<'_>) -> Pair {
    gateway.pki.issue("shown", subject).expect("a certificate")
}

/// Who a client with this certificate is under these settings.
fn check(lines: &str, subject: &Subject<'_>, expected: Result<&str, &str>) {
    let broker = RecordingBroker::polite();
    let gateway = setup(&broker, &format!("identity.sources = [\"certificate\"]\n{lines}"));
    let papers = papers(&gateway, subject);
    let judged = judge(&gateway, dial(&gateway, Door::Tls, Some(&papers)), &Connect::new(V5_0, "c"));
    let expected = match expected {
        Ok(name) => Outcome::known(name, "certificate"),
        Err(rule) => Outcome::refused(NOT_AUTHORIZED.1, rule),
    };
    assert_eq!(judged, expected, "{lines}");
    assert_eq!(broker.connections(), usize::from(judged.rule.is_none()));
}

#[test]
fn each_name_of_a_certificate_can_say_who_its_owner_is() {
    check("", &DEVICE, Ok("device-7"));
    for (name, expected) in [
        ("cn", "device-7"),
        ("ou", "sensors"),
        ("o", "Plant"),
        ("dns", "pump-7.plant"),
        ("uri", "spiffe://plant/line1/pump-7"),
        ("spiffe", "spiffe://plant/line1/pump-7"),
        ("email", "pump-7@plant.example"),
        ("ip", "192.0.2.7"),
    ] {
        check(&format!("identity.certificate.name = \"{name}\""), &DEVICE, Ok(expected));
    }
}

#[test]
fn a_name_that_is_missing_or_there_twice_is_no_name() {
    let nobody = Err("identity.certificate");
    check("", &Subject { common_names: &["a", "b"], ..DEVICE }, nobody);
    check("", &Subject { common_names: &[], ..DEVICE }, nobody);
    check("identity.certificate.name = \"dns\"", &Subject { alternatives: &["a.plant", "b.plant"], ..DEVICE }, nobody);
    check("identity.certificate.name = \"dns\"", &Subject { alternatives: &[], ..DEVICE }, nobody);
    let two = Subject { alternatives: &["https://plant/pump-7", "spiffe://plant/pump-7"], ..DEVICE };
    check("identity.certificate.name = \"spiffe\"", &two, Ok("spiffe://plant/pump-7"));
    check("identity.certificate.name = \"uri\"", &two, nobody);
}

#[test]
fn a_pattern_takes_a_part_of_the_name() {
    let pattern = |name: &str, pattern: &str| {
        format!("identity.certificate.name = \"{name}\"\nidentity.certificate.pattern = '{pattern}'")
    };
    check(&pattern("cn", "device-(.+)"), &DEVICE, Ok("7"));
    check(&pattern("spiffe", "spiffe://plant/[^/]+/(.+)"), &DEVICE, Ok("pump-7"));
    check(&pattern("cn", "pump-(.+)"), &DEVICE, Err("identity.certificate"));
    check(&pattern("cn", "evice-(.+)"), &DEVICE, Err("identity.certificate"));
    check(&pattern("cn", "device-7(.*)"), &DEVICE, Err("identity.certificate"));
}

#[test]
fn client_identifier_and_user_name_are_held_to_the_identity() {
    let broker = RecordingBroker::polite();
    let lines = "identity.sources = [\"certificate\"]\nidentity.client_id = [\"${identity}\", \"${identity}-*\"]\n\
                 identity.username = [\"${certificate.ou}\"]";
    let gateway = setup(&broker, lines);
    let papers = papers(&gateway, &DEVICE);
    for version in VERSIONS {
        let ask = |client_id: String, username: &str| {
            let connect = match username {
                "" => Connect::new(version, &client_id),
                name => with_login(version, &client_id, name, Some("never looked at")),
            };
            judge(&gateway, dial(&gateway, Door::Tls, Some(&papers)), &connect)
        };
        let known = || Outcome::known("device-7", "certificate");
        assert_eq!(ask(format!("device-7-{version}"), "sensors"), known());
        let client_id = || Outcome::refused(CLIENT_IDENTIFIER.of(version), "identity.client_id");
        assert_eq!(ask(format!("device-8-{version}"), "sensors"), client_id());
        assert_eq!(ask(format!("DEVICE-7-{version}"), "sensors"), client_id());
        let username = || Outcome::refused(NOT_AUTHORIZED.of(version), "identity.username");
        assert_eq!(ask(format!("device-7-a-{version}"), "operators"), username());
        assert_eq!(ask(format!("device-7-b-{version}"), ""), username());
    }
    assert_eq!(broker.connections(), 3);
}

#[test]
fn sources_are_asked_in_the_order_of_the_settings_alone_or_all() {
    let broker = RecordingBroker::polite();
    let start = |require: &str| {
        Setup::to(broker.address)
            .only(&[Door::Tls])
            .tls_clients("optional")
            .file("passwords", &file(&[("operator", "right")], CHEAP))
            .each_listener(&format!(
                "identity.sources = [\"certificate\", \"password\"]\nidentity.require = \"{require}\"\n\
                 identity.password.files = [\"passwords\"]"
            ))
            .start()
    };
    let wrong = Outcome::refused(BAD_CREDENTIALS.0, "identity.password");
    let nothing = Outcome::refused(NOT_AUTHORIZED.0, "identity");
    let nameless = Outcome::refused(NOT_AUTHORIZED.0, "identity.certificate");
    let certified = Outcome::known("device-7", "certificate");
    let operator = Outcome::known("operator", "password");
    for (require, cases) in [
        ("any", [&certified, &certified, &operator, &wrong, &nothing, &nameless]),
        ("all", [&certified, &wrong, &nothing, &nothing, &nothing, &nameless]),
    ] {
        let gateway = start(require);
        let named = papers(&gateway, &DEVICE);
        let unnamed = gateway.pki.issue("unnamed", &Subject { common_names: &[], ..DEVICE }).expect("a certificate");
        let asked = [
            (Some(&named), Some("right")),
            (Some(&named), Some("wrong")),
            (None, Some("right")),
            (None, Some("wrong")),
            (None, None),
            (Some(&unnamed), Some("right")),
        ];
        for (number, ((papers, password), expected)) in asked.iter().zip(cases).enumerate() {
            let client_id = format!("c{number}");
            let connect = match password {
                Some(_) => with_login(V3_1_1, &client_id, "operator", *password),
                None => Connect::new(V3_1_1, &client_id),
            };
            let judged = judge(&gateway, dial(&gateway, Door::Tls, *papers), &connect);
            assert_eq!(judged, *expected, "{require} {number}");
        }
    }
}
