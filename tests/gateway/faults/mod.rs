//! What goes wrong on either side, and what the gateway makes of it: the other side is told as the standard has it, other
//! connections go on, and nothing is left behind.

mod accounts;
mod broker;
mod broker_tls;
mod certificates;
mod client;
mod crowd;
mod malformed;
mod pressure;
mod stop;

use crate::support::gateway::{Door, Gateway};
use crate::support::raw_client::RawClient;
use crate::support::wire::{self, Connect};
use crate::support::{PATIENCE, wait_within};

/// What a gateway holds while nobody is connected.
struct Rest {
    descriptors: usize,
    resident_kib: u64,
}

/// What it may still hold of a storm: allocator and thread stacks, not buffers of connections.
const SLACK_KIB: u64 = 24 * 1024;

impl Rest {
    /// After a first connection, which makes whatever is made once.
    fn of(gateway: &Gateway) -> Self {
        RawClient::connect(gateway.plain(), &Connect::new(wire::V3_1_1, "first")).goodbye();
        gateway.wait_metric("tidegate_connections_open", &[], 0.0);
        Self { descriptors: gateway.process.descriptors(), resident_kib: gateway.process.resident_kib() }
    }

    /// Connections, descriptors and memory come back to where they were.
    fn is_back(&self, gateway: &Gateway) {
        gateway.wait_metric("tidegate_connections_open", &[], 0.0);
        let back = wait_within(PATIENCE, || (gateway.process.descriptors() <= self.descriptors).then_some(()));
        assert!(back.is_some(), "{} descriptors, before {}", gateway.process.descriptors(), self.descriptors);
        let resident = gateway.process.resident_kib();
        assert!(resident <= self.resident_kib + SLACK_KIB, "{resident} KiB resident, before {}", self.resident_kib);
    }
}

/// The gateway serves: a CONNECT is accepted and a PINGREQ answered.
fn is_served(gateway: &Gateway, client_id: &str) {
    let mut client = RawClient::connect(gateway.plain(), &Connect::new(wire::V5_0, client_id));
    client.send(&wire::PINGREQ);
    client.expect(&wire::PINGRESP);
    client.goodbye();
}

/// Ended connections by this cause.
fn wait_cause(gateway: &Gateway, cause: &str, count: f64) {
    gateway.wait_metric("tidegate_connections_ended_total", &[&format!("cause=\"{cause}\"")], count);
}

/// A raw client with a certificate, on the TLS listener.
fn dial_tls(gateway: &Gateway, papers: &str) -> std::io::Result<RawClient> {
    let papers = gateway.pki.pair(papers);
    RawClient::try_dial_tls(gateway.address(Door::Tls), gateway.tls_client(Some(&papers)))
}
