//! The tables of rules about payloads as they are written.

use std::path::PathBuf;
use std::time::Duration;

use regex::Regex;

use crate::config::kinds::{
    File, Flag, Words, count, duration, expression, extent, fact_topic, label, list, name, number, optional,
    plain_text, pointer, required, required_list, scalar, seconds, size, table, topic_filter, word,
};
use crate::config::policy::tables::{MANY, WhenTable};
use crate::config::read::{Located, settings};
use crate::payload::binary::{self, Endian, Layout};
use crate::payload::{Field, Limits, MAX_FIELDS};
use crate::policy::{Bound, Check, First, Metrics, Mode, OnDeny, PayloadRule, Scalar, ValueKind};

/// Interlocks of one rule.
const MAX_INTERLOCKS: usize = 16;
/// Values that one of them must be.
const MAX_ONE_OF: usize = 1000;
/// How long something may be remembered, or be old.
const LONGEST: Duration = seconds(30 * 86_400);
/// The shortest time that is told apart.
const SHORTEST: Duration = Duration::from_millis(1);

/// What a rule holds to when nothing is said.
const LIMITS: Limits = Limits { max_depth: 32, max_values: 10_000, allow_duplicates: false };

/// How a payload is written, as the word in `format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum FormatName {
    Json,
    Cbor,
    MessagePack,
    Text,
    Number,
    Binary,
    Protobuf,
    Sparkplug,
}

impl Words for FormatName {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("json", Self::Json),
        ("cbor", Self::Cbor),
        ("messagepack", Self::MessagePack),
        ("text", Self::Text),
        ("number", Self::Number),
        ("binary", Self::Binary),
        ("protobuf", Self::Protobuf),
        ("sparkplug", Self::Sparkplug),
    ];
}

impl FormatName {
    /// The word.
    pub(super) fn label(self) -> &'static str {
        Self::WORDS.iter().find(|(_, name)| *name == self).map_or("", |(word, _)| word)
    }
}

/// How the payload of an interlock is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum FactFormat {
    Json,
    Cbor,
    MessagePack,
    Text,
    Number,
}

impl Words for FactFormat {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("json", Self::Json),
        ("cbor", Self::Cbor),
        ("messagepack", Self::MessagePack),
        ("text", Self::Text),
        ("number", Self::Number),
    ];
}

impl Words for ValueKind {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("number", Self::Number),
        ("integer", Self::Integer),
        ("text", Self::Text),
        ("boolean", Self::Boolean),
        ("bytes", Self::Bytes),
        ("list", Self::List),
        ("object", Self::Object),
        ("null", Self::Null),
    ];
}

impl Words for First {
    const WORDS: &'static [(&'static str, Self)] = &[("allow", Self::Allow), ("deny", Self::Deny)];
}

impl Words for Metrics {
    const WORDS: &'static [(&'static str, Self)] = &[("declared", Self::Declared), ("any", Self::Any)];
}

settings! {
    /// What payloads must be. What grants permit is refused all the same where one of these rules speaks of it and does not hold.
    pub(in crate::config) struct PayloadTable {
        /// Its id, which records and Reason Strings show; unique among all rules.
        id: Option<Located<String>> = None, required(name());
        /// Of whose messages: names of roles; everyone's when not given.
        roles: Vec<Located<String>> = Vec::new(), list(name(), 0..=MANY);
        /// Topic Filters of what clients publish, Wills among them.
        publish: Vec<Located<String>> = Vec::new(), list(topic_filter(), 0..=MANY);
        /// Topic Filters of what is delivered to clients.
        receive: Vec<Located<String>> = Vec::new(), list(topic_filter(), 0..=MANY);
        /// How a payload is written. What is not strictly of this format is refused. Of `text` and `number` the whole payload is one value; `binary` and `protobuf` need the table of that name; of `sparkplug` (B) the values are metrics.
        format: Option<Located<FormatName>> = None, optional(word());
        /// The largest payload. What is larger is refused by its head alone.
        max_bytes: Option<Located<usize>> = Some(Located { value: PayloadRule::MAX_BYTES, span: 0..0 }), optional(size(0..=16 << 20));
        /// Whether an empty payload goes on whatever else is asked: published with retain, it deletes what is retained.
        allow_empty: bool = false, Flag;
        /// How deep lists and objects may be nested.
        max_depth: Option<Located<usize>> = Some(Located { value: LIMITS.max_depth, span: 0..0 }), optional(count(1..=128));
        /// How many values of all kinds a payload may hold.
        max_values: Option<Located<usize>> = Some(Located { value: LIMITS.max_values, span: 0..0 }), optional(count(1..=1_000_000));
        /// Whether a name may stand twice in one object; who reads it may then take another value than was judged.
        duplicate_keys: Option<Located<bool>> = Some(Located { value: LIMITS.allow_duplicates, span: 0..0 }), optional(Flag);
        /// JSON Schema that the payload must fit, of draft 4 to 2020-12; of JSON, CBOR and MessagePack. What it names by `$ref` is a file beside it: nothing is fetched.
        schema: Option<Located<PathBuf>> = None, optional(File);
        /// Where each field stands, for `format = "binary"`.
        binary: Option<Located<BinaryTable>> = None, optional(table());
        /// What the message is, for `format = "protobuf"`.
        protobuf: Option<Located<ProtobufTable>> = None, optional(table());
        /// What is asked beside the values of metrics, for `format = "sparkplug"`.
        sparkplug: Option<Located<SparkplugTable>> = None, optional(table());
        /// What values must be.
        values: Vec<Located<ValueTable>> = Vec::new(), list(table(), 0..=MAX_FIELDS);
        /// What must be so in the plant for the message to go on: each is a value that some client published last. One that is not known, too old, or of the wrong type refuses. So does every one for a Will, which is published at a time nobody knows.
        interlocks: Vec<Located<InterlockTable>> = Vec::new(), list(table(), 0..=MAX_INTERLOCKS);
        /// When it holds; always when not given.
        when: Option<Located<WhenTable>> = None, optional(table());
        /// With `monitor` it refuses nothing and is recorded.
        mode: Option<Located<Mode>> = Some(Located { value: Mode::Enforce, span: 0..0 }), optional(word());
        /// What becomes of what it refuses.
        on_deny: OnDeny = OnDeny::Reject, word();
    }
}

settings! {
    /// What one value must be.
    pub(in crate::config) struct ValueTable {
        /// Where it stands, as a JSON Pointer (RFC 6901): fields of Protobuf and binary payloads by name, items of lists by number. Not of `text` and `number`, where it is the whole.
        field: Option<Located<Field>> = None, optional(pointer());
        /// The name of the metric, for `format = "sparkplug"`: that of an alias is known from the birth. It is checked wherever it stands, in births, data and commands; `required` refuses it where it is null, not where it does not stand, since data tells of what has changed.
        metric: Option<Located<String>> = None, optional(plain_text());
        /// Whether it must be there. One that is there is held to the rest either way.
        required: Option<Located<bool>> = Some(Located { value: true, span: 0..0 }), optional(Flag);
        /// Its type; when not given, any that fits the rest. An `integer` is written without fraction.
        kind as "type": Option<Located<ValueKind>> = None, optional(word());
        /// The least that it may be.
        min: Option<Located<Bound>> = None, optional(number());
        /// The most that it may be.
        max: Option<Located<Bound>> = None, optional(number());
        /// What it may be: numbers, texts, or `true` and `false`.
        one_of: Option<Located<Vec<Located<Scalar>>>> = None, optional(list(scalar(), 1..=MAX_ONE_OF));
        /// What must be found in a text; `^` and `$` tie it to the ends.
        pattern: Option<Located<Regex>> = None, optional(expression());
        /// The least characters of a text, bytes, or items of a list.
        min_length: Option<Located<usize>> = None, optional(count(0..=16 << 20));
        /// The most characters of a text, bytes, or items of a list.
        max_length: Option<Located<usize>> = None, optional(count(0..=16 << 20));
        /// By how much it may change in the time that `per` says, held against the last value of the same client and topic that went on. A client that is proven to be nobody is told by its address.
        max_change: Option<Located<Bound>> = None, optional(extent());
        /// The time of `max_change`.
        per: Option<Located<Duration>> = None, optional(duration(SHORTEST..=LONGEST));
        /// How soon after the last one it may come.
        min_interval: Option<Located<Duration>> = None, optional(duration(SHORTEST..=LONGEST));
        /// How long it may stay what it is while it goes on coming: a sensor that shows the same for ever is most likely broken.
        stuck_after: Option<Located<Duration>> = None, optional(duration(SHORTEST..=LONGEST));
        /// What becomes of a value of which nothing is remembered: `allow` lets it go on, `deny` refuses it and holds the next against it.
        first: Option<Located<First>> = Some(Located { value: First::Allow, span: 0..0 }), optional(word());
        /// After so long the last value counts for nothing.
        forget_after: Option<Located<Duration>> = Some(Located { value: Check::FORGET_AFTER, span: 0..0 }), optional(duration(SHORTEST..=LONGEST));
    }
}

settings! {
    /// What must be so in the plant for a message to go on.
    pub(in crate::config) struct InterlockTable {
        /// The Topic Name that the value is published to. A level may be `${topic.2}`: that level of the message's own topic, counted from 1.
        topic: Option<Located<String>> = None, required(fact_topic());
        /// How that payload is written.
        format: FactFormat = FactFormat::Json, word();
        /// Where the value stands in it. Not of `text` and `number`, where it is the whole.
        field: Option<Located<Field>> = None, optional(pointer());
        /// The least that it may be.
        min: Option<Located<Bound>> = None, optional(number());
        /// The most that it may be.
        max: Option<Located<Bound>> = None, optional(number());
        /// What it may be. Without this, `min` and `max` it is enough that it is known.
        one_of: Option<Located<Vec<Located<Scalar>>>> = None, optional(list(scalar(), 1..=MAX_ONE_OF));
        /// How old it may be.
        max_age: Option<Located<Duration>> = None, required(duration(SHORTEST..=LONGEST));
    }
}

settings! {
    /// A payload whose fields stand at fixed places.
    pub(in crate::config) struct BinaryTable {
        /// How long the payload is; as long as its fields reach when not given.
        length: Option<Located<usize>> = None, optional(size(1..=1 << 20));
        /// Whether it may be longer. What is more is not looked at.
        longer: bool = false, Flag;
        /// Which byte of a number comes first: that of the highest value (`big`) or of the lowest (`little`).
        endian: Endian = Endian::Big, word();
        /// Its fields.
        fields: Vec<Located<BinaryFieldTable>> = Vec::new(), required_list(table(), 1..=Layout::MAX_FIELDS);
    }
}

impl Words for Endian {
    const WORDS: &'static [(&'static str, Self)] = &[("big", Self::Big), ("little", Self::Little)];
}

settings! {
    /// A field at a fixed place.
    pub(in crate::config) struct BinaryFieldTable {
        /// Its name; `values` mean it by `field = "/NAME"`.
        name: Option<Located<String>> = None, required(label());
        /// Bytes before it.
        offset: Option<Located<usize>> = None, required(count(0..=1 << 20));
        /// What it is: `u8` to `u64` without a sign and `i8` to `i64` with one, of so many bits; `f32`, `f64`; `bool`, a byte of 0 or 1; `text` in UTF-8; `bytes`; `bits` of a number without a sign.
        kind as "type": Option<Located<BinaryKind>> = None, required(word());
        /// Bytes of a `text` or of `bytes`.
        length: Option<Located<usize>> = None, optional(count(1..=1 << 20));
        /// The lowest of `bits`, counted from 0; the number is as few bytes as hold them.
        bit: Option<Located<u8>> = None, optional(count(0..=63));
        /// How many `bits`.
        bits: Option<Located<u8>> = None, optional(count(1..=64));
        /// What the number is multiplied by.
        scale: Option<Located<Bound>> = None, optional(number());
        /// What is added then.
        add: Option<Located<Bound>> = None, optional(number());
    }
}

/// What a field at a fixed place is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum BinaryKind {
    Fixed(binary::Kind),
    Text,
    Bytes,
    Bits,
}

impl Words for BinaryKind {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("u8", Self::Fixed(binary::Kind::Unsigned(1))),
        ("u16", Self::Fixed(binary::Kind::Unsigned(2))),
        ("u24", Self::Fixed(binary::Kind::Unsigned(3))),
        ("u32", Self::Fixed(binary::Kind::Unsigned(4))),
        ("u48", Self::Fixed(binary::Kind::Unsigned(6))),
        ("u64", Self::Fixed(binary::Kind::Unsigned(8))),
        ("i8", Self::Fixed(binary::Kind::Signed(1))),
        ("i16", Self::Fixed(binary::Kind::Signed(2))),
        ("i24", Self::Fixed(binary::Kind::Signed(3))),
        ("i32", Self::Fixed(binary::Kind::Signed(4))),
        ("i48", Self::Fixed(binary::Kind::Signed(6))),
        ("i64", Self::Fixed(binary::Kind::Signed(8))),
        ("f32", Self::Fixed(binary::Kind::F32)),
        ("f64", Self::Fixed(binary::Kind::F64)),
        ("bool", Self::Fixed(binary::Kind::Bool)),
        ("text", Self::Text),
        ("bytes", Self::Bytes),
        ("bits", Self::Bits),
    ];
}

settings! {
    /// A Protobuf message. Enumerated values are texts, their names. A proto3 field without `optional` that is left out is 0, `false` or empty, as every reader takes it, and is held to its rule as that.
    pub(in crate::config) struct ProtobufTable {
        /// Its description, as `protoc --include_imports --descriptor_set_out=FILE` writes it.
        descriptors: Option<Located<PathBuf>> = None, required(File);
        /// Its full name, such as `plant.Temperature`.
        message: Option<Located<String>> = None, required(label());
        /// Whether fields that the description does not have are passed over, as newer devices may send them: nothing holds those to anything.
        unknown_fields: bool = false, Flag;
    }
}

settings! {
    /// What is asked of Sparkplug B beside the values of metrics.
    pub(in crate::config) struct SparkplugTable {
        /// Whether what clients publish is held to the order of births, data and deaths: NDEATH is the Will, with the `bdSeq` of NBIRTH; `seq` has no gap; there is no data before a birth, and no death of what this connection has not declared born. The rule must speak of the births, too. After a reload that brings the rule, nodes must be born anew.
        sequence: bool = true, Flag;
        /// Which metrics there may be: `declared` permits those that the birth declared, with the datatype that it declared; `any` permits any. Commands are held to the births that went the other way on the same connection; to ask for a rebirth is always permitted.
        metrics: Metrics = Metrics::Declared, word();
    }
}
