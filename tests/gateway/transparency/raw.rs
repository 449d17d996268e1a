//! Scenarios spoken in bytes: every frame that each client receives is compared byte for byte.

mod messages;
mod sessions;

use std::collections::BTreeMap;

use super::legs::{Leg, Transcript, compare};
use super::stage::Stage;
use crate::support::gateway::Door;
use crate::support::wire::VERSIONS;

type Scenario = fn(&mut Stage);

const SCENARIOS: [(&str, Scenario); 24] = [
    ("QoS 0, 1 and 2 are published and delivered at each subscribed QoS", messages::qos_matrix),
    ("a retained message greets a later subscriber and is cleared by an empty one", messages::retained),
    ("the Will fires when the client vanishes", sessions::will_fires),
    ("the Will is silent after DISCONNECT", sessions::will_is_silent),
    ("messages of QoS 1 and 2 wait for a client that is away", sessions::offline),
    ("a QoS 2 publish is resumed after a lost connection and delivered once", sessions::resumed_publish),
    ("a QoS 2 delivery is resumed after a lost connection", sessions::resumed_delivery),
    ("a clean start drops the session", sessions::clean_start),
    ("a second connection with the same Client Identifier takes over", sessions::takeover),
    ("a client's Receive Maximum holds the broker back", messages::receive_maximum),
    (
        "a broker that oversteps the client's Receive Maximum ever further is the client's to judge",
        messages::overstepping,
    ),
    ("a client's Topic Aliases reach the broker", messages::aliases_from_client),
    ("properties of messages arrive unchanged", messages::properties),
    ("subscription options and identifiers hold", messages::subscription_options),
    ("a shared subscription hands each message to one member", messages::shared),
    ("a thousand filters in one SUBSCRIBE", messages::thousand_filters),
    ("a megabyte at each QoS, both ways", messages::megabyte),
    ("packets in one segment with CONNECT are answered in order", sessions::pipelined),
    ("a client that pings is answered", sessions::ping),
    ("a client's DISCONNECT with reason and new Session Expiry passes", sessions::disconnect_with_properties),
    ("User Name and Password pass", sessions::login),
    ("an enhanced authentication that the broker refuses", sessions::enhanced_authentication),
    ("an empty Client Identifier gets what the broker gives", sessions::empty_client_id),
    ("many messages in flight both ways keep their order", messages::in_order),
];

fn play(leg: &Leg) -> Vec<Transcript> {
    let mut transcripts = Vec::new();
    for version in VERSIONS {
        for (name, scenario) in SCENARIOS {
            let mut stage = Stage { leg, version, seen: Vec::new() };
            scenario(&mut stage);
            transcripts.push((format!("{name}, protocol level {version}"), stage.seen));
        }
    }
    transcripts.extend(seen_by_mosquitto(leg));
    transcripts
}

/// What Mosquitto received from each client, as its log has it.
fn seen_by_mosquitto(leg: &Leg) -> Vec<Transcript> {
    let mut received: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in leg.mosquitto.process.log().lines().filter(|line| line.starts_with("Received ")) {
        let client = line.split(" from ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or_default();
        if !client.starts_with("auto-") {
            received.entry(client.to_owned()).or_default().push(line.to_owned());
        }
    }
    assert!(received.len() > 50, "{} clients in Mosquitto's log", received.len());
    received.into_iter().map(|(client, lines)| (format!("what Mosquitto received from {client}"), lines)).collect()
}

#[test]
fn every_byte_a_client_receives_is_the_same_through_the_gateway() {
    compare(Door::Plain, play);
}

#[test]
fn every_byte_a_client_receives_is_the_same_through_mutual_tls() {
    compare(Door::Tls, play);
}

#[test]
fn every_byte_a_client_receives_is_the_same_over_ipv6() {
    compare(Door::Ipv6, play);
}
