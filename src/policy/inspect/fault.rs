//! What a rule about messages has against one.

use crate::payload::schema::SchemaFlaw;
use crate::payload::{Flaw, Value};
use crate::policy::{Denial, Detail, Reason, RuleId};

use super::super::authority::Refused;
use super::super::compile::Ruling;

/// What is wrong with a message, and where. Never a value of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::policy) struct Fault {
    pub(in crate::policy) reason: Reason,
    /// A field, metric or topic; empty is the whole.
    pub(in crate::policy) field: Box<str>,
    /// A word of a closed set.
    pub(in crate::policy) problem: &'static str,
}

impl Fault {
    pub(super) const MISSING: &'static str = "missing";
    pub(super) const TYPE: &'static str = "type";
    pub(super) const BELOW_MIN: &'static str = "below_min";
    pub(super) const ABOVE_MAX: &'static str = "above_max";
    pub(super) const NOT_ONE_OF: &'static str = "not_one_of";
    pub(super) const PATTERN: &'static str = "pattern";
    pub(super) const SCHEMA: &'static str = "schema";
    pub(super) const TOO_SHORT: &'static str = "too_short";
    pub(super) const TOO_LONG: &'static str = "too_long";
    pub(super) const CHANGED_TOO_FAST: &'static str = "changed_too_fast";
    pub(super) const TOO_SOON: &'static str = "too_soon";
    pub(super) const STUCK: &'static str = "stuck";
    /// There is no value before it to hold it against.
    pub(super) const NO_HISTORY: &'static str = "no_history";
    /// The payload is judged by a rule that was not given it.
    pub(super) const NOT_SEEN: &'static str = "not_seen";
    /// Nothing is remembered here that it could be held against.
    pub(super) const NO_MEMORY: &'static str = "no_memory";
    /// No client has published what an interlock asks for.
    pub(super) const UNKNOWN: &'static str = "unknown";
    /// That was too long ago.
    pub(super) const STALE: &'static str = "stale";
    /// It is a Will: what must be so when it is published can't be asked before.
    pub(super) const WILL: &'static str = "will";

    pub(super) fn new(reason: Reason, field: &str, problem: &'static str) -> Self {
        let mut end = field.len().min(Detail::MAX_FIELD_BYTES);
        while !field.is_char_boundary(end) {
            end -= 1;
        }
        Self { reason, field: field.get(..end).unwrap_or_default().into(), problem }
    }

    /// Of the message as a whole.
    pub(super) fn whole(reason: Reason, problem: &'static str) -> Self {
        Self { reason, field: Box::default(), problem }
    }

    /// A payload that is not of its format.
    pub(super) fn format(flaw: &Flaw) -> Self {
        Self::new(Reason::Payload, flaw.field.as_deref().unwrap_or_default(), flaw.what.label())
    }

    /// A payload that breaks its schema.
    pub(super) fn schema(flaw: &SchemaFlaw) -> Self {
        match flaw {
            SchemaFlaw::Payload(flaw) => Self::format(flaw),
            SchemaFlaw::Schema { field, .. } => Self::new(Reason::Payload, field, Self::SCHEMA),
        }
    }

    pub(in crate::policy) fn refuses<R>(self, rule: &Ruling<R>) -> Refused {
        let Self { reason, field, problem } = self;
        let detail = (!field.is_empty() || !problem.is_empty()).then(|| Box::new(Detail { field, problem }));
        let denial = Denial { rule: RuleId::Rule(rule.id.clone()), reason, on_deny: rule.on_deny, detail };
        Refused { denial, is_enforced: rule.is_enforced }
    }
}

/// A value as an operator is shown it who asks for an explanation; bounded.
pub(super) fn show(value: &Value<'_>) -> String {
    const MAX_CHARS: usize = 64;
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Integer(value) => value.to_string(),
        Value::Float(value) => value.to_string(),
        Value::Text(text) if text.chars().count() > MAX_CHARS => {
            format!("{:?}…", text.chars().take(MAX_CHARS).collect::<String>())
        }
        Value::Text(text) => format!("{text:?}"),
        Value::Bytes(bytes) => format!("{} bytes", bytes.len()),
        Value::List(items) => format!("a list of {items}"),
        Value::Object(members) => format!("an object of {members}"),
    }
}
