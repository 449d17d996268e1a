//! CONNECT and its Will: refused before the broker is dialled.

use super::{Stage, plain};
use crate::support::raw_client::RawClient;
use crate::support::wire::{self, Connect, V5_0, VERSIONS};

/// The client is refused with this code, and the broker never hears of it.
fn is_refused(stage: &Stage, connect: &Connect, old: u8, new: u8) {
    let before = stage.broker.connections();
    let mut client = RawClient::dial(stage.gateway.plain());
    client.send(&connect.bytes());
    let connack: &[u8] = if connect.version == V5_0 { &[0x20, 3, 0, new, 0] } else { &[0x20, 2, 0, old] };
    client.expect(connack);
    client.expect_end();
    assert_eq!(stage.broker.connections(), before, "the broker is not dialled");
}

#[test]
fn a_connect_that_a_rule_refuses() {
    let stage = Stage::new();
    for version in VERSIONS {
        is_refused(&stage, &plain(version, "unwelcome-1"), 5, 0x87);
    }
    let ended = stage.gateway.wait_audit(&[("event", "ended"), ("rule", "unwelcome"), ("cause", "not_authorized")]);
    assert_eq!(ended["client_id"], "unwelcome-1");
    let labels = ["reason=\"not_authorized\"", "listener=\"plain\""];
    stage.gateway.wait_metric("tidegate_connections_refused_total", &labels, 3.0);
}

#[test]
fn a_will_that_a_rule_refuses_whatever_on_deny_says() {
    let stage = Stage::new();
    for version in VERSIONS {
        for word in ["deny", "claim", "cut", "hold", "other"] {
            let connect = plain(version, "client").will(&format!("{word}/will"), b"gone", 1);
            is_refused(&stage, &connect, 5, 0x87);
        }
        is_refused(&stage, &plain(version, "client").will("low/will", b"gone", 2), 5, 0x9B);
        is_refused(&stage, &plain(version, "client").will("short/will", b"eleven byte", 0), 5, 0x95);
        let mut retained = plain(version, "client").will("plain/will", b"gone", 0);
        retained.will.as_mut().expect("a Will").retain = true;
        is_refused(&stage, &retained, 5, 0x9A);
    }
    let mut answered = plain(V5_0, "client").will("free/will", b"gone", 0);
    answered.will.as_mut().expect("a Will").properties = [&[0x08, 0, 6][..], b"deny/x"].concat();
    is_refused(&stage, &answered, 5, 0x87);
    stage.gateway.wait_audit(&[("event", "ended"), ("cause", "response_topic"), ("rule", "deny")]);
    // What was quarantined was so on nobody's connection: there was none.
    assert!(stage.gateway.metric("tidegate_quarantine_total", &[]) < 1.0);
}

#[test]
fn a_will_that_is_permitted_or_only_watched_is_the_brokers() {
    let stage = Stage::new();
    for version in VERSIONS {
        for topic in ["free/will", "watch/will"] {
            let _pair = stage.pair_of(&plain(version, "client").will(topic, b"gone", 1));
        }
    }
    let observed = stage.gateway.wait_audit(&[("event", "observed"), ("packet", "CONNECT"), ("rule", "watch")]);
    assert_eq!(observed["topic"], "watch/will");
}

/// In 5.0 it is told at once what it may not do.
#[test]
fn connack_tells_what_the_client_can_make_no_use_of() {
    let policy = "version = \"narrow\"\n[[role]]\nname = \"narrow\"\nmatch = { client_id = \"*\" }\n\
                  shared_subscriptions = false\n[[grant]]\nid = \"low\"\nroles = [\"everyone\"]\n\
                  publish = [\"#\"]\nmax_qos = 1\nretain = false\n";
    let broker = crate::support::recording_broker::RecordingBroker::polite();
    let gateway = super::setup(broker.address).policy(policy).start();
    for version in VERSIONS {
        let mut client = RawClient::dial(gateway.plain());
        client.send(&plain(version, "client").bytes());
        let connack = client.frame();
        let told = [&wire::LIMITS_TOLD[..], &[0x24, 1, 0x25, 0, 0x2A, 0]].concat();
        let expected = if version == V5_0 {
            wire::packet(0x20, &[&[0, 0, u8::try_from(told.len()).expect("short")][..], &told].concat())
        } else {
            wire::connack(version, false, 0)
        };
        assert_eq!(connack, expected);
    }
    gateway.wait_audit(&[("event", "rewritten"), ("reason", "connack_tightened")]);
}
