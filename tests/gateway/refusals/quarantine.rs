//! Quarantined messages, as an operator sees them who subscribes to the quarantine topic at the broker; and the
//! connection of the gateway's own that puts them there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::{plain, setup};
use crate::support::PATIENCE;
use crate::support::gateway::{Door, Gateway};
use crate::support::mosquitto::Mosquitto;
use crate::support::pki::Pki;
use crate::support::ports::free_port;
use crate::support::raw_client::RawClient;
use crate::support::recording_broker::{RecordingBroker, Then, answer, answer_then, polite};
use crate::support::wire::{self, Connect, PUBACK, V3_1_1, V5_0, VERSIONS};

/// How many messages that were to be quarantined came to that.
fn outcomes(gateway: &Gateway, outcome: &str) -> String {
    gateway.metric("tidegate_quarantine_total", &[&format!("outcome=\"{outcome}\"")]).to_string()
}

/// A client of the broker's own that sees all that is quarantined.
fn operator(broker: &Mosquitto) -> RawClient {
    operator_as(broker, &plain(V3_1_1, "operator"))
}

fn operator_as(broker: &Mosquitto, connect: &Connect) -> RawClient {
    let mut client = RawClient::connect(broker.address, connect);
    client.send(&wire::subscribe(V3_1_1, 1, &[("quarantine/#", 0)]));
    assert_eq!(client.frame()[0], 0x90);
    client
}

/// The topic and the envelope of the next message that the operator sees.
fn seen(operator: &mut RawClient) -> (String, Value) {
    let frame = operator.frame();
    assert_eq!(frame[0], 0x30, "not retained: {frame:02x?}");
    published(&frame)
}

/// The topic and the envelope of a PUBLISH before 5.0.
fn published(frame: &[u8]) -> (String, Value) {
    let body = wire::body(frame);
    let (topic, rest) = body[2..].split_at(usize::from(u16::from_be_bytes([body[0], body[1]])));
    let payload = if frame[0] & 0x06 == 0 { rest } else { &rest[2..] };
    (String::from_utf8(topic.to_vec()).expect("a topic"), serde_json::from_slice(payload).expect("an envelope"))
}

/// The envelope without what differs from run to run.
fn settled(mut envelope: Value) -> Value {
    let map = envelope.as_object_mut().expect("an object");
    for key in ["time", "connection", "source"] {
        assert!(map.remove(key).is_some(), "{key}");
    }
    envelope
}

fn envelope_of(version: u8, qos: u8) -> Value {
    let mut envelope = json!({
        "version": 1, "reason": "not_authorized", "rule": "hold", "policy": "rows", "direction": "from_client",
        "listener": "plain", "identity": "temp-07", "client_id": "temp-07", "topic": "hold/line1",
        "qos": qos, "retain": true, "dup": false, "payload_text": "99.5", "payload": "OTkuNQ==",
    });
    if version == V5_0 {
        envelope["properties"] = json!({"user_properties": [["k", "v"]]});
    }
    envelope
}

#[test]
fn an_operator_sees_what_was_refused_by_whom_and_why() {
    let broker = Mosquitto::start();
    let gateway = setup(broker.address).start();
    let mut operator = operator(&broker);
    for version in VERSIONS {
        for qos in 0..3_u8 {
            let mut client = RawClient::connect(gateway.plain(), &plain(version, "temp-07"));
            let user: &[u8] = if version == V5_0 { &[0x26, 0, 1, b'k', 0, 1, b'v'] } else { &[] };
            client.send(&wire::publish(version, qos << 1 | 1, "hold/line1", 9, user, b"99.5"));
            let (topic, envelope) = seen(&mut operator);
            assert_eq!(topic, "quarantine/not_authorized/hold/hold/line1");
            assert_eq!(settled(envelope), envelope_of(version, qos));
        }
    }
    gateway.wait_audit(&[("event", "refused"), ("on_deny", "quarantine"), ("quarantine", "queued")]);
    gateway.wait_metric("tidegate_quarantine_published_total", &["broker=\"plant\""], 9.0);
    gateway.wait_metric("tidegate_quarantine_queue_messages", &[], 0.0);
}

#[test]
fn a_refused_delivery_is_seen_too_and_never_again() {
    let broker = Mosquitto::start();
    let gateway = setup(broker.address).start();
    let mut operator = operator(&broker);
    // A dashboard that asks for everything gets what it may have, without what it sent to quarantine itself.
    let mut dashboard = RawClient::connect(gateway.plain(), &plain(V3_1_1, "dashboard-1"));
    dashboard.send(&wire::subscribe(V3_1_1, 1, &[("#", 2)]));
    assert_eq!(dashboard.frame(), wire::packet(0x90, &[0, 1, 2]));
    let mut publisher = RawClient::connect(broker.address, &plain(V3_1_1, "publisher"));
    publisher.send(&wire::publish(V3_1_1, 2, "hold/recipe", 9, &[], b"secret"));
    let (topic, envelope) = seen(&mut operator);
    assert_eq!(topic, "quarantine/not_authorized/hold/hold/recipe");
    assert_eq!((&envelope["direction"], &envelope["identity"]), (&json!("from_broker"), &json!("dashboard-1")));
    publisher.send(&wire::publish(V3_1_1, 0, "free/a", 0, &[], b"x"));
    dashboard.expect(&wire::publish(V3_1_1, 0, "free/a", 0, &[], b"x"));
    // What comes back to it is refused by default, and that is the end of it.
    gateway.wait_audit(&[
        ("event", "refused"),
        ("rule", "default"),
        ("topic", "quarantine/not_authorized/hold/hold/recipe"),
    ]);
    assert_eq!(outcomes(&gateway, "queued"), "1");
}

#[test]
fn with_quarantine_by_default_nothing_goes_round_in_circles() {
    let broker = Mosquitto::start();
    let policy = "version = \"rows\"\non_deny = \"quarantine\"\nquarantine_topic = \"held/back\"\n[[role]]\n\
                  name = \"dashboard\"\nmatch = { client_id = \"dashboard*\" }\non_broad_subscription = \"filter\"\n\
                  [[grant]]\nid = \"free\"\nroles = [\"everyone\"]\nsubscribe = [\"free/#\"]\npublish = [\"free/#\"]\n";
    let gateway = setup(broker.address).policy(policy).start();
    let mut dashboard = RawClient::connect(gateway.plain(), &plain(V5_0, "dashboard-1"));
    dashboard.send(&wire::subscribe(V5_0, 1, &[("#", 1)]));
    assert_eq!(dashboard.frame()[0], 0x90);
    dashboard.send(&wire::publish(V5_0, 2, "other/a", 2, &[], b"x"));
    dashboard.expect(&super::refusal(V5_0, PUBACK, 2, 0x87));
    gateway.wait_audit(&[
        ("event", "refused"),
        ("quarantine", "again"),
        ("topic", "held/back/not_authorized/default/other/a"),
    ]);
    dashboard.send(&wire::publish(V5_0, 0, "free/a", 0, &[], b"x"));
    dashboard.expect(&wire::publish(V5_0, 0, "free/a", 0, &[], b"x"));
    assert_eq!(outcomes(&gateway, "queued"), "1");
    assert_eq!(outcomes(&gateway, "again"), "1");
}

const PASSWORDS: &str = "gateway:for the gateway\nclient:for clients\noperator:for people\n";
const LISTS: &str = "user gateway\ntopic write quarantine/#\nuser operator\ntopic read quarantine/#\n\
                     user client\ntopic readwrite free/#\ntopic readwrite hold/#\n";

fn login(connect: Connect, username: &str, password: &str) -> Connect {
    Connect { login: Some((username.to_owned(), Some(password.as_bytes().to_vec()))), ..connect }
}

/// A broker where only the gateway's own account may write to the quarantine topic.
#[test]
fn the_gateway_publishes_with_its_own_account_and_comes_back_when_the_broker_does() {
    let port = free_port();
    let broker = Mosquitto::start_guarded(port, PASSWORDS, LISTS);
    let own = "quarantine = { username = \"gateway\", password_file = \"quarantine.password\" }";
    let gateway =
        setup(broker.address).only(&[Door::Plain]).broker(own).file("quarantine.password", "for the gateway\n").start();
    gateway.wait_metric("tidegate_quarantine_connected", &["broker=\"plant\""], 1.0);
    let client = |gateway: &Gateway| {
        RawClient::connect(gateway.plain(), &login(plain(V5_0, "temp-07"), "client", "for clients"))
    };
    let people = || login(plain(V3_1_1, "operator"), "operator", "for people");
    let mut operator = operator_as(&broker, &people());
    client(&gateway).send(&wire::publish(V5_0, 0, "hold/a", 0, &[], b"first"));
    assert_eq!(seen(&mut operator).1["payload_text"], "first");
    // Unacknowledged, it would be sent once more.
    gateway.wait_metric("tidegate_quarantine_published_total", &[], 1.0);

    drop(broker);
    gateway.wait_metric("tidegate_quarantine_connected", &[], 0.0);
    let broker = Mosquitto::start_guarded(port, PASSWORDS, LISTS);
    let mut operator = operator_as(&broker, &people());
    client(&gateway).send(&wire::publish(V5_0, 0, "hold/a", 0, &[], b"second"));
    assert_eq!(seen(&mut operator).1["payload_text"], "second");
    gateway.wait_metric("tidegate_quarantine_published_total", &[], 2.0);
}

/// With the gateway's own certificate, never one of a client's.
#[test]
fn it_goes_by_tls_with_the_gateways_own_certificate() {
    let folder = tempfile::tempdir().expect("a folder");
    let pki = Pki::create(folder.path()).expect("certificates");
    let broker = Mosquitto::start_by_certificate(&pki);
    let gateway = setup(broker.address).only(&[Door::Plain]).broker_tls(&pki, true).start();
    gateway.wait_metric("tidegate_quarantine_connected", &[], 1.0);
    let log = std::fs::read_to_string(broker.log_file()).expect("Mosquitto's log");
    let is_own = |line: &str| line.contains(" as tidegate-quarantine-plant-") && line.contains("u'client'");
    assert!(log.lines().any(is_own), "{log}");
    let mut client = RawClient::connect(gateway.plain(), &plain(V3_1_1, "temp-07"));
    client.send(&wire::publish(V3_1_1, 2, "hold/a", 1, &[], b"x"));
    gateway.wait_metric("tidegate_quarantine_published_total", &[], 1.0);
}

/// In 5.0 the broker says that it takes none: what is lost is counted and recorded.
#[test]
fn what_the_broker_refuses_is_counted_and_recorded() {
    let broker = Mosquitto::start_guarded(free_port(), PASSWORDS, LISTS);
    let own = "quarantine = { username = \"client\", password_file = \"quarantine.password\", version = \"5.0\" }";
    let gateway =
        setup(broker.address).only(&[Door::Plain]).broker(own).file("quarantine.password", "for clients\n").start();
    let mut client = RawClient::connect(gateway.plain(), &login(plain(V5_0, "temp-07"), "client", "for clients"));
    client.send(&wire::publish(V5_0, 0, "hold/a", 0, &[], b"x"));
    let lost = gateway.wait_audit(&[("event", "quarantine_lost"), ("reason", "refused"), ("topic", "hold/a")]);
    assert_eq!(
        (&lost["rule"], &lost["broker"], &lost["identity"]),
        (&json!("hold"), &json!("plant"), &json!("temp-07"))
    );
    gateway.wait_metric("tidegate_quarantine_lost_total", &["reason=\"refused\""], 1.0);
    assert!(gateway.process.log().contains("refuses a quarantined message"), "{}", gateway.process.log());
}

const TAKES: u8 = 0;
const REFUSES: u8 = 1;
const KEEPS_SILENT: u8 = 2;
/// Ends the connection that brings it a certain message.
const CHOKES: u8 = 3;

/// A broker that takes clients, and the gateway's own connection as `mood` says.
fn moody(mood: &Arc<AtomicU8>) -> RecordingBroker {
    let mood = Arc::clone(mood);
    RecordingBroker::start(move |frame, version| {
        let is_own = frame.windows(20).any(|window| window == b"tidegate-quarantine-");
        match (mood.load(Ordering::SeqCst), frame[0] >> 4) {
            (REFUSES, 1) if is_own => answer_then(wire::connack(version, false, 5), Then::Close),
            (KEEPS_SILENT, 3) => answer([]),
            (CHOKES, 3) if frame.windows(6).any(|window| window == b"poison") => answer_then([], Then::Close),
            _ => answer(polite(frame, version)),
        }
    })
}

#[test]
fn while_the_broker_is_away_messages_wait_and_what_has_no_room_is_counted() {
    let mood = Arc::new(AtomicU8::new(REFUSES));
    let broker = moody(&mood);
    let gateway = setup(broker.address).only(&[Door::Plain]).broker("quarantine = { max_queued = 2 }").start();
    let mut client = RawClient::connect(gateway.plain(), &plain(V3_1_1, "temp-07"));
    for id in 1..=4 {
        // The client is answered as ever.
        client.send(&wire::publish(V3_1_1, 2, "hold/a", id, &[], &[b'0' + u8::try_from(id).expect("small")]));
        client.expect(&wire::ack(PUBACK, id));
    }
    gateway.wait_metric("tidegate_quarantine_total", &["outcome=\"full\""], 2.0);
    assert_eq!(outcomes(&gateway, "queued"), "2");
    gateway.wait_metric("tidegate_quarantine_queue_messages", &[], 2.0);
    gateway.wait_audit(&[("event", "refused"), ("quarantine", "full")]);
    let said = gateway.process.log();
    assert_eq!(said.matches("the quarantine queue is full").count(), 1, "{said}");
    assert_eq!(said.matches("quarantined messages can't be published").count(), 1, "{said}");
    assert!(said.contains("0x87"), "{said}");

    mood.store(TAKES, Ordering::SeqCst);
    gateway.wait_metric("tidegate_quarantine_published_total", &[], 2.0);
    let all: Vec<Vec<u8>> = (0..broker.connections()).flat_map(|number| broker.frames(number)).collect();
    let envelopes = all.iter().filter(|frame| frame[0] >> 4 == 3).map(|frame| published(frame).1);
    assert_eq!(envelopes.map(|envelope| envelope["payload_text"].clone()).collect::<Vec<_>>(), ["1", "2"]);
    client.send(&wire::publish(V3_1_1, 2, "hold/a", 9, &[], b"5"));
    gateway.wait_metric("tidegate_quarantine_published_total", &[], 3.0);
}

/// What a broker says before 5.0 to a packet that is too large for it, or to a topic that it does not like.
#[test]
fn a_message_that_the_broker_ends_every_connection_for_does_not_hold_up_the_others() {
    let mood = Arc::new(AtomicU8::new(REFUSES));
    let broker = moody(&mood);
    let gateway = setup(broker.address).only(&[Door::Plain]).start();
    let mut client = RawClient::connect(gateway.plain(), &plain(V3_1_1, "temp-07"));
    for (id, payload) in [(1, &b"first"[..]), (2, b"poison"), (3, b"third")] {
        client.send(&wire::publish(V3_1_1, 2, "hold/a", id, &[], payload));
        client.expect(&wire::ack(PUBACK, id));
    }
    mood.store(CHOKES, Ordering::SeqCst);
    gateway.wait_metric("tidegate_quarantine_published_total", &[], 2.0);
    gateway.wait_metric("tidegate_quarantine_queue_messages", &[], 0.0);
    let lost = gateway.wait_audit(&[("event", "quarantine_lost"), ("reason", "refused")]);
    assert_eq!(lost["topic"], "hold/a");
    let frames = (0..broker.connections()).flat_map(|number| broker.frames(number));
    let said: Vec<Value> = frames.filter(|frame| frame[0] >> 4 == 3).map(|frame| published(&frame).1).collect();
    let times = |text: &str| said.iter().filter(|envelope| envelope["payload_text"] == text).count();
    assert_eq!(times("poison"), 4, "{said:#?}");
    assert!(times("first") <= 2 && times("third") <= 2, "{said:#?}");
}

#[test]
fn what_waits_is_published_before_the_gateway_ends_or_recorded_as_lost() {
    for (mood_at_end, lost) in [(TAKES, false), (REFUSES, true), (KEEPS_SILENT, true)] {
        let mood = Arc::new(AtomicU8::new(if mood_at_end == KEEPS_SILENT { KEEPS_SILENT } else { REFUSES }));
        let broker = moody(&mood);
        let mut gateway = setup(broker.address).only(&[Door::Plain]).with("[deadlines]\ndrain = \"2s\"").start();
        let mut client = RawClient::connect(gateway.plain(), &plain(V3_1_1, "temp-07"));
        client.send(&wire::publish(V3_1_1, 2, "hold/a", 1, &[], b"x"));
        client.expect(&wire::ack(PUBACK, 1));
        drop(client);
        mood.store(mood_at_end, Ordering::SeqCst);
        gateway.stop();
        let status = gateway.wait_end(PATIENCE);
        assert!(status.is_some_and(|status| status.success()), "{}", gateway.process.log());
        let records = gateway.audit();
        let is_lost = |record: &Value| record["event"] == "quarantine_lost" && record["reason"] == "shut_down";
        assert_eq!(records.iter().any(is_lost), lost, "{records:#?}");
        assert_eq!(records.last().map(|record| &record["event"]), Some(&json!("stopped")));
    }
}

#[test]
fn a_reload_gives_it_another_account_and_takes_nothing_from_what_waits() {
    let broker = Mosquitto::start_guarded(free_port(), PASSWORDS, LISTS);
    let own = "quarantine = { username = \"gateway\", password_file = \"quarantine.password\" }";
    let gateway = setup(broker.address).only(&[Door::Plain]).broker(own).file("quarantine.password", "wrong\n").start();
    let mut client = RawClient::connect(gateway.plain(), &login(plain(V5_0, "temp-07"), "client", "for clients"));
    client.send(&wire::publish(V5_0, 0, "hold/a", 0, &[], b"x"));
    gateway.wait_metric("tidegate_quarantine_queue_messages", &[], 1.0);
    let mut operator = operator_as(&broker, &login(plain(V3_1_1, "operator"), "operator", "for people"));
    gateway.put("quarantine.password", "for the gateway\n");
    gateway.hang_up();
    assert_eq!(seen(&mut operator).1["topic"], "hold/a");
}

#[test]
fn no_connection_is_opened_where_no_rule_quarantines() {
    let broker = RecordingBroker::polite();
    let policy = "version = \"1\"\n[[grant]]\nid = \"all\"\nroles = [\"everyone\"]\npublish = [\"#\"]\n";
    let gateway = setup(broker.address).policy(policy).start();
    let _client = RawClient::connect(gateway.plain(), &plain(V3_1_1, "temp-07"));
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(broker.connections(), 1);
}
