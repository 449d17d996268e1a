//! Topic Aliases, resolved before judgement and kept in step with the far side.

use super::super::Terms;
use super::world::{World, ack_with, connack, connect, connect_bytes, disconnect, publish_with, terms};
use crate::mqtt::Version;
use crate::mqtt::frame::PacketType::PubAck;
use crate::mqtt::frame::QoS;
use crate::mqtt::property::Property;
use crate::mqtt::reason::ReasonCode;

const V: Version = Version::V50;

fn alias(topic: &str, alias: u16) -> Vec<u8> {
    publish_with(V, topic, QoS::Zero, 0, b"x", &[Property::TopicAlias(alias.try_into().expect("not zero"))])
}

fn world() -> World {
    let both = [Property::TopicAliasMaximum(5)];
    World::connected_with(V, terms(), &both, &both)
}

#[test]
fn aliases_pass_in_both_directions() {
    let mut world = world();
    for bytes in [alias("a", 1), alias("", 1), alias("b", 1), alias("", 1), alias("c", 5), alias("", 5)] {
        world.client_passes(&bytes).broker_passes(&bytes);
    }
}

#[test]
fn an_alias_is_judged_by_what_it_stands_for() {
    let mut world = world();
    world.client_passes(&alias("a", 1)).broker_passes(&alias("a", 1));
    world.client_gets(&alias("deny/a", 2), &[]).client_gets(&alias("", 2), &[]);
    world.broker_gets(&alias("deny/a", 2), &[]).broker_gets(&alias("", 2), &[]);
    assert_eq!(world.events(), vec!["not_authorized deny/a by-topic"; 4]);
    world.client_passes(&alias("", 1)).broker_passes(&alias("", 1));
}

/// A message is refused for its payload, the next one by the same alias is not.
#[test]
fn the_topic_name_is_put_back_where_the_far_side_never_heard_of_the_alias() {
    let utf8 = |topic: &str, payload: &[u8]| {
        let one = 1.try_into().expect("not zero");
        publish_with(
            V,
            topic,
            QoS::Zero,
            0,
            payload,
            &[Property::TopicAlias(one), Property::PayloadFormatIndicator(true)],
        )
    };
    let mut world = world();
    world.client_gets(&utf8("a/b", b"\xFF"), &[]).client(&utf8("", b"y"));
    assert_eq!(world.broker_got(), utf8("a/b", b"y"));
    assert_eq!(world.events(), ["payload_format a/b payload_format_indicator", "topic_name_restored a/b -"]);
    world.client_passes(&utf8("", b"z"));
    // The far side's older meaning is no help.
    world.client_gets(&utf8("c", b"\xFF"), &[]).client(&utf8("", b"y"));
    assert_eq!(world.broker_got(), utf8("c", b"y"));
    world.events();
    // Setting what is known already changes nothing.
    world.client_gets(&utf8("c", b"\xFF"), &[]);
    world.events();
    world.client_passes(&utf8("", b"y"));

    world.broker_gets(&utf8("a/b", b"\xFF"), &[]).broker(&utf8("", b"y"));
    assert_eq!(world.client_got(), utf8("a/b", b"y"));
}

#[test]
fn a_name_that_no_longer_fits_is_a_refusal() {
    let size = Property::MaximumPacketSize(40.try_into().expect("not zero"));
    let both = [Property::TopicAliasMaximum(5), size];
    let mut world = World::connected_with(V, terms(), &both, &both);
    let one = 1.try_into().expect("not zero");
    let utf8 = [Property::TopicAlias(one), Property::PayloadFormatIndicator(true)];
    world.broker(&publish_with(V, "long/topic/name", QoS::Zero, 0, b"\xFF", &utf8));
    let long = publish_with(V, "", QoS::One, 1, &[b'x'; 20], &utf8);
    world.broker_gets(&long, &ack_with(V, PubAck, 1, ReasonCode::QuotaExceeded));
    assert_eq!(world.events()[1], "too_large long/topic/name maximum_packet_size");
}

#[test]
fn an_alias_beyond_the_maximum_or_of_nothing_is_refused() {
    world().client(&alias("a", 6)).ended("alias_maximum", "client", &disconnect(0x94));
    world().broker(&alias("a", 6)).ended("alias_maximum", "broker", &disconnect(0x80));
    world().client(&alias("", 1)).ended("unknown_alias", "client", &disconnect(0x82));
    world().broker(&alias("", 1)).ended("unknown_alias", "broker", &disconnect(0x80));
    World::connected(V).client(&alias("a", 1)).ended("alias_maximum", "client", &disconnect(0x94));
}

#[test]
fn the_gateways_maximum_holds_both_peers() {
    let terms = Terms { topic_alias_maximum: 2, ..terms() };
    let asked = connect_bytes(&connect(V), &[Property::TopicAliasMaximum(9)]);
    let mut world = World::opened(&asked, terms.clone());
    world.broker(&connack(V, &[Property::TopicAliasMaximum(9)]));
    world.broker_got();
    world.client_got();
    world.events();
    world.client_passes(&alias("a", 2)).broker_passes(&alias("a", 2));
    world.client(&alias("a", 3)).ended("alias_maximum", "client", &disconnect(0x94));
    let mut world = World::opened(&asked, terms);
    world.broker(&connack(V, &[])).client_got();
    world.broker(&alias("a", 3)).ended("alias_maximum", "broker", &disconnect(0x80));
}
