//! A PUBLISH of the broker's: it is kept from the client and acknowledged in its place.

use super::{Stage, WORDS, answer, plain};
use crate::support::wire::{self, PUBACK, PUBCOMP, PUBREC, PUBREL, VERSIONS};

#[test]
fn each_row_of_the_table_and_not_a_byte_of_it_at_the_client() {
    let stage = Stage::new();
    for version in VERSIONS {
        for (word, _) in WORDS {
            for qos in 0..3_u8 {
                let mut pair = stage.pair(version);
                let packet = wire::publish(version, qos << 1, &format!("{word}/secret"), 7, &[], b"secret");
                stage.broker.push(pair.number, &packet);
                match word {
                    "watch" => {
                        pair.client.expect(&packet);
                        continue;
                    }
                    "cut" => {
                        pair.is_sent_away(0x87);
                        assert!(pair.at_broker_in_the_end().is_empty(), "{version} {word} {qos}");
                        continue;
                    }
                    _ => {}
                }
                // At QoS 2 the broker is told of no failure.
                let word_told = if qos == 2 { "claim" } else { word };
                let mut due = answer(version, word_told, qos, 7).unwrap_or_default();
                stage.broker.wait_received(pair.number, pair.connect + due.len());
                if qos == 2 {
                    // The broker that records answers PUBREC by itself.
                    due.extend(wire::ack(PUBCOMP, 7));
                    stage.broker.wait_received(pair.number, pair.connect + due.len());
                }
                // The same Packet Identifier right after.
                stage.broker.push(pair.number, &wire::publish(version, 2, "free/next", 7, &[], b"x"));
                pair.client.expect(&wire::publish(version, 2, "free/next", 7, &[], b"x"));
                pair.client.send(&wire::ack(PUBACK, 7));
                due.extend(wire::ack(PUBACK, 7));
                assert_eq!(pair.at_broker(), due, "{version} {word} {qos}");
            }
        }
    }
    for (word, on_deny) in WORDS {
        let (event, direction) = (if word == "watch" { "observed" } else { "refused" }, "from_broker");
        let facts = [("event", event), ("rule", word), ("on_deny", on_deny), ("direction", direction)];
        stage.gateway.wait_audit(&facts);
    }
    stage.gateway.wait_audit(&[("event", "ended"), ("cause", "not_authorized"), ("blame", "gateway"), ("rule", "cut")]);
}

#[test]
fn a_payload_beyond_a_grant_is_not_delivered() {
    let stage = Stage::new();
    for version in VERSIONS {
        let mut pair = stage.pair(version);
        stage.broker.push(pair.number, &wire::publish(version, 2, "short/a", 1, &[], b"eleven byte"));
        stage.broker.push(pair.number, &wire::publish(version, 2, "short/a", 2, &[], b"ten bytes!"));
        pair.client.expect(&wire::publish(version, 2, "short/a", 2, &[], b"ten bytes!"));
    }
    stage.gateway.wait_audit(&[("reason", "payload_size"), ("rule", "short"), ("direction", "from_broker")]);
}

/// A session from before a policy: whatever the broker kept of it, only what is permitted now is delivered.
#[test]
fn what_a_session_from_before_brings_is_judged_by_what_holds_now() {
    let stage = Stage::new();
    for version in VERSIONS {
        let mut pair = stage.pair_of(&plain(version, "client").keeping());
        for (id, topic) in [(1, "deny/old"), (2, "free/old"), (3, "other/old")] {
            stage.broker.push(pair.number, &wire::publish(version, 4, topic, id, &[], b"x"));
        }
        pair.client.expect(&wire::publish(version, 4, "free/old", 2, &[], b"x"));
        pair.client.send(&wire::ack(PUBREC, 2));
        pair.client.expect(&wire::ack(PUBREL, 2));
        pair.client.send(&wire::ack(PUBCOMP, 2));
        pair.hears_nothing();
    }
}
