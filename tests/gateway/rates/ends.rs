//! What ends over a rate, and what is too much whatever the policy says.

use std::time::{Duration, Instant};

use super::{connect, is_alive, note, setup, wait_exceeded};
use crate::support::PATIENCE;
use crate::support::raw_client::RawClient;
use crate::support::recording_broker::RecordingBroker;
use crate::support::wire::{self, Connect, PUBACK, PUBCOMP, PUBREC, PUBREL, V3_1_1, V5_0};

fn rate(on_excess: &str) -> String {
    format!("[[rate]]\nid = \"cap\"\nmessages = \"1/h\"\nper = \"client\"\non_excess = \"{on_excess}\"\n")
}

#[test]
fn who_disconnects_by_a_rate_says_so_and_ends_one_client_alone() {
    let broker = RecordingBroker::polite();
    let gateway = setup(broker.address, &rate("disconnect")).start();
    let mut calm = connect(&gateway, V5_0, "calm");
    for (count, version) in [(1.0, V5_0), (2.0, V3_1_1)] {
        let mut press = connect(&gateway, version, &format!("press-{version}"));
        press.send(&note(version, 1));
        press.expect(&wire::ack(PUBACK, 1));
        press.send(&[note(version, 2), note(version, 3)].concat());
        if version == V5_0 {
            assert_eq!(wire::disconnect_reason(&press.frame()), Some(0x96));
        }
        press.expect_end();
        wait_exceeded(&gateway, "cap", "disconnect", count);
        let ended = gateway.wait_audit(&[("event", "ended"), ("client_id", &format!("press-{version}"))]);
        assert_eq!((ended["cause"].as_str(), ended["rule"].as_str()), (Some("rate"), Some("cap")), "{ended}");
    }
    is_alive(&mut calm);
}

#[test]
fn who_bans_by_a_rate_shuts_the_client_out() {
    let broker = RecordingBroker::polite();
    let gateway = setup(broker.address, &rate("ban")).start();
    let mut press = connect(&gateway, V5_0, "press-1");
    press.send(&note(V5_0, 1));
    press.expect(&wire::ack(PUBACK, 1));
    press.send(&[note(V5_0, 2), note(V5_0, 3)].concat());
    assert_eq!(wire::disconnect_reason(&press.frame()), Some(0x96));
    press.expect_end();
    wait_exceeded(&gateway, "cap", "ban", 1.0);
    let banned = gateway.wait_audit(&[("event", "banned")]);
    assert_eq!(banned["rule"], "cap", "{banned}");
    // Who it is was proven by nothing: it is shut out by where it dials from.
    if let Ok(mut again) = RawClient::try_dial(gateway.plain()) {
        let _ = again.try_send(&Connect::new(V5_0, "press-1").bytes());
        assert!(again.rest(PATIENCE).0.is_empty(), "not a word");
    }
    assert_eq!(broker.connections(), 1);
}

#[test]
fn connections_too_many_are_told_so() {
    let broker = RecordingBroker::polite();
    let rate = "[[rate]]\nid = \"comings\"\nconnections = \"1/h\"\nper = \"client\"\n";
    let gateway = setup(broker.address, rate).start();
    for (version, code) in [(V5_0, 0x9F), (V3_1_1, 3)] {
        let id = format!("press-{version}");
        connect(&gateway, version, &id).goodbye();
        let mut again = RawClient::dial(gateway.plain());
        again.send(&Connect::new(version, &id).bytes());
        let connack = again.frame();
        assert_eq!((connack[0], wire::body(&connack)[1]), (0x20, code), "{connack:02x?}");
        again.expect_end();
    }
    wait_exceeded(&gateway, "comings", "reject", 2.0);
}

#[test]
fn storms_are_refused_by_the_setting_that_limits_them_and_the_client_stays() {
    let broker = RecordingBroker::polite();
    let limits = "[protection]\nretained = \"2/h\"\nsubscriptions = \"2/h\"\nmax_open_qos2 = 1";
    let gateway = setup(broker.address, "").with(limits).start();
    let mut press = connect(&gateway, V5_0, "press-1");
    let kept = |id| wire::publish(V5_0, 3, "plant/a", id, &[], b"kept");
    for id in 1..=2 {
        press.send(&kept(id));
        press.expect(&wire::ack(PUBACK, id));
    }
    press.send(&kept(3));
    let refused = press.frame();
    assert_eq!((refused[0], wire::body(&refused)[2]), (PUBACK, 0x97), "{refused:02x?}");

    press.send(&wire::subscribe(V5_0, 4, &[("a", 0), ("b", 0)]));
    assert_eq!(press.frame()[0], 0x90);
    press.send(&wire::subscribe(V5_0, 5, &[("c", 0)]));
    assert!(press.frame().ends_with(&[0x97]));

    let twice = |id| wire::publish(V5_0, 4, "plant/a", id, &[], b"once");
    press.send(&[twice(6), twice(7)].concat());
    let answers = [press.frame(), press.frame()];
    assert!(answers.iter().any(|frame| frame.get(4) == Some(&0x97)), "{answers:02x?}");
    assert!(answers.contains(&wire::ack(PUBREC, 6)), "{answers:02x?}");
    press.send(&wire::ack(PUBREL, 6));
    press.expect(&wire::ack(PUBCOMP, 6));
    is_alive(&mut press);
    for (detector, rule) in
        [("retained", "retained"), ("subscriptions", "subscriptions"), ("open_qos2", "max_open_qos2")]
    {
        gateway.wait_metric("tidegate_detections_total", &[&format!("detector=\"{detector}\"")], 1.0);
        gateway.wait_audit(&[("event", "refused"), ("rule", rule)]);
    }
}

#[test]
fn a_packet_that_dribbles_ends_its_connection_and_no_other() {
    let broker = RecordingBroker::polite();
    let gateway =
        setup(broker.address, "").with("[protection]\nmin_bytes_per_second = 1000\nslow_after = \"2s\"").start();
    let (mut slow, mut calm) = (connect(&gateway, V5_0, "slow"), connect(&gateway, V5_0, "calm"));
    let began = Instant::now();
    let packet = wire::publish(V5_0, 0, "plant/a", 0, &[], &[b'x'; 200]);
    for byte in &packet[..80] {
        if slow.try_send(&[*byte]).is_err() || began.elapsed() > Duration::from_secs(4) {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(wire::disconnect_reason(&slow.frame()), Some(0x83));
    slow.expect_end();
    let lasted = began.elapsed();
    assert!(lasted >= Duration::from_secs(2) && lasted < Duration::from_secs(6), "{lasted:?}");
    let ended = gateway.wait_audit(&[("event", "ended"), ("client_id", "slow")]);
    assert_eq!(
        (ended["cause"].as_str(), ended["rule"].as_str()),
        (Some("packet_deadline"), Some("min_bytes_per_second"))
    );
    is_alive(&mut calm);
}
