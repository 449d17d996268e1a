//! Topic Aliases whose setting PUBLISH was refused (5.0): the far side never hears of what it was not sent.

use super::{Stage, plain};
use crate::support::wire::{self, Connect, V5_0};

const ALIAS: [u8; 3] = [0x23, 0, 1];

fn connect() -> Connect {
    plain(V5_0, "client").with(&[0x22, 0, 10])
}

#[test]
fn the_next_one_by_that_alias_goes_on_with_its_name() {
    let stage = Stage::new();
    let mut pair = stage.pair_of(&connect());
    // Refused for its RETAIN flag, and then permitted without.
    pair.client.send(&wire::publish(V5_0, 1, "plain/a", 0, &ALIAS, b"1"));
    pair.client.send(&wire::publish(V5_0, 0, "", 0, &ALIAS, b"2"));
    pair.client.send(&wire::publish(V5_0, 0, "", 0, &ALIAS, b"3"));
    let named = wire::publish(V5_0, 0, "plain/a", 0, &ALIAS, b"2");
    assert_eq!(pair.at_broker(), [named, wire::publish(V5_0, 0, "", 0, &ALIAS, b"3")].concat());
    stage.gateway.wait_audit(&[("event", "rewritten"), ("reason", "topic_name_restored"), ("topic", "plain/a")]);
}

#[test]
fn what_an_alias_stands_for_is_what_is_judged() {
    let stage = Stage::new();
    let mut pair = stage.pair_of(&connect());
    let free = wire::publish(V5_0, 0, "free/a", 0, &ALIAS, b"1");
    pair.client.send(&free);
    pair.client.send(&wire::publish(V5_0, 0, "deny/a", 0, &ALIAS, b"2"));
    pair.client.send(&wire::publish(V5_0, 2, "", 4, &ALIAS, b"3"));
    pair.client.expect(&super::refusal(V5_0, wire::PUBACK, 4, 0x87));
    // To the broker the alias still stands for what it was told.
    pair.client.send(&wire::publish(V5_0, 0, "free/a", 0, &ALIAS, b"4"));
    assert_eq!(pair.at_broker(), [free, wire::publish(V5_0, 0, "free/a", 0, &ALIAS, b"4")].concat());
}

#[test]
fn a_delivery_by_an_alias_that_was_set_in_vain_has_its_name_put_back() {
    let stage = Stage::new();
    let mut pair = stage.pair_of(&connect());
    let push = |bytes: &[u8]| stage.broker.push(pair.number, bytes);
    push(&wire::publish(V5_0, 0, "short/a", 0, &ALIAS, b"eleven byte"));
    push(&wire::publish(V5_0, 0, "", 0, &ALIAS, b"short"));
    pair.client.expect(&wire::publish(V5_0, 0, "short/a", 0, &ALIAS, b"short"));
    push(&wire::publish(V5_0, 0, "", 0, &ALIAS, b"again"));
    pair.client.expect(&wire::publish(V5_0, 0, "", 0, &ALIAS, b"again"));
}
