//! What a payload must be.

use std::sync::Arc;

use super::case::{Case, Pending, Run, Way};
use super::fault::{Fault, show};
use super::history::Course;
use super::interlock::Lock;
use super::rule::{Check, CheckedField, PayloadFormat, PayloadRule};
use super::sparkplug::Births;
use super::value::Limits;
use crate::payload::schema::{Schema, SchemaFlaw};
use crate::payload::{self, Field, Format, Found, Reader, Value};
use crate::policy::error::DraftError;
use crate::policy::memory::{History, Key};
use crate::policy::{Message, Reason};

/// A rule about payloads, made ready.
#[derive(Debug)]
pub(in crate::policy) struct Payload {
    max_bytes: usize,
    allow_empty: bool,
    reading: Option<Reading>,
    checks: Box<[Ready]>,
    locks: Box<[Lock]>,
}

/// How it is read.
#[derive(Debug)]
enum Reading {
    Fields { format: Format, limits: payload::Limits, reader: Option<Reader>, schema: Option<Arc<Schema>> },
    Sparkplug(Box<Births>),
}

/// What one value must be, made ready.
#[derive(Debug)]
pub(super) struct Ready {
    /// As it is written.
    pub(super) field: Box<str>,
    /// Which of the reader's it is.
    place: usize,
    required: bool,
    limits: Limits,
    course: Option<Course>,
}

impl Payload {
    /// Makes a rule ready.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(in crate::policy) fn new(rule: &PayloadRule) -> Result<Self, Vec<DraftError>> {
        let id = &rule.rule.id;
        let mut errors = Vec::new();
        let checks = ready(rule, &mut errors);
        let reading = reading(rule, &mut errors);
        let mut locks = Vec::with_capacity(rule.interlocks.len());
        for interlock in &rule.interlocks {
            match Lock::new(id, interlock) {
                Ok(lock) => locks.push(lock),
                Err(error) => errors.push(error),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let (max_bytes, allow_empty) = (rule.max_bytes, rule.allow_empty);
        Ok(Self { max_bytes, allow_empty, reading, checks, locks: locks.into() })
    }

    /// What it asks of the plant.
    pub(super) fn locks(&self) -> &[Lock] {
        &self.locks
    }

    /// Whether the time makes a difference to it.
    pub(super) fn needs_time(&self) -> bool {
        !self.locks.is_empty() || self.checks.iter().any(|check| check.course.is_some())
    }

    /// Whether it must see the payload.
    pub(super) const fn reads(&self) -> bool {
        self.reading.is_some()
    }

    /// Judges a message by its head.
    ///
    /// # Errors
    /// It is too large.
    #[inline]
    pub(super) fn judge_size(&self, message: &Message<'_>) -> Result<(), Fault> {
        if message.payload_bytes > self.max_bytes {
            return Err(Fault::whole(Reason::PayloadSize, ""));
        }
        Ok(())
    }

    /// Judges a payload, and what must be so beside it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn judge(&self, id: &str, case: &Case<'_>, pending: &mut Pending) -> Result<(), Fault> {
        let noted = pending.histories.len();
        let judged = self.judge_payload(id, case, pending).and_then(|()| self.judge_locks(case));
        if judged.is_err() {
            pending.histories.truncate(noted);
        }
        judged
    }

    fn judge_locks(&self, case: &Case<'_>) -> Result<(), Fault> {
        // That a Will can't depend on the plant is no matter of when it is judged.
        if case.run == Run::Again && case.way != Way::Will {
            return Ok(());
        }
        self.locks.iter().try_for_each(|lock| lock.judge(case))
    }

    fn judge_payload(&self, id: &str, case: &Case<'_>, pending: &mut Pending) -> Result<(), Fault> {
        let Some(reading) = &self.reading else { return Ok(()) };
        if self.allow_empty && case.message.payload_bytes == 0 {
            return Ok(());
        }
        let payload = case.payload.ok_or_else(|| Fault::whole(Reason::Payload, Fault::NOT_SEEN))?;
        match reading {
            Reading::Fields { format, limits, reader, schema } => {
                let mut found = Found::new();
                if let Some(reader) = reader {
                    reader.read(payload, &mut found).map_err(|flaw| Fault::format(&flaw))?;
                }
                if let Some(schema) = schema {
                    schema.validate(format, limits, payload).map_err(|flaw| Fault::schema(&flaw))?;
                }
                self.checks.iter().try_for_each(|check| check.judge(found.get(check.place), id, case, pending))
            }
            Reading::Sparkplug(births) => births.judge(payload, &self.checks, id, case, pending),
        }
    }

    /// What a fault is about, as the one who asks for an explanation is shown it.
    pub(super) fn shown(&self, fault: &Fault, case: &Case<'_>) -> Option<String> {
        if fault.reason == Reason::Interlock {
            return self.locks.iter().find_map(|lock| lock.shown(fault, case));
        }
        let Some(Reading::Fields { format, limits, reader, schema }) = &self.reading else { return None };
        if let (Some(schema), Fault::SCHEMA) = (schema, fault.problem) {
            return match schema.validate(format, limits, case.payload?) {
                Err(SchemaFlaw::Schema { keyword, .. }) => Some(format!("it breaks `{keyword}`")),
                Err(SchemaFlaw::Payload(_)) | Ok(()) => None,
            };
        }
        let reader = reader.as_ref()?;
        let mut found = Found::new();
        reader.read(case.payload?, &mut found).ok()?;
        let check = self.checks.iter().find(|check| *check.field == *fault.field)?;
        found.get(check.place).map(|value| format!("it is {}", show(value)))
    }
}

impl Ready {
    /// Judges what stands in the field.
    ///
    /// # Errors
    /// What is wrong with it.
    #[inline]
    pub(super) fn judge(
        &self,
        value: Option<&Value<'_>>,
        id: &str,
        case: &Case<'_>,
        pending: &mut Pending,
    ) -> Result<(), Fault> {
        let fault = |problem| Fault::new(Reason::Payload, &self.field, problem);
        let Some(value) = value else {
            return if self.required { Err(fault(Fault::MISSING)) } else { Ok(()) };
        };
        self.limits.judge(value).map_err(fault)?;
        match &self.course {
            None => Ok(()),
            Some(course) => self.follow(course, value, id, case, pending).map_err(fault),
        }
    }

    fn follow(
        &self,
        course: &Course,
        value: &Value<'_>,
        id: &str,
        case: &Case<'_>,
        pending: &mut Pending,
    ) -> Result<(), &'static str> {
        if case.run == Run::Again {
            return Ok(());
        }
        let memory = case.memory.ok_or(Fault::NO_MEMORY)?;
        let author = case.author();
        let ([kind, name], [topic, node, device]) = (author.parts(), case.subject());
        let (direction, field) = (case.direction(), self.field.as_bytes());
        let parts = [b"history", kind, name, direction, id.as_bytes(), topic, node, device, field];
        let key = Key::quick(memory.keys(), &parts);
        // A payload of Sparkplug may hold one metric more than once.
        let before = pending.histories.iter().rposition(|(known, ..)| *known == key);
        let known = before.and_then(|at| pending.histories.get(at)).map(|(_, history, _)| *history);
        let (number, known) = (course.number(value, memory), known.or_else(|| memory.history(key)));
        if case.way == Way::Will {
            return course.judge_will(known, number, case.now);
        }
        let mut note = |history: History| {
            let noted = (key, history, course.expires(case.now));
            match before.and_then(|at| pending.histories.get_mut(at)) {
                Some(before) => *before = noted,
                None => pending.histories.push(noted),
            }
        };
        match course.judge(known, number, case.now) {
            Ok(history) => {
                note(history);
                Ok(())
            }
            Err((problem, None)) => Err(problem),
            Err((problem, Some(first))) => {
                // What is refused for being the first is what the next is held against.
                if case.run == Run::Real {
                    memory.remember(key, first, course.expires(case.now));
                }
                Err(problem)
            }
        }
    }
}

fn ready(rule: &PayloadRule, errors: &mut Vec<DraftError>) -> Box<[Ready]> {
    let mut checks: Vec<Ready> = Vec::with_capacity(rule.values.len());
    let mut places: Vec<&str> = Vec::new();
    for check in &rule.values {
        let name = check.field.as_str();
        let place = places.iter().position(|known| *known == name).unwrap_or_else(|| {
            places.push(name);
            places.len() - 1
        });
        let made = ready_one(check, place).and_then(|one| {
            let is_double = |other: &&Ready| other.place == place && other.course.is_some();
            if one.course.is_some() && checks.iter().any(|other| is_double(&other)) {
                return Err("its values are followed twice".to_owned());
            }
            Ok(one)
        });
        match made {
            Ok(one) => checks.push(one),
            Err(why) => {
                let (rule, field) = (rule.rule.id.clone(), name.to_owned());
                errors.push(DraftError::Check { rule, field, why });
            }
        }
    }
    checks.into()
}

fn ready_one(check: &Check, place: usize) -> Result<Ready, String> {
    Ok(Ready {
        field: check.field.as_str().into(),
        place,
        required: check.required,
        limits: Limits::of(check)?,
        course: Course::of(check)?,
    })
}

fn reading(rule: &PayloadRule, errors: &mut Vec<DraftError>) -> Option<Reading> {
    let id = &rule.rule.id;
    let mut needs = |what, needs| errors.push(DraftError::Format { rule: id.clone(), what, needs });
    let format = match &rule.format {
        None => {
            if !rule.values.is_empty() {
                needs("values", "a `format`");
            }
            if rule.schema.is_some() {
                needs("a schema", "a `format`");
            }
            return None;
        }
        Some(PayloadFormat::Sparkplug(sparkplug)) => {
            if rule.values.iter().any(|check| matches!(check.field, CheckedField::Field(_))) {
                needs("fields", "another format than Sparkplug B, which has metrics");
            }
            if rule.schema.is_some() {
                needs("a schema", "JSON, CBOR or MessagePack");
            }
            let made = Births::new(sparkplug, &rule.limits).map_err(|why| DraftError::Reader { rule: id.clone(), why });
            return made.map_err(|error| errors.push(error)).ok().map(|births| Reading::Sparkplug(Box::new(births)));
        }
        Some(PayloadFormat::Fields(format)) => format,
    };
    if rule.schema.is_some() && !matches!(format, Format::Json | Format::Cbor | Format::MessagePack) {
        needs("a schema", "JSON, CBOR or MessagePack");
    }
    let mut fields: Vec<Field> = Vec::new();
    for check in &rule.values {
        match &check.field {
            CheckedField::Field(field) if fields.contains(field) => {}
            CheckedField::Field(field) => fields.push(field.clone()),
            CheckedField::Metric(_) => needs("metrics", "the format Sparkplug B"),
        }
    }
    // A schema reads all of it; there is no need to do so twice.
    let is_read = rule.schema.is_none() || !fields.is_empty();
    let reader = is_read.then(|| Reader::new(format.clone(), rule.limits.clone(), &fields)).transpose();
    match reader {
        Ok(reader) => {
            let (format, limits) = (format.clone(), rule.limits.clone());
            Some(Reading::Fields { format, limits, reader, schema: rule.schema.clone() })
        }
        Err(why) => {
            errors.push(DraftError::Reader { rule: id.clone(), why });
            None
        }
    }
}
