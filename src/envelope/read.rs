//! JSON to an envelope. Anybody may have written it.

use data_encoding::BASE64;
use serde_json::{Map, Value};

use super::{Detail, Envelope, VERSION, lenient};
use crate::mqtt::frame::{PacketType, QoS};
use crate::mqtt::property::{Place, Properties, Property};
use crate::mqtt::{Direction, encode, topic};
use crate::payload::{self, Format, Found, Reader};

/// As many values as its bytes hold, as deep as they can be read.
const MANY: payload::Limits =
    payload::Limits { max_depth: payload::Limits::MAX_DEPTH, max_values: usize::MAX, allow_duplicates: false };

/// Bytes of an envelope: no PUBLISH can carry more.
pub const MAX_BYTES: usize = 256 << 20;

/// Why something is no envelope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// No JSON, or not to be understood as such.
    #[error("not JSON: line {line}, column {column}")]
    Json {
        /// Of the fault, from 1.
        line: usize,
        /// Of the fault, from 1.
        column: usize,
    },
    /// JSON that two readers may read in two ways, such as one with a key twice.
    #[error("JSON with more than one meaning: {0}")]
    Unclear(&'static str),
    /// JSON, but no object.
    #[error("no JSON object")]
    NoObject,
    /// More than [`MAX_BYTES`].
    #[error("larger than an MQTT message can be")]
    TooLarge,
    /// A form that is not known here.
    #[error("no envelope of version {VERSION}")]
    Version,
    /// A key that has to be there.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A value that can't be.
    #[error("`{0}` is not what it must be")]
    Invalid(&'static str),
}

/// Reads one envelope. Keys that are not known are left aside.
///
/// # Errors
/// It is none, or holds what no MQTT message can.
pub fn parse(bytes: &[u8]) -> Result<Envelope, Flaw> {
    if bytes.len() > MAX_BYTES {
        return Err(Flaw::TooLarge);
    }
    let value: Value =
        serde_json::from_slice(bytes).map_err(|error| Flaw::Json { line: error.line(), column: error.column() })?;
    let clear = Reader::new(Format::Json, MANY, &[]).map_err(|_| Flaw::NoObject)?;
    clear.read(bytes, &mut Found::new()).map_err(|flaw| Flaw::Unclear(flaw.what.label()))?;
    let Value::Object(map) = value else { return Err(Flaw::NoObject) };
    let keys = Keys(&map);
    if map.get("version").and_then(Value::as_u64) != Some(VERSION) {
        return Err(Flaw::Version);
    }
    let topic = keys.required("topic")?;
    topic::check_name(topic, &lenient()).map_err(|_| Flaw::Invalid("topic"))?;
    let qos = map.get("qos").ok_or(Flaw::Missing("qos"))?.as_u64().and_then(|qos| u8::try_from(qos).ok());
    Ok(Envelope {
        time: keys.text("time")?.into(),
        reason: keys.text("reason")?.into(),
        rule: keys.text("rule")?.into(),
        policy: keys.text("policy")?.into(),
        detail: detail(map.get("detail"))?,
        direction: match keys.text("direction")? {
            "" | "from_client" => Direction::FromClient,
            "from_broker" => Direction::FromBroker,
            _ => return Err(Flaw::Invalid("direction")),
        },
        listener: keys.text("listener")?.into(),
        connection: keys.number("connection")?.unwrap_or_default(),
        identity: keys.optional("identity")?.map(Into::into),
        client_id: keys.text("client_id")?.into(),
        username: keys.optional("username")?.map(Into::into),
        source: keys.text("source")?.into(),
        topic: topic.into(),
        qos: qos.and_then(QoS::from_u8).ok_or(Flaw::Invalid("qos"))?,
        retain: keys.flag("retain")?,
        dup: keys.flag("dup")?,
        properties: properties(map.get("properties"))?,
        payload: keys.base64("payload")?.ok_or(Flaw::Missing("payload"))?.into(),
    })
}

struct Keys<'m>(&'m Map<String, Value>);

impl<'m> Keys<'m> {
    fn optional(&self, key: &'static str) -> Result<Option<&'m str>, Flaw> {
        self.0.get(key).map(|value| value.as_str().ok_or(Flaw::Invalid(key))).transpose()
    }

    fn text(&self, key: &'static str) -> Result<&'m str, Flaw> {
        Ok(self.optional(key)?.unwrap_or_default())
    }

    fn required(&self, key: &'static str) -> Result<&'m str, Flaw> {
        self.optional(key)?.ok_or(Flaw::Missing(key))
    }

    fn flag(&self, key: &'static str) -> Result<bool, Flaw> {
        self.0.get(key).map_or(Ok(false), |value| value.as_bool().ok_or(Flaw::Invalid(key)))
    }

    fn number(&self, key: &'static str) -> Result<Option<u64>, Flaw> {
        self.0.get(key).map(|value| value.as_u64().ok_or(Flaw::Invalid(key))).transpose()
    }

    fn base64(&self, key: &'static str) -> Result<Option<Vec<u8>>, Flaw> {
        let text = self.optional(key)?;
        text.map(|text| BASE64.decode(text.as_bytes()).map_err(|_| Flaw::Invalid(key))).transpose()
    }
}

fn detail(value: Option<&Value>) -> Result<Option<Detail>, Flaw> {
    let Some(value) = value else { return Ok(None) };
    let keys = Keys(value.as_object().ok_or(Flaw::Invalid("detail"))?);
    Ok(Some(Detail { field: keys.text("field")?.into(), problem: keys.text("problem")?.into() }))
}

/// What MQTT can carry: a text or bytes with a length of 16 bits.
fn fits(text: &str) -> bool {
    u16::try_from(text.len()).is_ok()
}

fn properties(value: Option<&Value>) -> Result<Box<[u8]>, Flaw> {
    let Some(value) = value else { return Ok(Box::default()) };
    let map = value.as_object().ok_or(Flaw::Invalid("properties"))?;
    let keys = Keys(map);
    let bounded = |key| match keys.optional(key) {
        Ok(Some(text)) if !fits(text) => Err(Flaw::Invalid(key)),
        other => other,
    };
    let mut all = Vec::new();
    if let Some(format) = keys.number("payload_format_indicator")? {
        all.push(Property::PayloadFormatIndicator(match format {
            0 => false,
            1 => true,
            _ => return Err(Flaw::Invalid("payload_format_indicator")),
        }));
    }
    if let Some(seconds) = keys.number("message_expiry_interval")? {
        let seconds = u32::try_from(seconds).map_err(|_| Flaw::Invalid("message_expiry_interval"))?;
        all.push(Property::MessageExpiryInterval(seconds));
    }
    all.extend(bounded("content_type")?.map(Property::ContentType));
    all.extend(bounded("response_topic")?.map(Property::ResponseTopic));
    let correlation = keys.base64("correlation_data")?;
    if correlation.as_ref().is_some_and(|data| u16::try_from(data.len()).is_err()) {
        return Err(Flaw::Invalid("correlation_data"));
    }
    all.extend(correlation.as_deref().map(Property::CorrelationData));
    let user = map.get("user_properties").map(|value| value.as_array().ok_or(Flaw::Invalid("user_properties")));
    for pair in user.transpose()?.into_iter().flatten() {
        all.push(user_property(pair).ok_or(Flaw::Invalid("user_properties"))?);
    }
    let mut block = Vec::new();
    encode::properties(all, &mut block);
    Properties::new(&block, Place::Packet(PacketType::Publish), Direction::FromClient, &lenient())
        .map_err(|_| Flaw::Invalid("properties"))?;
    Ok(block.into())
}

fn user_property(pair: &Value) -> Option<Property<'_>> {
    let [name, value] = pair.as_array()?.as_slice() else { return None };
    let (name, value) = (name.as_str().filter(|text| fits(text))?, value.as_str().filter(|text| fits(text))?);
    Some(Property::UserProperty(name, value))
}
