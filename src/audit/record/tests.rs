use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use super::*;
use crate::audit::reference::{EVENTS, FIELDS};
use crate::enforce::end::{Blame, Cause};
use crate::enforce::event::{Rewrite, Text};
use crate::identity::{Certificate, Network, Who};
use crate::mqtt::error::DecodeError;
use crate::mqtt::frame::{PacketType, QoS};
use crate::policy::{OnDeny, Reason};

const HOSTILE: &str = "a\n{\"event\":\"ended\"}\u{1b}[2J\u{2028}\u{9b}\"\\\u{202e}";

fn time() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(1_795_425_125_042)
}

fn identity(text: &str) -> Identity {
    let certificate =
        Certificate { common_names: vec![text.into()], fingerprint: [0xab; 32], ..Certificate::default() };
    let mut identity = Identity::new(Arc::from("field"), "[2001:db8::7]:50123".parse().unwrap(), Some(certificate));
    identity.client_id = text.into();
    identity.username = Some(text.into());
    identity.name = Some(text.into());
    identity.method = Method::Certificate;
    identity
}

fn context(identity: &Identity) -> ConnectionContext<'_> {
    ConnectionContext { number: 7, identity, version: Some(Version::V50), server: Some("10.0.0.1:1883"), policy: "1" }
}

fn detail(text: &str) -> Option<Box<Detail>> {
    Some(Box::new(Detail { field: Text::new(text), problem: "max" }))
}

fn refusal(text: &str) -> Event {
    Event {
        kind: Kind::Refused {
            reason: Reason::NotAuthorized,
            rule: Text::new(text),
            on_deny: OnDeny::Quarantine,
            quarantine: Some(Quarantine::Queued),
            detail: detail(text),
        },
        direction: Direction::FromClient,
        packet_type: PacketType::Publish,
        topic: Some(Text::new(text)),
        policy_version: Arc::from("2026-11-22.1"),
    }
}

fn envelope(text: &str) -> Envelope {
    Envelope {
        time: "".into(),
        reason: "payload".into(),
        rule: text.into(),
        policy: "1".into(),
        detail: None,
        direction: Direction::FromClient,
        listener: "field".into(),
        connection: 7,
        identity: Some(text.into()),
        client_id: text.into(),
        username: None,
        source: "".into(),
        topic: text.into(),
        qos: QoS::One,
        retain: false,
        dup: false,
        properties: [].into(),
        payload: [].into(),
    }
}

fn end(cause: Cause, statement: Option<&'static str>, rule: Option<&str>) -> End {
    End { statement, rule: rule.map(Text::new), detail: rule.and_then(detail), ..End::new(cause, Blame::Client) }
}

/// Every kind of record, with `text` wherever a peer's text goes.
fn ban<'b>(who: Who<'b>, rule: &'b str) -> BanContext<'b> {
    BanContext { listener: "field", who, reason: "rate", rule, strike: 2, lasts: Duration::from_secs(120) }
}

fn records(text: &str) -> Vec<Record> {
    let identity = identity(text);
    let context = context(&identity);
    let malformed = Cause::Malformed(DecodeError::NullCharacter);
    let rewritten = Event {
        kind: Kind::Rewritten(Rewrite::TopicNameRestored),
        direction: Direction::FromBroker,
        topic: None,
        ..refusal(text)
    };
    let kind = Kind::Observed { reason: Reason::Qos, rule: Text::new(text), on_deny: OnDeny::Monitor, detail: None };
    let observed = Event { kind, ..refusal(text) };
    let throttled = Event { kind: Kind::Throttled { rule: Text::new(text) }, ..refusal(text) };
    vec![
        started(time()),
        not_accepted("field", identity.source, "max_connections", time()),
        summed(NOT_ACCEPTED, "field", Some(Network::of(identity.source.ip())), "banned", 9, time()),
        banned(&ban(Who::Client(text), text), time()),
        banned(&ban(Who::Address(Network::of(identity.source.ip())), text), time()),
        spared("field", identity.source, "malformed", time()),
        handshake_failed(8, "field", identity.source, "expired", time()),
        record(&context, &refusal(text), time()),
        record(&context, &rewritten, time()),
        record(&context, &observed, time()),
        record(&context, &throttled, time()),
        ended(
            &context,
            &end(malformed, Some("[MQTT-1.5.4-2]"), Some(text)),
            &Traffic::default(),
            Duration::MAX,
            time(),
        ),
        quarantine_lost("plant", &envelope(text), "refused", time()),
        reloaded("signal", "2", "1", (7, 1), time()),
        reload_refused("change", 2, text, time()),
        rejudged((0, 8), time()),
        pressure(("shedding", "normal"), "memory", 85, time()),
        stopped(time()),
    ]
}

#[test]
fn a_refusal_says_who_what_and_why() {
    let identity = identity("temp-07");
    let line = record(&context(&identity), &refusal("plant/line1"), time());
    let expected = concat!(
        r#"{"time":"2026-11-23T09:12:05.042Z","event":"refused","connection":7,"listener":"field","#,
        r#""peer":"[2001:db8::7]:50123","version":"5.0","client_id":"temp-07","username":"temp-07","#,
        r#""identity":"temp-07","method":"certificate","common_name":"temp-07","fingerprint":"abababababababababababababababababababababababababababababababab","#,
        r#""server":"10.0.0.1:1883","direction":"from_client","packet":"PUBLISH","topic":"plant/line1","#,
        r#""reason":"not_authorized","on_deny":"quarantine","quarantine":"queued","rule":"plant/line1","policy":"2026-11-22.1","field":"plant/line1","problem":"max"}"#,
        "\n"
    );
    assert_eq!(String::from_utf8_lossy(line.as_bytes()), expected);
}

#[test]
fn an_end_says_why_by_whom_and_what_went_through() {
    let identity = Identity::new(Arc::from("field"), "192.0.2.7:50123".parse().unwrap(), None);
    let context = ConnectionContext { number: 9, identity: &identity, version: None, server: None, policy: "1" };
    let mut traffic = Traffic::default();
    let mut counts = Counts::default();
    counts.add(3, 100);
    counts.add(12, 2);
    traffic.add(Direction::FromClient, &counts);
    traffic.add(Direction::FromClient, &counts);
    traffic.add(Direction::FromBroker, &counts);
    let line = ended(&context, &end(Cause::KeepAlive, None, None), &traffic, Duration::from_millis(1500), time());
    let expected = concat!(
        r#"{"time":"2026-11-23T09:12:05.042Z","event":"ended","connection":9,"listener":"field","#,
        r#""peer":"192.0.2.7:50123","cause":"keep_alive","blame":"client","policy":"1","duration_ms":1500,"#,
        r#""client_packets":4,"client_bytes":204,"broker_packets":2,"broker_bytes":102}"#
    );
    assert_eq!(line.as_str(), expected);
}

#[test]
fn text_of_a_peer_stays_inside_its_field() {
    for record in records(HOSTILE) {
        let text = std::str::from_utf8(record.as_bytes()).unwrap();
        assert_eq!(text.matches('\n').count(), 1, "{text}");
        assert!(!text.trim_end_matches('\n').chars().any(char::is_control), "{text}");
        assert!(!text.contains(['\u{2028}', '\u{202e}']), "{text}");
        let value: serde_json::Value = serde_json::from_str(record.as_str()).unwrap();
        for key in ["client_id", "username", "identity", "common_name", "topic", "rule", "field"] {
            assert!(value.get(key).is_none_or(|value| value == HOSTILE), "{key}: {value}");
        }
    }
}

#[test]
fn what_was_cut_is_named() {
    let identity = identity("temp-07");
    let line = record(&context(&identity), &refusal(&"x".repeat(300)), time());
    let value: serde_json::Value = serde_json::from_str(line.as_str()).unwrap();
    assert_eq!(value["cut"], "topic,rule,field");
}

#[test]
fn the_reference_has_every_event_and_every_field_in_order() {
    let mut events = BTreeSet::new();
    for record in records(&"x".repeat(300)) {
        // Field names are never escaped, and no value of these records holds `":`.
        let keys: Vec<&str> = record.as_str().split("\":").filter_map(|part| part.rsplit('"').next()).collect();
        let places: Vec<usize> = keys
            .iter()
            .filter(|key| !key.ends_with('}'))
            .map(|key| {
                FIELDS.iter().position(|(name, _)| name == key).unwrap_or_else(|| panic!("{key} is not in FIELDS"))
            })
            .collect();
        assert!(places.is_sorted(), "{keys:?}");
        let value: serde_json::Value = serde_json::from_str(record.as_str()).unwrap();
        events.insert(value["event"].as_str().unwrap().to_owned());
    }
    assert_eq!(events, EVENTS.iter().map(|(name, _)| (*name).to_owned()).collect());
}
