//! What must be so in the plant: values that clients have published last.

use std::fmt;
use std::sync::Arc;

use super::case::{Case, Pending, Way};
use super::fault::{Fault, show};
use super::history::millis;
use super::rule::Interlock;
use super::value::Limits;
use crate::mqtt::{self, topic};
use crate::payload::{self, Format, Found, Reader, Value};
use crate::policy::error::DraftError;
use crate::policy::memory::{Fact, Key, Known, Memory};
use crate::policy::{PayloadRule, Reason};

use super::super::filter::Level;
use crate::identity::Attribute;

/// What one value must be for a message to go on.
#[derive(Debug)]
pub(super) struct Lock {
    levels: Box<[Step]>,
    source: Arc<Source>,
    limits: Limits,
    max_age: i64,
}

/// One level of the topic that it was published to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Text(Box<str>),
    /// As this level of the message's own topic, counted from 0.
    Own(usize),
}

/// Where values are learnt.
pub(super) struct Source {
    reader: Reader,
    /// Topics, `+` for a level that is the message's own.
    filter: Box<str>,
    /// What tells it from others that are read otherwise.
    format: &'static str,
    owner: Box<str>,
    field: Box<str>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("filter", &self.filter).field("field", &self.field).finish_non_exhaustive()
    }
}

impl PartialEq for Source {
    /// Whether they learn the same from the same messages.
    fn eq(&self, other: &Self) -> bool {
        let parts = |own: &Self| (own.filter.clone(), own.format, own.owner.clone(), own.field.clone());
        parts(self) == parts(other)
    }
}

impl Lock {
    /// Makes an interlock of this rule ready.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn new(rule: &str, interlock: &Interlock) -> Result<Self, DraftError> {
        let wrong = |why| DraftError::Interlock { rule: rule.to_owned(), topic: interlock.topic.clone(), why };
        let levels = steps(&interlock.topic).map_err(wrong)?;
        if interlock.max_age.as_millis() == 0 {
            return Err(wrong("its `max_age` is no time at all".to_owned()));
        }
        let limits = Limits::range(interlock.min, interlock.max, &interlock.one_of).map_err(wrong)?;
        let fields = std::slice::from_ref(&interlock.field);
        let reader = Reader::new(interlock.format.clone(), payload::Limits::default(), fields)
            .map_err(|why| DraftError::Reader { rule: rule.to_owned(), why })?;
        let (format, is_own) = label(&interlock.format);
        let filter: Vec<&str> =
            levels.iter().map(|step| if let Step::Text(text) = step { &**text } else { "+" }).collect();
        let source = Source {
            reader,
            filter: filter.join("/").into(),
            format,
            owner: if is_own { rule.into() } else { "".into() },
            field: interlock.field.as_str().into(),
        };
        Ok(Self { levels: levels.into(), source: Arc::new(source), limits, max_age: millis(interlock.max_age) })
    }

    /// Where it learns what it asks for.
    pub(super) fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// Whether the plant is as it must be.
    ///
    /// # Errors
    /// It is not, or nobody knows.
    pub(super) fn judge(&self, case: &Case<'_>) -> Result<(), Fault> {
        let refused = |problem| {
            let topic = self.topic(case.message.topic);
            Fault::new(Reason::Interlock, topic.as_deref().unwrap_or(&self.source.filter), problem)
        };
        // The broker publishes it at a time that nobody knows: so nobody can tell how the plant is then.
        if case.way == Way::Will {
            return Err(refused(Fault::WILL));
        }
        let memory = case.memory.ok_or_else(|| refused(Fault::NO_MEMORY))?;
        let fact = self.fact(case, memory).ok_or_else(|| refused(Fault::UNKNOWN))?;
        // What lies far ahead was learnt before the clock was set back: nobody can tell how old it is.
        if case.now.saturating_sub(fact.millis).saturating_abs() > self.max_age {
            return Err(refused(Fault::STALE));
        }
        let value = value(&fact.value).ok_or_else(|| refused(Fault::TYPE))?;
        self.limits.judge(&value).map_err(refused)
    }

    fn fact(&self, case: &Case<'_>, memory: &dyn Memory) -> Option<Fact> {
        let mut levels = self.levels.iter().map(|step| step.of(case.message.topic));
        memory.fact(self.source.key(memory, || levels.next())?)
    }

    /// The topic that it asks about; none where the message's own has too few levels.
    fn topic(&self, own: &str) -> Option<String> {
        let levels = self.levels.iter().map(|step| step.of(own));
        Some(levels.collect::<Option<Vec<_>>>()?.join("/"))
    }

    /// What is known, as the one who asks for an explanation is shown it; none where the fault is not this one's.
    pub(super) fn shown(&self, fault: &Fault, case: &Case<'_>) -> Option<String> {
        if self.judge(case).as_ref() != Err(fault) {
            return None;
        }
        let fact = self.fact(case, case.memory?)?;
        let age = case.now.saturating_sub(fact.millis).max(0);
        let known = value(&fact.value).map_or("nothing to compare".to_owned(), |one| show(&one));
        Some(format!("it is {known}, {age} ms ago"))
    }
}

impl Step {
    fn of<'t>(&'t self, own: &'t str) -> Option<&'t str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Own(level) => own.split('/').nth(*level),
        }
    }
}

impl Source {
    /// Bytes of the largest payload that it reads; of a larger one nothing is known.
    pub(super) const MAX_BYTES: usize = PayloadRule::MAX_BYTES;
    /// Levels of a topic that it looks at.
    const MAX_LEVELS: usize = 32;
    /// What comes before the levels in a key.
    const FIXED_PARTS: usize = 4;

    /// The filter of the topics that it learns from.
    pub(super) fn levels(&self) -> Vec<Level<&str, Attribute>> {
        let level = |text| if text == "+" { Level::One } else { Level::Exact(text) };
        self.filter.split('/').map(level).collect()
    }

    /// What stands for the value of a topic of these levels; none where one is missing.
    fn key<'t>(&self, memory: &dyn Memory, mut levels: impl FnMut() -> Option<Option<&'t str>>) -> Option<Key> {
        let fixed: [&[u8]; Self::FIXED_PARTS] =
            [b"fact", self.format.as_bytes(), self.owner.as_bytes(), self.field.as_bytes()];
        let mut parts: [&[u8]; Self::FIXED_PARTS + Self::MAX_LEVELS] = [b""; _];
        parts.get_mut(..Self::FIXED_PARTS)?.copy_from_slice(&fixed);
        let mut count = Self::FIXED_PARTS;
        while let Some(level) = levels() {
            *parts.get_mut(count)? = level?.as_bytes();
            count += 1;
        }
        Some(Key::quick(memory.keys(), parts.get(..count)?))
    }

    /// Learns what a message says that a client publishes. One that can't be read leaves nothing known.
    pub(super) fn learn(&self, case: &Case<'_>, pending: &mut Pending) {
        let Some(memory) = case.memory else { return };
        let mut levels = case.message.topic.split('/');
        let Some(key) = self.key(memory, || levels.next().map(Some)) else { return };
        let mut found = Found::new();
        let payload = case.payload.filter(|payload| payload.len() <= Self::MAX_BYTES);
        let is_read = payload.is_some_and(|payload| self.reader.read(payload, &mut found).is_ok());
        let value = found.get(0).filter(|_| is_read).map_or(Known::Other, known);
        pending.facts.push((key, Fact { value, millis: case.now }));
    }
}

fn known(value: &Value<'_>) -> Known {
    match value {
        Value::Bool(value) => Known::Bool(*value),
        Value::Integer(value) => Known::Number(*value as f64),
        Value::Float(value) => Known::Number(*value),
        Value::Text(text) if text.len() <= Known::MAX_TEXT_BYTES => Known::Text((**text).into()),
        Value::Text(_) | Value::Null | Value::Bytes(_) | Value::List(_) | Value::Object(_) => Known::Other,
    }
}

fn value(known: &Known) -> Option<Value<'_>> {
    match known {
        Known::Bool(value) => Some(Value::Bool(*value)),
        Known::Number(number) => Some(Value::Float(*number)),
        Known::Text(text) => Some(Value::Text((**text).into())),
        Known::Other => None,
    }
}

/// The word for a format, and whether two of that word may differ.
const fn label(format: &Format) -> (&'static str, bool) {
    match format {
        Format::Json => ("json", false),
        Format::Cbor => ("cbor", false),
        Format::MessagePack => ("messagepack", false),
        Format::Text => ("text", false),
        Format::Number => ("number", false),
        Format::Binary(_) => ("binary", true),
        Format::Protobuf(_) => ("protobuf", true),
    }
}

/// Takes the topic of an interlock apart.
fn steps(text: &str) -> Result<Vec<Step>, String> {
    let step = |level: &str| match level.strip_prefix("${topic.").and_then(|rest| rest.strip_suffix('}')) {
        Some(number) => match number.parse::<usize>() {
            Ok(number @ 1..=Source::MAX_LEVELS) => Ok(Step::Own(number - 1)),
            Ok(_) | Err(_) => Err(format!("`{level}` is no level: they are counted from 1 to {}", Source::MAX_LEVELS)),
        },
        None if level.contains("${") => {
            Err(format!("`{level}` is no level; `${{topic.2}}` is the second of the message"))
        }
        None => Ok(Step::Text(level.into())),
    };
    let steps: Vec<Step> = text.split('/').map(step).collect::<Result<_, _>>()?;
    if steps.len() > Source::MAX_LEVELS {
        return Err(format!("it has more than {} levels", Source::MAX_LEVELS));
    }
    let plain: Vec<&str> = steps.iter().map(|step| if let Step::Text(text) = step { &**text } else { "v" }).collect();
    topic::check_name(&plain.join("/"), &mqtt::Limits::default()).map_err(|error| error.to_string())?;
    Ok(steps)
}
