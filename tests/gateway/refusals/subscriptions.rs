//! Topic Filters of a SUBSCRIBE: taken out, lowered, answered by the gateway, in order.

use super::{Stage, WORDS, plain};
use crate::support::raw_client::RawClient;
use crate::support::recording_broker::{RecordingBroker, answer, polite};
use crate::support::wire::{self, V3_1, V3_1_1, V5_0, VERSIONS};

fn suback(version: u8, id: u16, codes: &[u8]) -> Vec<u8> {
    let properties: &[u8] = if version == V5_0 { &[0] } else { &[] };
    wire::packet(0x90, &[&id.to_be_bytes(), properties, codes].concat())
}

/// The code of a failure, which before 5.0 is always the same.
fn failure(version: u8, code: u8) -> u8 {
    if version == V5_0 { code } else { 0x80 }
}

#[test]
fn each_row_of_the_table() {
    let stage = Stage::new();
    for version in VERSIONS {
        for (word, on_deny) in WORDS {
            let mut pair = stage.pair(version);
            let ask = wire::subscribe(version, 6, &[(&format!("{word}/#"), 1)]);
            pair.client.send(&ask);
            match (word, version) {
                ("watch", _) => {
                    pair.client.expect(&suback(version, 6, &[1]));
                    assert_eq!(pair.at_broker(), ask);
                }
                ("claim", _) => {
                    pair.client.expect(&suback(version, 6, &[1]));
                    assert!(pair.at_broker().is_empty());
                }
                ("cut", _) | (_, V3_1) => {
                    pair.is_sent_away(0x87);
                    assert!(pair.at_broker_in_the_end().is_empty());
                }
                _ => {
                    pair.client.expect(&suback(version, 6, &[failure(version, 0x87)]));
                    assert!(pair.at_broker().is_empty());
                }
            }
            let event = if word == "watch" { "observed" } else { "refused" };
            stage.gateway.wait_audit(&[
                ("event", event),
                ("packet", "SUBSCRIBE"),
                ("rule", word),
                ("on_deny", on_deny),
            ]);
        }
    }
}

#[test]
fn refused_filters_are_taken_out_of_a_subscribe_and_put_into_its_suback() {
    let stage = Stage::new();
    for version in [V3_1_1, V5_0] {
        let mut pair = stage.pair(version);
        let filters = [("free/a", 2), ("deny/a", 1), ("claim/a", 2), ("low/a", 2), ("other", 0), ("watch/+", 0)];
        pair.client.send(&wire::subscribe(version, 6, &filters));
        let no = failure(version, 0x87);
        pair.client.expect(&suback(version, 6, &[2, no, 2, 1, no, 0]));
        let kept = wire::subscribe(version, 6, &[("free/a", 2), ("low/a", 1), ("watch/+", 0)]);
        assert_eq!(pair.at_broker(), kept);
    }
    stage.gateway.wait_audit(&[("event", "rewritten"), ("reason", "subscription_lowered"), ("topic", "low/a")]);
    // In 3.1 nothing of a SUBSCRIBE with a refused filter goes on.
    let mut pair = stage.pair(V3_1);
    pair.client.send(&wire::subscribe(V3_1, 6, &[("free/a", 2), ("deny/a", 1)]));
    pair.client.expect_end();
    assert!(pair.at_broker_in_the_end().is_empty());
}

#[test]
fn options_and_properties_of_a_rewritten_subscribe_are_kept() {
    let stage = Stage::new();
    let mut pair = stage.pair(V5_0);
    // A Subscription Identifier and a User Property; No Local, Retain As Published and Retain Handling.
    let properties = [0x0B, 0x80, 1, 0x26, 0, 1, b'k', 0, 1, b'v'];
    pair.client.send(&wire::subscribe_with(V5_0, 6, &properties, &[("deny/a", 0), ("low/a", 0x2E), ("free/a", 0x1D)]));
    pair.client.expect(&suback(V5_0, 6, &[0x87, 1, 1]));
    let kept = wire::subscribe_with(V5_0, 6, &properties, &[("low/a", 0x2D), ("free/a", 0x1D)]);
    assert_eq!(pair.at_broker(), kept);
}

#[test]
fn a_filter_must_be_covered_and_a_dashboards_is_sent_on_and_filtered() {
    let stage = Stage::new();
    for version in [V3_1_1, V5_0] {
        let mut pair = stage.pair(version);
        let filters = ["plain/#", "free/+/b", "$share/g/free/x", "$share/g/deny/x", "$SYS/#"].map(|filter| (filter, 0));
        pair.client.send(&wire::subscribe(version, 6, &filters));
        let no = failure(version, 0x87);
        pair.client.expect(&suback(version, 6, &[no, 0, 0, no, no]));
        // Of all rules that it overlaps, the strictest speaks.
        pair.client.send(&wire::subscribe(version, 7, &[("#", 0)]));
        pair.is_sent_away(0x87);

        let mut pair = stage.pair_of(&plain(version, "dashboard-1"));
        pair.client.send(&wire::subscribe(version, 6, &[("#", 0), ("deny/#", 0)]));
        pair.client.expect(&suback(version, 6, &[0, no]));
        for topic in ["deny/a", "other/a", "free/a"] {
            stage.broker.push(pair.number, &wire::publish(version, 0, topic, 0, &[], b"x"));
        }
        pair.client.expect(&wire::publish(version, 0, "free/a", 0, &[], b"x"));
    }
}

#[test]
fn subacks_keep_the_order_of_their_subscribes() {
    // It answers a SUBSCRIBE when it is told to.
    let slow = |frame: &[u8], version| answer(if frame[0] == 0x82 { Vec::new() } else { polite(frame, version) });
    let stage = Stage::with(RecordingBroker::start(slow));
    for version in VERSIONS {
        // 3.1 can't be told of a failure.
        let (refused, code) = if version == V3_1 { ("claim/a", 0) } else { ("deny/a", failure(version, 0x87)) };
        let mut pair = stage.pair(version);
        let ask = |id: u16, filter: &str| wire::subscribe(version, id, &[(filter, 0)]);
        let asked = [ask(1, "free/a"), ask(2, refused), ask(3, "free/b"), ask(4, refused), ask(5, refused)].concat();
        pair.client.send(&asked);
        assert_eq!(pair.at_broker(), [ask(1, "free/a"), ask(3, "free/b")].concat());
        pair.hears_nothing();
        stage.broker.push(pair.number, &suback(version, 1, &[0]));
        pair.client.expect(&suback(version, 1, &[0]));
        pair.client.expect(&suback(version, 2, &[code]));
        pair.hears_nothing();
        stage.broker.push(pair.number, &suback(version, 3, &[0]));
        for (id, code) in [(3, 0), (4, code), (5, code)] {
            pair.client.expect(&suback(version, id, &[code]));
        }
    }
}

#[test]
fn the_gateways_own_suback_names_the_rule() {
    let stage = Stage::new();
    let mut client = RawClient::connect(stage.gateway.plain(), &wire::Connect::new(V5_0, "curious"));
    client.send(&wire::subscribe(V5_0, 6, &[("deny/x", 0)]));
    let text = [&[0, 6, 36, 0x1F, 0, 33][..], b"refused by rule deny, policy rows", &[0x87]].concat();
    client.expect(&wire::packet(0x90, &text));
}
