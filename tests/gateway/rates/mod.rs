//! Rates on the wire: what comes too fast waits, is refused, or ends its connection; and nothing else does.

mod clients;
mod ends;
mod waits;

use crate::support::gateway::{Gateway, Setup};
use crate::support::raw_client::RawClient;
use crate::support::wire;
use std::net::SocketAddr;

/// Everybody may do everything, at these rates.
fn policy(version: &str, rates: &str) -> String {
    format!(
        "version = \"{version}\"\n\n[[grant]]\nid = \"all\"\nroles = [\"everyone\"]\npublish = [\"#\"]\n\
         subscribe = [\"#\"]\nmax_qos = 2\nretain = true\n\n{rates}"
    )
}

fn setup(broker: SocketAddr, rates: &str) -> Setup {
    Setup::to(broker).policy(&policy("1", rates)).each_listener("identity.sources = [\"anonymous\"]")
}

fn connect(gateway: &Gateway, version: u8, client_id: &str) -> RawClient {
    RawClient::connect(gateway.plain(), &wire::Connect::new(version, client_id))
}

fn is_alive(client: &mut RawClient) {
    client.send(&wire::PINGREQ);
    client.expect(&wire::PINGRESP);
}

fn note(version: u8, id: u16) -> Vec<u8> {
    wire::publish(version, if id == 0 { 0 } else { 2 }, "plant/a", id, &[], b"21.5")
}

fn exceeded(rule: &str, action: &str) -> [String; 2] {
    [format!("rule=\"{rule}\""), format!("action=\"{action}\"")]
}

fn wait_exceeded(gateway: &Gateway, rule: &str, action: &str, count: f64) {
    let labels = exceeded(rule, action);
    gateway.wait_metric("tidegate_rate_exceeded_total", &[&labels[0], &labels[1]], count);
}
