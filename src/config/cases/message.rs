//! The message of a case: what it says, and under which properties.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use super::only_with;
use super::tables::{CaseTable, GivenTable};
use crate::config::check::no_file;
use crate::config::problem;
use crate::config::read::{Located, Reading};
use crate::mqtt::error::DecodeError;
use crate::mqtt::frame::{PacketType, QoS};
use crate::mqtt::property::{Place, Properties, Property};
use crate::mqtt::{Direction, Limits, encode};
use crate::policy::Message;

/// Bytes of a file that holds a payload.
const MAX_PAYLOAD_BYTES: u64 = 16 << 20;

/// A message that is owned. `Debug` shows no payload.
#[derive(Clone)]
pub(super) struct Owned {
    topic: String,
    qos: QoS,
    retain: bool,
    dup: bool,
    bytes: usize,
    /// None where it does not matter what it says.
    payload: Option<Vec<u8>>,
    /// The block as a PUBLISH has it; none before 5.0.
    properties: Option<Vec<u8>>,
}

impl fmt::Debug for Owned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.message().fmt(f)
    }
}

impl Owned {
    pub(super) fn message(&self) -> Message<'_> {
        Message {
            topic: &self.topic,
            qos: self.qos,
            retain: self.retain,
            payload_bytes: self.bytes,
            payload: self.payload.as_deref(),
            dup: self.dup,
            properties: self.properties.as_deref().and_then(|block| parsed(block).ok()),
        }
    }
}

fn parsed(block: &[u8]) -> Result<Properties<'_>, DecodeError> {
    Properties::new(block, Place::Packet(PacketType::Publish), Direction::FromClient, &Limits::default())
}

/// Names and values, each with its place.
type Pairs = Vec<Located<(String, String)>>;

/// What a table says of a message.
pub(super) struct Said<'t> {
    pub(super) qos: Option<&'t Located<QoS>>,
    pub(super) retain: Option<&'t Located<bool>>,
    pub(super) dup: Option<&'t Located<bool>>,
    pub(super) payload: Option<&'t Located<String>>,
    pub(super) payload_hex: Option<&'t Located<Vec<u8>>>,
    pub(super) payload_file: Option<&'t Located<PathBuf>>,
    pub(super) payload_bytes: Option<&'t Located<usize>>,
    pub(super) properties: Option<&'t Located<Pairs>>,
}

impl<'t> From<&'t CaseTable> for Said<'t> {
    fn from(table: &'t CaseTable) -> Self {
        Self {
            qos: table.qos.as_ref(),
            retain: table.retain.as_ref(),
            dup: table.dup.as_ref(),
            payload: table.payload.as_ref(),
            payload_hex: table.payload_hex.as_ref(),
            payload_file: table.payload_file.as_ref(),
            payload_bytes: table.payload_bytes.as_ref(),
            properties: table.properties.as_ref(),
        }
    }
}

impl<'t> From<&'t GivenTable> for Said<'t> {
    fn from(table: &'t GivenTable) -> Self {
        Self {
            qos: table.qos.as_ref(),
            retain: table.retain.as_ref(),
            dup: table.dup.as_ref(),
            payload: table.payload.as_ref(),
            payload_hex: table.payload_hex.as_ref(),
            payload_file: table.payload_file.as_ref(),
            payload_bytes: None,
            properties: table.properties.as_ref(),
        }
    }
}

impl Said<'_> {
    /// Each key that is given and that only messages have, but QoS.
    pub(super) fn keys(&self) -> [(&'static str, Option<&Range<usize>>); 7] {
        [
            ("retain", self.retain.map(|retain| &retain.span)),
            ("dup", self.dup.map(|dup| &dup.span)),
            ("payload", self.payload.map(|payload| &payload.span)),
            ("payload_hex", self.payload_hex.map(|payload| &payload.span)),
            ("payload_file", self.payload_file.map(|payload| &payload.span)),
            ("payload_bytes", self.payload_bytes.map(|bytes| &bytes.span)),
            ("properties", self.properties.map(|properties| &properties.span)),
        ]
    }

    /// The message; problems where it says a thing twice, or what no message has.
    pub(super) fn message(&self, topic: &str, reading: &mut Reading) -> Owned {
        let payload = self.payload(reading);
        let bytes = self.payload_bytes.map_or(payload.as_ref().map_or(0, Vec::len), |bytes| bytes.value);
        Owned {
            topic: topic.to_owned(),
            qos: self.qos.map_or(QoS::Zero, |qos| qos.value),
            retain: self.retain.is_some_and(|retain| retain.value),
            dup: self.dup.is_some_and(|dup| dup.value),
            bytes,
            payload,
            properties: self.properties(reading),
        }
    }

    /// What it says, from one of the keys; none where it does not matter, and nothing where nothing is said.
    fn payload(&self, reading: &mut Reading) -> Option<Vec<u8>> {
        let [_, _, keys @ .., _] = self.keys();
        let mut given = keys.into_iter().filter(|(_, span)| span.is_some());
        if let (Some((first, _)), Some(second)) = (given.next(), given.next()) {
            only_with(&[second], &format!("`{first}` says what the payload is"), reading);
        }
        if self.payload_bytes.is_some() {
            return None;
        }
        if let Some(file) = self.payload_file.filter(|file| !file.value.as_os_str().is_empty()) {
            let read = crate::config::read_bytes(&file.value, MAX_PAYLOAD_BYTES);
            let failed = |why: String| no_file("can't open", &file.value, &why, &file.span, reading);
            return Some(read.map_err(failed).unwrap_or_default());
        }
        let text = self.payload.map(|payload| payload.value.clone().into_bytes());
        Some(text.or_else(|| self.payload_hex.map(|payload| payload.value.clone())).unwrap_or_default())
    }

    /// User Properties, as a PUBLISH has them.
    fn properties(&self, reading: &mut Reading) -> Option<Vec<u8>> {
        let said = self.properties?;
        let mut block = Vec::new();
        encode::properties(
            said.value.iter().map(|pair| Property::UserProperty(&pair.value.0, &pair.value.1)),
            &mut block,
        );
        if let Err(error) = parsed(&block) {
            let problem = reading
                .at(problem::Kind::Invalid, &said.span, "no message has such properties")
                .label(error.description());
            reading.report(problem);
        }
        Some(block)
    }
}
