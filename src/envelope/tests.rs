//! Envelopes there and back.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::mqtt::property::Property;

fn envelope() -> Envelope {
    Envelope {
        time: "2026-11-23T09:30:00.123Z".into(),
        reason: "payload".into(),
        rule: "temperature-range".into(),
        policy: "7".into(),
        detail: Some(Detail { field: "/celsius".into(), problem: "above_max".into() }),
        direction: Direction::FromClient,
        listener: "field".into(),
        connection: 7,
        identity: Some("temp-07".into()),
        client_id: "temp-07".into(),
        username: None,
        source: "10.0.0.7:50123".into(),
        topic: "plant/line1/temperature/temp-07".into(),
        qos: QoS::One,
        retain: true,
        dup: false,
        properties: Box::default(),
        payload: (*b"{\"celsius\":999}").into(),
    }
}

#[test]
fn it_is_one_line_with_what_a_person_looks_for_first() {
    let expected = concat!(
        r#"{"version":1,"time":"2026-11-23T09:30:00.123Z","reason":"payload","rule":"temperature-range","policy":"7","#,
        r#""detail":{"field":"/celsius","problem":"above_max"},"direction":"from_client","listener":"field","#,
        r#""connection":7,"identity":"temp-07","client_id":"temp-07","source":"10.0.0.7:50123","#,
        r#""topic":"plant/line1/temperature/temp-07","qos":1,"retain":true,"dup":false,"#,
        r#""payload_text":"{\"celsius\":999}","payload":"eyJjZWxzaXVzIjo5OTl9"}"#
    );
    assert_eq!(envelope().to_json(), expected);
    assert_eq!(parse(expected.as_bytes()), Ok(envelope()));
}

#[test]
fn the_time_is_utc_with_milliseconds() {
    for (millis, expected) in [(0, "1970-01-01T00:00:00.000Z"), (1_709_210_096_007, "2024-02-29T12:34:56.007Z")] {
        assert_eq!(&*write::time(millis), expected);
    }
}

#[test]
fn a_payload_is_shown_as_text_where_a_person_can_read_it() {
    for (payload, shown) in [
        (&b"21.5"[..], true),
        ("ä\n\t".as_bytes(), true),
        (b"", false),
        (b"\xFF", false),
        (b"\x1b[31m", false),
        ("\u{202e}".as_bytes(), false),
        (&[b'x'; 4097], false),
    ] {
        assert_eq!(Envelope { payload: payload.into(), ..envelope() }.to_json().contains("payload_text"), shown);
    }
}

#[test]
fn no_terminal_acts_on_it() {
    let rude = Envelope { topic: "a/\u{1b}[31m\u{202e}\u{85}".into(), ..envelope() };
    let json = rude.to_json();
    assert!(!json.chars().any(crate::mqtt::text::is_hidden));
    assert_eq!(parse(json.as_bytes()), Ok(rude));
}

#[test]
fn what_is_no_envelope_is_refused_for_what_is_wrong_with_it() {
    let with = |from: &str, to: &str| {
        let json = envelope().to_json();
        assert!(json.contains(from), "{from}");
        parse(json.replacen(from, to, 1).as_bytes())
    };
    for (from, to, flaw) in [
        ("\"version\":1", "\"version\":2", Flaw::Version),
        ("\"version\":1,", "", Flaw::Version),
        ("\"qos\":1,", "", Flaw::Missing("qos")),
        ("\"qos\":1", "\"qos\":3", Flaw::Invalid("qos")),
        ("\"topic\"", "\"tropic\"", Flaw::Missing("topic")),
        ("plant/line1", "plant/+", Flaw::Invalid("topic")),
        ("plant/line1/temperature/temp-07", "", Flaw::Invalid("topic")),
        ("\"payload\":", "\"load\":", Flaw::Missing("payload")),
        ("eyJjZWxz", "eyJjZWx", Flaw::Invalid("payload")),
        ("\"retain\":true", "\"retain\":1", Flaw::Invalid("retain")),
        ("\"from_client\"", "\"sideways\"", Flaw::Invalid("direction")),
        ("\"dup\":false", "\"properties\":{\"message_expiry_interval\":-1}", Flaw::Invalid("message_expiry_interval")),
        ("\"dup\":false", "\"properties\":{\"user_properties\":[[\"a\"]]}", Flaw::Invalid("user_properties")),
        ("\"dup\":false", "\"properties\":{\"content_type\":\"\\u0000\"}", Flaw::Invalid("properties")),
    ] {
        assert_eq!(with(from, to), Err(flaw), "{to}");
    }
    for (from, to) in [
        ("\"qos\":1", "\"qos\":1,\"qos\":2"),
        ("\"qos\":1", "\"qos\":1,\"top\\u0069c\":\"other\""),
        ("\"dup\":false", "\"more\":[{\"a\":1,\"a\":1}]"),
    ] {
        assert_eq!(with(from, to), Err(Flaw::Unclear("duplicate_key")), "{to}");
    }
    assert_eq!(with("\"connection\":7", "\"connection\":\"7\""), Err(Flaw::Invalid("connection")));
    assert_eq!(parse(b"[]"), Err(Flaw::NoObject));
    assert_eq!(parse(b"{"), Err(Flaw::Json { line: 1, column: 1 }));
    assert!(parse("[".repeat(100_000).as_bytes()).is_err());
}

#[test]
fn before_5_0_it_is_replayed_without_its_properties() {
    let mut properties = Vec::new();
    encode::properties([Property::ContentType("text")], &mut properties);
    let envelope = Envelope { properties: properties.into(), topic: "a".into(), payload: (*b"x").into(), ..envelope() };
    let id = std::num::NonZeroU16::new(7);
    let mut out = Vec::new();
    envelope.publish(Version::V311, id, &mut out);
    assert_eq!(out, b"\x33\x06\x00\x01a\x00\x07x");
    out.clear();
    envelope.publish(Version::V50, id, &mut out);
    assert_eq!(out, b"\x33\x0e\x00\x01a\x00\x07\x07\x03\x00\x04textx");
}

fn text() -> impl Strategy<Value = String> {
    "[a-z]{0,8}|\\PC{0,8}|[\\x01-\\x1f\u{202e}\u{feff}é]{0,4}".prop_map(|text| text.replace('\0', ""))
}

fn block() -> impl Strategy<Value = Box<[u8]>> {
    let single = (
        any::<Option<bool>>(),
        any::<Option<u32>>(),
        proptest::option::of(text()),
        proptest::option::of(vec(any::<u8>(), 0..20)),
        vec((text(), text()), 0..4),
    );
    single.prop_map(|(format, expiry, content, correlation, user)| {
        let mut block = Vec::new();
        let mut all = Vec::new();
        all.extend(format.map(Property::PayloadFormatIndicator));
        all.extend(expiry.map(Property::MessageExpiryInterval));
        all.extend(content.as_deref().map(Property::ContentType));
        all.extend(correlation.as_deref().map(Property::CorrelationData));
        all.extend(user.iter().map(|(name, value)| Property::UserProperty(name, value)));
        encode::properties(all, &mut block);
        block.into()
    })
}

proptest! {
    #[test]
    fn whatever_is_written_is_read_again_as_it_was(
        texts in vec(text(), 6),
        identity in proptest::option::of(text()),
        qos in 0..3_u8,
        flags in any::<[bool; 3]>(),
        properties in block(),
        payload in vec(any::<u8>(), 0..300),
    ) {
        let boxed = |at: usize| Box::from(texts[at].as_str());
        let envelope = Envelope {
            rule: boxed(0),
            policy: boxed(1),
            listener: boxed(2),
            client_id: boxed(3),
            detail: flags[2].then(|| Detail { field: boxed(4), problem: boxed(5) }),
            topic: format!("t/{}", texts[5].replace(['+', '#'], "")).into(),
            username: identity.clone().map(Into::into),
            identity: identity.map(Into::into),
            qos: QoS::from_u8(qos).unwrap(),
            retain: flags[0],
            dup: flags[1],
            properties,
            payload: payload.into(),
            ..envelope()
        };
        let json = envelope.to_json();
        prop_assert!(!json.contains('\n'));
        prop_assert_eq!(parse(json.as_bytes()), Ok(envelope));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes);
    }
}
