//! A hundred thousand refused deliveries at a real Mosquitto that has twenty in flight at most: its window moves on.

use super::{plain, setup};
use crate::support::mosquitto::Mosquitto;
use crate::support::raw_client::RawClient;
use crate::support::wire::{self, PUBACK, PUBCOMP, PUBREC, PUBREL, V3_1, V3_1_1, V5_0};

/// Refused messages between two that are delivered. Mosquitto queues 2,000 for a client and drops what is more.
const BATCH: u16 = 1000;

/// And as many again at QoS 2.
const AT_QOS_2: u16 = 20;

fn window_moves(version: u8, batches: u32, word: &str) {
    let broker = Mosquitto::start();
    let gateway = setup(broker.address).start();
    let mut dashboard = RawClient::connect(gateway.plain(), &plain(version, "dashboard-1"));
    dashboard.send(&wire::subscribe(version, 1, &[("#", 2)]));
    assert_eq!(dashboard.frame()[0], 0x90);
    let mut publisher = RawClient::connect(broker.address, &plain(V3_1_1, "publisher"));
    for _ in 0..batches {
        let refused = |qos: u8, id: u16| wire::publish(V3_1_1, qos << 1, &format!("{word}/{}", id % 7), id, &[], b"x");
        publisher.send(&(1..=BATCH).flat_map(|id| refused(1, id)).collect::<Vec<_>>());
        (1..=BATCH).for_each(|id| publisher.expect(&wire::ack(PUBACK, id)));
        for id in 1..=AT_QOS_2 {
            publisher.send(&refused(2, id));
            publisher.expect(&wire::ack(PUBREC, id));
            publisher.send(&wire::ack(PUBREL, id));
            publisher.expect(&wire::ack(PUBCOMP, id));
        }
        publisher.send(&wire::publish(V3_1_1, 2, "free/now", 1, &[], b"now"));
        publisher.expect(&wire::ack(PUBACK, 1));
        let delivered = dashboard.frame();
        assert!(delivered[0] == 0x32 && delivered.ends_with(b"now"), "{delivered:02x?}");
        let id = u16::from_be_bytes([delivered[12], delivered[13]]);
        dashboard.send(&wire::ack(PUBACK, id));
    }
    let refused = f64::from(batches) * f64::from(BATCH + AT_QOS_2);
    gateway.wait_metric("tidegate_refusals_total", &["direction=\"from_broker\""], refused);
    dashboard.send(&wire::PINGREQ);
    dashboard.expect(&wire::PINGRESP);
    dashboard.goodbye();
}

#[test]
fn a_hundred_thousand_refused_deliveries_keep_it_moving() {
    window_moves(V5_0, 50, "deny");
    window_moves(V3_1_1, 50, "deny");
}

#[test]
fn so_does_every_other_on_deny_and_version() {
    window_moves(V3_1, 3, "deny");
    window_moves(V5_0, 3, "claim");
    window_moves(V3_1_1, 3, "claim");
    window_moves(V5_0, 3, "hold");
}
