//! What rules about messages say, before they are compiled.

use std::sync::Arc;
use std::time::Duration;

use regex::Regex;

use crate::identity::Template;
use crate::jwk::{Keys, SigningKeys};
use crate::payload::schema::Schema;
use crate::payload::{self, Field};
use crate::policy::{Mode, OnDeny, Window};
use crate::signature::{Freshness, Scheme};

/// What every rule about messages says: of which messages it speaks, and what becomes of what it refuses.
#[derive(Clone, Debug)]
pub struct MessageRule {
    /// Unique among the rules of a policy; what records and Reason Strings show.
    pub id: String,
    /// Of whose messages; names of roles. None is of everyone's.
    pub roles: Vec<String>,
    /// Topic Filters of messages that clients publish, Wills among them.
    pub publish: Vec<String>,
    /// Topic Filters of messages that are delivered to clients.
    pub receive: Vec<String>,
    /// When it holds.
    pub when: Option<Window>,
    /// Whether it is enforced.
    pub mode: Mode,
    /// What becomes of what it refuses.
    pub on_deny: OnDeny,
}

impl MessageRule {
    /// A rule with nothing said but its id.
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            roles: Vec::new(),
            publish: Vec::new(),
            receive: Vec::new(),
            when: None,
            mode: Mode::Enforce,
            on_deny: OnDeny::Reject,
        }
    }
}

/// What a payload must be.
#[derive(Clone, Debug)]
pub struct PayloadRule {
    /// Of which messages, and what becomes of those that are not so.
    pub rule: MessageRule,
    /// How it is written; none where only its size matters.
    pub format: Option<PayloadFormat>,
    /// Bytes.
    pub max_bytes: usize,
    /// Whether an empty payload is taken, whatever else is asked of it: retained, it deletes what is retained.
    pub allow_empty: bool,
    /// Bounds on what is read of it.
    pub limits: payload::Limits,
    /// The schema that it must fit.
    pub schema: Option<Arc<Schema>>,
    /// What its values must be.
    pub values: Vec<Check>,
    /// What else must be so for it to go on.
    pub interlocks: Vec<Interlock>,
}

impl PayloadRule {
    /// The bytes that a payload may have where nothing else is said.
    pub const MAX_BYTES: usize = 64 << 10;

    /// A rule that only bounds the size.
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self {
            rule: MessageRule::new(id),
            format: None,
            max_bytes: Self::MAX_BYTES,
            allow_empty: false,
            limits: payload::Limits::default(),
            schema: None,
            values: Vec::new(),
            interlocks: Vec::new(),
        }
    }
}

/// How a payload is written.
#[derive(Clone, Debug)]
pub enum PayloadFormat {
    /// As values that fields name.
    Fields(payload::Format),
    /// As metrics.
    Sparkplug(Sparkplug),
}

/// What is asked of Sparkplug B beside the values of metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sparkplug {
    /// Whether the order of births, data and deaths is held to: seq, bdSeq, DATA after BIRTH.
    pub sequence: bool,
    /// Which metrics there may be.
    pub metrics: Metrics,
}

/// Which metrics a Sparkplug B payload may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Metrics {
    /// Those that the BIRTH declared, with the datatype that it declared.
    #[default]
    Declared,
    /// Any.
    Any,
}

/// What one value must be.
#[derive(Clone, Debug)]
pub struct Check {
    /// Where it stands; of Sparkplug B, the name of the metric.
    pub field: CheckedField,
    /// Whether it must be there.
    pub required: bool,
    /// Its type; any that fits what else is asked of it when not given.
    pub kind: Option<ValueKind>,
    /// The least that it may be.
    pub min: Option<Bound>,
    /// The most that it may be.
    pub max: Option<Bound>,
    /// What it may be; anything where empty.
    pub one_of: Vec<Scalar>,
    /// What must be found in a text. Not anchored.
    pub pattern: Option<Regex>,
    /// The least characters of a text, bytes, or items.
    pub min_length: Option<usize>,
    /// The most.
    pub max_length: Option<usize>,
    /// How fast it may change.
    pub max_change: Option<Change>,
    /// How soon it may come again.
    pub min_interval: Option<Duration>,
    /// For how long it may stay what it is while it goes on coming.
    pub stuck_after: Option<Duration>,
    /// What becomes of a value of which nothing is remembered.
    pub first: First,
    /// After so long nothing is remembered any more.
    pub forget_after: Duration,
}

/// What a [`Check`] looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckedField {
    /// A place in a payload.
    Field(Field),
    /// A metric of Sparkplug B, by its name.
    Metric(Box<str>),
}

impl CheckedField {
    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Field(field) => field.as_str(),
            Self::Metric(name) => name,
        }
    }
}

impl Check {
    /// How long values are remembered where nothing else is said.
    pub const FORGET_AFTER: Duration = Duration::from_secs(3600);

    /// A value that must be there, whatever it is.
    #[must_use]
    pub fn new(field: CheckedField) -> Self {
        Self {
            field,
            required: true,
            kind: None,
            min: None,
            max: None,
            one_of: Vec::new(),
            pattern: None,
            min_length: None,
            max_length: None,
            max_change: None,
            min_interval: None,
            stuck_after: None,
            first: First::Allow,
            forget_after: Self::FORGET_AFTER,
        }
    }
}

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// Whole or not.
    Number,
    /// A whole number, written as one.
    Integer,
    /// Text.
    Text,
    /// Truth or falsehood.
    Boolean,
    /// Bytes.
    Bytes,
    /// A list.
    List,
    /// An object.
    Object,
    /// Nothing.
    Null,
}

/// One end of a range. Whole numbers are held against whole numbers exactly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// A whole number.
    Integer(i64),
    /// A finite one.
    Float(f64),
}

/// A value that may be.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    /// A number.
    Number(Bound),
    /// Text.
    Text(Box<str>),
    /// Truth or falsehood.
    Boolean(bool),
}

/// How fast a value may change: by so much in so long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// By how much; finite and not negative.
    pub by: f64,
    /// In which time.
    pub per: Duration,
}

/// What becomes of a value of which nothing is remembered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum First {
    /// It goes on, and is remembered.
    #[default]
    Allow,
    /// It is refused, and remembered: the next is held against it.
    Deny,
}

/// What must be so in the plant for a message to go on: a value that some client published last.
#[derive(Clone, Debug)]
pub struct Interlock {
    /// The Topic Name that it was published to; `${topic.N}` is level N of the message's own, counted from 1.
    pub topic: String,
    /// How its payload is written.
    pub format: payload::Format,
    /// Where it stands there.
    pub field: Field,
    /// The least that it may be.
    pub min: Option<Bound>,
    /// The most that it may be.
    pub max: Option<Bound>,
    /// What it may be; anything where empty.
    pub one_of: Vec<Scalar>,
    /// How old it may be.
    pub max_age: Duration,
}

/// What a signature must be, or that one is made.
#[derive(Clone, Debug)]
pub struct SignatureRule {
    /// Of which messages, and what becomes of those that are not so.
    pub rule: MessageRule,
    /// How the messages are signed.
    pub scheme: Scheme,
    /// What is done.
    pub act: Act,
    /// Whether there must be a signature.
    pub required: Required,
    /// What the key's id must be; anything where empty.
    pub key_id: Vec<Template>,
    /// Nonces of one key that are kept at most.
    pub max_nonces: usize,
    /// Whether a retained message may be delivered however old it is.
    pub retained_any_age: bool,
}

impl SignatureRule {
    /// Nonces of one key that are kept where nothing else is said.
    pub const MAX_NONCES: usize = 10_000;

    /// A rule by which every message must be signed so.
    #[must_use]
    pub fn new(id: &str, scheme: Scheme, act: Act) -> Self {
        Self {
            rule: MessageRule::new(id),
            scheme,
            act,
            required: Required::Always,
            key_id: Vec::new(),
            max_nonces: Self::MAX_NONCES,
            retained_any_age: false,
        }
    }

    /// Whether it verifies messages that are signed with a counter.
    #[must_use]
    pub fn takes_counters(&self) -> bool {
        let verifies = matches!(self.act, Act::Verify(_) | Act::Strip(_));
        verifies && matches!(self.scheme.freshness, Freshness::Counter | Freshness::Either)
    }
}

/// What is done about a signature.
#[derive(Clone, Debug)]
pub enum Act {
    /// It is verified with one of these keys, and goes on.
    Verify(Arc<Keys>),
    /// It is verified with one of these keys, and taken off.
    Strip(Arc<Keys>),
    /// One is made, with the key of this name.
    Sign {
        /// Private keys and secrets.
        keys: Arc<SigningKeys>,
        /// Which of them.
        kid: Box<str>,
    },
}

/// Whether there must be a signature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Required {
    /// There must.
    #[default]
    Always,
    /// One that is there must hold. Who does not sign is noted.
    IfPresent,
    /// There must from this time on, in milliseconds since 1970; before, as [`Required::IfPresent`].
    From(i64),
}
