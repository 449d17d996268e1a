//! Quarantined messages, as an operator sees them who subscribes to the quarantine topic at a real Mosquitto.

use super::{plain, setup};
use crate::support::gateway::Gateway;
use crate::support::mosquitto::Mosquitto;
use crate::support::raw_client::RawClient;
use crate::support::wire::{self, V3_1_1, V5_0, VERSIONS};

/// How many messages that were to be quarantined came to that.
fn outcomes(gateway: &Gateway, outcome: &str) -> String {
    gateway.metric("tidegate_quarantine_total", &[&format!("outcome=\"{outcome}\"")]).to_string()
}

/// A client of the broker's own that sees all that is quarantined.
fn operator(broker: &Mosquitto, version: u8) -> RawClient {
    let mut client = RawClient::connect(broker.address, &plain(version, "operator"));
    client.send(&wire::subscribe(version, 1, &[("quarantine/#", 2)]));
    assert_eq!(client.frame()[0], 0x90);
    client
}

#[test]
#[ignore = "until the gateway has a connection of its own"]
fn an_operator_sees_what_was_refused_by_whom_and_why() {
    let broker = Mosquitto::start();
    let gateway = setup(broker.address).start();
    let mut operator = operator(&broker, V5_0);
    for version in VERSIONS {
        for qos in 0..3_u8 {
            let mut client = RawClient::connect(gateway.plain(), &plain(version, "temp-07"));
            let expiry: &[u8] = if version == V5_0 { &[0x26, 0, 1, b'k', 0, 1, b'v'] } else { &[] };
            client.send(&wire::publish(version, qos << 1 | 1, "hold/line1", 9, expiry, b"99.5"));
            let seen = operator.frame();
            let topic = "quarantine/not_authorized/hold/hold/line1";
            let mut properties = Vec::new();
            if version == V5_0 {
                for (name, value) in [
                    ("tidegate-reason", "not_authorized"),
                    ("tidegate-rule", "hold"),
                    ("tidegate-policy-version", "rows"),
                    ("tidegate-identity", "temp-07"),
                    ("k", "v"),
                ] {
                    properties.extend([&[0x26][..], &wire::string(name), &wire::string(value)].concat());
                }
            }
            assert_eq!(seen, wire::publish(V5_0, 0, topic, 0, &properties, b"99.5"), "QoS 0 and not retained");
        }
    }
    gateway.wait_audit(&[("event", "refused"), ("on_deny", "quarantine"), ("quarantine", "published")]);
}

#[test]
#[ignore = "until the gateway has a connection of its own"]
fn a_refused_delivery_is_seen_too_and_never_again() {
    let broker = Mosquitto::start();
    let gateway = setup(broker.address).start();
    let mut operator = operator(&broker, V3_1_1);
    // A dashboard that asks for everything gets what it may have, without what it sent to quarantine itself.
    let mut dashboard = RawClient::connect(gateway.plain(), &plain(V3_1_1, "dashboard-1"));
    dashboard.send(&wire::subscribe(V3_1_1, 1, &[("#", 2)]));
    assert_eq!(dashboard.frame(), wire::packet(0x90, &[0, 1, 2]));
    let mut publisher = RawClient::connect(broker.address, &plain(V3_1_1, "publisher"));
    publisher.send(&wire::publish(V3_1_1, 2, "hold/recipe", 9, &[], b"secret"));
    operator.expect(&wire::publish(V3_1_1, 0, "quarantine/not_authorized/hold/hold/recipe", 0, &[], b"secret"));
    publisher.send(&wire::publish(V3_1_1, 0, "free/a", 0, &[], b"x"));
    dashboard.expect(&wire::publish(V3_1_1, 0, "free/a", 0, &[], b"x"));
    // What comes back to it is refused by default, and that is the end of it.
    gateway.wait_audit(&[
        ("event", "refused"),
        ("rule", "default"),
        ("topic", "quarantine/not_authorized/hold/hold/recipe"),
    ]);
    assert_eq!(outcomes(&gateway, "published"), "1");
}

#[test]
#[ignore = "until the gateway has a connection of its own"]
fn with_quarantine_by_default_nothing_goes_round_in_circles() {
    let broker = Mosquitto::start();
    let policy = "version = \"rows\"\non_deny = \"quarantine\"\nquarantine_topic = \"held/back\"\n[[role]]\n\
                  name = \"dashboard\"\nmatch = { client_id = \"dashboard*\" }\non_broad_subscription = \"filter\"\n\
                  [[grant]]\nid = \"free\"\nroles = [\"everyone\"]\nsubscribe = [\"free/#\"]\npublish = [\"free/#\"]\n";
    let gateway = setup(broker.address).policy(policy).start();
    let mut dashboard = RawClient::connect(gateway.plain(), &plain(V5_0, "dashboard-1"));
    dashboard.send(&wire::subscribe(V5_0, 1, &[("#", 1)]));
    assert_eq!(dashboard.frame()[0], 0x90);
    dashboard.send(&wire::publish(V5_0, 2, "other/a", 2, &[], b"x"));
    dashboard.expect(&super::refusal(V5_0, wire::PUBACK, 2, 0x87));
    gateway.wait_audit(&[
        ("event", "refused"),
        ("quarantine", "again"),
        ("topic", "held/back/not_authorized/default/other/a"),
    ]);
    dashboard.send(&wire::publish(V5_0, 0, "free/a", 0, &[], b"x"));
    dashboard.expect(&wire::publish(V5_0, 0, "free/a", 0, &[], b"x"));
    assert_eq!(outcomes(&gateway, "published"), "1");
    assert_eq!(outcomes(&gateway, "again"), "1");
}
