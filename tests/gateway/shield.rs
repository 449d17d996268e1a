//! What the shield turns off, and what virtual patches stop, over real sockets: a broker that keeps every byte is the
//! witness; a real Mosquitto says what became of its sessions.

use crate::support::gateway::Setup;
use crate::support::mosquitto::Mosquitto;
use crate::support::raw_client::RawClient;
use crate::support::recording_broker::RecordingBroker;
use crate::support::wire::{self, Connect, V3_1_1, V5_0, VERSIONS};

/// A client that is told no reasons in words.
fn plain(version: u8) -> Connect {
    let silent: &[u8] = if version == V5_0 { &[0x17, 0] } else { &[] };
    Connect::new(version, "client").with(silent)
}

fn refused(gateway: &crate::support::gateway::Gateway, connect: &Connect, code: u8) {
    let mut client = RawClient::dial(gateway.plain());
    client.send(&connect.bytes());
    let body: &[u8] = if connect.version == V5_0 { &[0, code, 0] } else { &[0, code] };
    client.expect(&wire::packet(0x20, body));
    client.expect_end();
}

#[test]
fn patches_keep_what_they_stop_from_the_broker_and_settings_turn_them() {
    let broker = RecordingBroker::polite();
    let patches =
        "[shield]\npatches = { enable = [\"CVE-2017-7650\", \"CVE-2018-12543\"], disable = [\"CVE-2020-13821\"] }";
    let gateway = Setup::to(broker.address).with(patches).start();
    for (number, version) in VERSIONS.into_iter().enumerate() {
        let bad = Connect { client_id: "#".to_owned(), ..plain(version) };
        refused(&gateway, &bad, if version == V5_0 { 0x85 } else { 2 });
        assert_eq!(broker.connections(), number, "nobody was dialled");
        let markup = Connect { client_id: "<b>".to_owned(), ..plain(version) };
        let mut client = RawClient::connect(gateway.plain(), &markup);
        let free = wire::publish(version, 0, "$SYS/x", 0, &[], b"x");
        client.send(&[wire::publish(version, 0, "$test/x", 0, &[], b"x"), free.clone()].concat());
        let expected = [markup.bytes(), free].concat();
        assert_eq!(broker.wait_received(number, expected.len()), expected);
        client.goodbye();
    }
    gateway.wait_audit(&[("event", "ended"), ("rule", "CVE-2017-7650"), ("cause", "client_identifier")]);
    gateway.wait_audit(&[("event", "refused"), ("rule", "CVE-2018-12543"), ("topic", "$test/x")]);
    for patch in ["CVE-2017-7650", "CVE-2018-12543"] {
        gateway.wait_metric("tidegate_patched_total", &[&format!("patch=\"{patch}\"")], 3.0);
    }
}

#[test]
fn what_is_turned_off_is_refused_until_a_reload_turns_it_on() {
    let broker = RecordingBroker::polite();
    let gateway = Setup::to(broker.address).with("[shield]\nretain = false\nwills = false").start();
    for version in VERSIONS {
        refused(&gateway, &plain(version).will("gone", b"x", 0), if version == V5_0 { 0x87 } else { 5 });
    }
    assert_eq!(broker.connections(), 0);
    let mut client = RawClient::connect(gateway.plain(), &plain(V3_1_1));
    let retained = wire::publish(V3_1_1, 0x03, "a", 1, &[], b"x");
    client.send(&retained);
    client.expect(&wire::ack(wire::PUBACK, 1));
    gateway.wait_audit(&[("event", "refused"), ("rule", "shield.retain"), ("reason", "retain")]);
    assert_eq!(broker.wait_received(0, 1), plain(V3_1_1).bytes());
    gateway.settings("retain = false", "retain = true");
    gateway.hang_up();
    gateway.wait_reloads("applied", 1.0);
    client.send(&retained);
    client.expect(&wire::ack(wire::PUBACK, 1));
    let expected = [plain(V3_1_1).bytes(), retained].concat();
    assert_eq!(broker.wait_received(0, expected.len()), expected);
}

/// Session Present of a second connection that asks for the session of a first one.
fn is_kept(gateway: &crate::support::gateway::Gateway, version: u8, client_id: &str) -> bool {
    let connect = Connect { client_id: client_id.to_owned(), ..plain(version) }.keeping();
    let mut present = 0;
    for _ in 0..2 {
        let mut client = RawClient::dial(gateway.plain());
        client.send(&connect.bytes());
        let connack = client.frame();
        assert_eq!((connack[0], wire::body(&connack)[1]), (0x20, 0), "{connack:02x?}");
        present = wire::body(&connack)[0];
        client.send(&wire::subscribe(version, 1, &[("a", 1)]));
        client.frame();
        client.goodbye();
    }
    present == 1
}

#[test]
fn at_a_real_mosquitto_sessions_last_no_longer_than_they_may() {
    let broker = Mosquitto::start();
    for (shield, kept) in [("[shield]", true), ("[shield]\npersistent_sessions = \"end\"", false)] {
        let gateway = Setup::to(broker.address).with(shield).start();
        for version in [V3_1_1, V5_0] {
            let client_id = format!("client-{version}-{kept}");
            assert_eq!(is_kept(&gateway, version, &client_id), kept, "{version} {shield}");
        }
        if !kept {
            gateway.wait_audit(&[("event", "rewritten"), ("reason", "session_shortened"), ("packet", "CONNECT")]);
        }
    }
}
