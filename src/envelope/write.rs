//! An envelope to JSON.

use std::fmt::Write as _;

use data_encoding::BASE64;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use super::{Detail, Envelope, VERSION};
use crate::mqtt::Direction;
use crate::mqtt::property::{Properties, Property};
use crate::mqtt::text::is_hidden;

/// Bytes of a payload that is shown as text, too.
const MAX_TEXT_BYTES: usize = 4096;

/// UTC with milliseconds, as `2026-11-23T09:30:00.123Z`.
pub(crate) fn rfc3339(time: OffsetDateTime) -> String {
    let (date, clock) = (time.date(), time.time());
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        date.year(),
        u8::from(date.month()),
        date.day(),
        clock.hour(),
        clock.minute(),
        clock.second(),
        clock.millisecond()
    )
}

/// The same of milliseconds since 1970; what no calendar has is 1970.
pub(super) fn time(unix_millis: i64) -> Box<str> {
    let nanos = i128::from(unix_millis) * 1_000_000;
    rfc3339(OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(OffsetDateTime::UNIX_EPOCH)).into()
}

/// A line that is being written, key by key: first what a person looks for.
struct Line(String);

impl Line {
    fn put(&mut self, key: &str, value: &Value) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        // Writing to a String cannot fail.
        let _ = write!(self.0, "\"{key}\":{value}");
    }

    fn put_if(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.put(key, &value.into());
        }
    }
}

pub(super) fn json(envelope: &Envelope) -> String {
    let mut line = Line(String::with_capacity(512 + 2 * envelope.payload.len()));
    line.put("version", &VERSION.into());
    line.put("time", &(*envelope.time).into());
    line.put("reason", &(*envelope.reason).into());
    line.put("rule", &(*envelope.rule).into());
    line.put("policy", &(*envelope.policy).into());
    if let Some(Detail { field, problem }) = &envelope.detail {
        line.put("detail", &json!({"field": &**field, "problem": &**problem}));
    }
    line.put("direction", &direction(envelope.direction).into());
    line.put("listener", &(*envelope.listener).into());
    line.put("connection", &envelope.connection.into());
    line.put_if("identity", envelope.identity.as_deref());
    line.put_if("client_id", Some(&*envelope.client_id).filter(|id| !id.is_empty()));
    line.put_if("username", envelope.username.as_deref());
    line.put("source", &(*envelope.source).into());
    line.put("topic", &(*envelope.topic).into());
    line.put("qos", &envelope.qos.value().into());
    line.put("retain", &envelope.retain.into());
    line.put("dup", &envelope.dup.into());
    if !envelope.properties.is_empty() {
        line.put("properties", &properties(envelope.properties()));
    }
    line.put_if("payload_text", as_text(&envelope.payload));
    line.put("payload", &BASE64.encode(&envelope.payload).into());
    line.0.push('}');
    without_hidden(line.0)
}

pub(super) const fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::FromClient => "from_client",
        Direction::FromBroker => "from_broker",
    }
}

/// The payload, where a person can read it.
pub(crate) fn as_text(payload: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(payload).ok().filter(|text| !text.is_empty() && text.len() <= MAX_TEXT_BYTES)?;
    let is_plain = |c: char| matches!(c, '\n' | '\r' | '\t') || !is_hidden(c);
    text.chars().all(is_plain).then_some(text)
}

fn properties(all: Properties<'_>) -> Value {
    let mut map = Map::new();
    let mut user = Vec::new();
    for property in all.iter() {
        if let Property::UserProperty(name, value) = property {
            user.push(json!([name, value]));
        } else if let Property::PayloadFormatIndicator(is_text) = property {
            map.insert("payload_format_indicator".to_owned(), u8::from(is_text).into());
        } else if let Property::MessageExpiryInterval(seconds) = property {
            map.insert("message_expiry_interval".to_owned(), seconds.into());
        } else if let Property::ContentType(text) = property {
            map.insert("content_type".to_owned(), text.into());
        } else if let Property::ResponseTopic(text) = property {
            map.insert("response_topic".to_owned(), text.into());
        } else if let Property::CorrelationData(bytes) = property {
            map.insert("correlation_data".to_owned(), BASE64.encode(bytes).into());
        }
    }
    if !user.is_empty() {
        map.insert("user_properties".to_owned(), user.into());
    }
    Value::Object(map)
}

/// No terminal acts on it: what could make one do so stands in JSON's texts alone, where it can be escaped.
pub(crate) fn without_hidden(json: String) -> String {
    if !json.chars().any(is_hidden) {
        return json;
    }
    let mut escaped = String::with_capacity(json.len() + 64);
    for character in json.chars() {
        if is_hidden(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        } else {
            escaped.push(character);
        }
    }
    escaped
}
