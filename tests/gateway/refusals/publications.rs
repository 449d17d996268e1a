//! A PUBLISH of a client's: each version, `on_deny` and QoS, and each reason.

use super::{Stage, WORDS, answer, goes_on_to_pubcomp, refusal};
use crate::support::raw_client::RawClient;
use crate::support::wire::{self, Connect, PUBACK, PUBCOMP, PUBREC, PUBREL, V3_1_1, V5_0, VERSIONS};

#[test]
fn each_row_of_the_table_and_not_a_byte_of_it_at_the_broker() {
    let stage = Stage::new();
    for version in VERSIONS {
        for (word, _) in WORDS {
            for qos in 0..3_u8 {
                let mut pair = stage.pair(version);
                let packet = wire::publish(version, qos << 1, &format!("{word}/secret"), 7, &[], b"secret");
                pair.client.send(&packet);
                match word {
                    "watch" => {
                        let broker = answer(version, "claim", qos, 7);
                        broker.iter().for_each(|answer| pair.client.expect(answer));
                        assert_eq!(pair.at_broker(), packet, "{version} {word} {qos}");
                        continue;
                    }
                    "cut" => {
                        pair.is_sent_away(0x87);
                        assert!(pair.at_broker_in_the_end().is_empty(), "{version} {word} {qos}");
                        continue;
                    }
                    _ => {}
                }
                answer(version, word, qos, 7).iter().for_each(|answer| pair.client.expect(answer));
                if goes_on_to_pubcomp(version, word, qos) {
                    pair.client.send(&wire::ack(PUBREL, 7));
                    pair.client.expect(&wire::ack(PUBCOMP, 7));
                }
                pair.hears_nothing();
                // The same Packet Identifier right after.
                pair.client.send(&wire::publish(version, 2, "free/next", 7, &[], b"x"));
                pair.client.expect(&wire::ack(PUBACK, 7));
                let sent = pair.at_broker();
                let next = wire::publish(version, 2, "free/next", 7, &[], b"x");
                let rest = [wire::PINGREQ.as_slice(), &next].concat();
                assert_eq!(sent, rest, "{version} {word} {qos}");
            }
        }
    }
    for (word, on_deny) in WORDS {
        let event = if word == "watch" { "observed" } else { "refused" };
        stage.recorded(event, "not_authorized", word, on_deny);
        let family = format!("tidegate_{}_total", if word == "watch" { "observed" } else { "refusals" });
        let labels = [format!("on_deny=\"{on_deny}\""), "type=\"publish\"".to_owned()];
        stage.gateway.wait_metric(&family, &labels.each_ref().map(String::as_str), 9.0);
    }
    stage.gateway.wait_metric("tidegate_quarantine_total", &["outcome=\"queued\""], 9.0);
}

#[test]
fn what_no_rule_speaks_of_is_refused_by_default() {
    let stage = Stage::new();
    for version in VERSIONS {
        let mut pair = stage.pair(version);
        for topic in ["other/x", "free", "$SYS/x", "$share/g/free/x"] {
            // `free/#` covers its own parent.
            let permitted = topic == "free";
            pair.client.send(&wire::publish(version, 2, topic, 3, &[], b"x"));
            pair.client.expect(&refusal(version, PUBACK, 3, if permitted { 0 } else { 0x87 }));
        }
        assert_eq!(pair.at_broker(), wire::publish(version, 2, "free", 3, &[], b"x"));
    }
    stage.recorded("refused", "not_authorized", "default", "reject");
}

/// Topic, flags, properties and payload of what is refused, and the codes and the reason for it.
type Limit = (&'static str, u8, &'static [u8], &'static [u8], u8, &'static str);

#[test]
fn each_reason_has_its_code() {
    const RESPONSE: &[u8] = &[0x08, 0, 6, b'd', b'e', b'n', b'y', b'/', b'x'];
    let limits: [Limit; 5] = [
        ("low/a", 4, &[], b"x", 0x87, "qos"),
        ("plain/a", 3, &[], b"x", 0x87, "retain"),
        ("short/a", 2, &[], b"eleven byte", 0x97, "payload_size"),
        ("free/a", 2, RESPONSE, b"x", 0x87, "response_topic"),
        ("free/a", 2, &[0x01, 1], b"\xff", 0x99, "payload_format"),
    ];
    let stage = Stage::new();
    for version in VERSIONS {
        let mut pair = stage.pair(version);
        for (topic, flags, properties, payload, code, _) in limits {
            if version != V5_0 && !properties.is_empty() {
                continue;
            }
            pair.client.send(&wire::publish(version, flags, topic, 5, properties, payload));
            let qos = flags >> 1 & 3;
            pair.client.expect(&refusal(version, if qos == 2 { PUBREC } else { PUBACK }, 5, code));
            if qos == 2 && version != V5_0 {
                pair.client.send(&wire::ack(PUBREL, 5));
                pair.client.expect(&wire::ack(PUBCOMP, 5));
            }
        }
        assert!(pair.at_broker().is_empty());
    }
    for (.., reason) in limits {
        stage.gateway.wait_audit(&[("event", "refused"), ("reason", reason), ("on_deny", "reject")]);
    }
}

#[test]
fn a_rule_that_disconnects_says_why_in_5_0() {
    let stage = Stage::new();
    for version in VERSIONS {
        for (topic, flags, payload, code, reason) in [
            ("low-cut/a", 2, &b"x"[..], 0x9B, "qos"),
            ("plain-cut/a", 1, b"x", 0x9A, "retain"),
            ("short-cut/a", 0, b"eleven byte", 0x95, "payload_size"),
        ] {
            let mut pair = stage.pair(version);
            pair.client.send(&wire::publish(version, flags, topic, 5, &[], payload));
            pair.is_sent_away(code);
            assert!(pair.at_broker_in_the_end().is_empty());
            stage.gateway.wait_audit(&[("event", "ended"), ("cause", reason), ("blame", "client")]);
        }
    }
}

#[test]
fn nothing_behind_what_disconnects_is_looked_at_and_what_came_before_has_gone_on() {
    let stage = Stage::new();
    for version in VERSIONS {
        let mut pair = stage.pair(version);
        let free = |name: &str| wire::publish(version, 0, &format!("free/{name}"), 0, &[], b"x");
        let cut = wire::publish(version, 0, "cut/x", 0, &[], b"x");
        pair.client.send(&[free("before"), cut, free("behind")].concat());
        pair.is_sent_away(0x87);
        assert_eq!(pair.at_broker_in_the_end(), free("before"));
    }
}

#[test]
fn a_refused_exchange_in_3_1_1_is_the_gateways_from_first_to_last() {
    let stage = Stage::new();
    let mut pair = stage.pair(V3_1_1);
    let two = |dup: u8| wire::publish(V3_1_1, 4 | dup, "deny/x", 9, &[], b"x");
    for flags in [0, 8, 8] {
        pair.client.send(&two(flags));
        pair.client.expect(&wire::ack(PUBREC, 9));
    }
    pair.client.send(&wire::ack(PUBREL, 9));
    pair.client.expect(&wire::ack(PUBCOMP, 9));
    // By the same number, one that the broker is to have.
    pair.client.send(&wire::publish(V3_1_1, 4, "free/x", 9, &[], b"x"));
    pair.client.expect(&wire::ack(PUBREC, 9));
    pair.client.send(&wire::ack(PUBREL, 9));
    pair.client.expect(&wire::ack(PUBCOMP, 9));
    let expected = [wire::publish(V3_1_1, 4, "free/x", 9, &[], b"x"), wire::ack(PUBREL, 9)].concat();
    assert_eq!(pair.at_broker(), expected);
}

#[test]
fn a_reason_string_names_the_rule_where_it_is_wanted() {
    let stage = Stage::new();
    let mut client = RawClient::connect(stage.gateway.plain(), &Connect::new(V5_0, "curious"));
    client.send(&wire::publish(V5_0, 2, "deny/x", 1, &[], b"x"));
    let words = b"refused by rule deny, policy rows";
    let text = [&[0x1F, 0, 33][..], words].concat();
    client.expect(&wire::packet(PUBACK, &[&[0, 1, 0x87, 36][..], &text].concat()));
}

/// Larger than is passed through in pieces: it is skipped as it comes.
#[test]
fn a_large_one_is_refused_by_its_head() {
    let stage = Stage::new();
    for version in VERSIONS {
        let mut pair = stage.pair(version);
        let large = wire::publish(version, 2, "deny/large", 4, &[], &[0x55; 300_000]);
        for piece in large.chunks(10_000) {
            pair.client.send(piece);
        }
        pair.client.expect(&refusal(version, PUBACK, 4, 0x87));
        assert!(pair.at_broker().is_empty());
    }
}
