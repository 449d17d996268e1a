//! What values must be: each key with those that it can stand beside.

use std::collections::HashMap;
use std::mem::discriminant;
use std::ops::Range;
use std::time::Duration;

use super::super::rules::{means_nothing, written};
use super::tables::{BinaryKind, FormatName, PayloadTable, ValueTable};
use crate::config::kinds::{as_float, is_above, show_duration};
use crate::config::problem;
use crate::config::read::{Located, Reading};
use crate::payload::Field;
use crate::payload::binary::Kind as Stored;
use crate::policy::{Bound, Change, Check, CheckedField, First, Scalar, ValueKind};

/// What is asked of values.
pub(super) fn checks(table: &PayloadTable, reading: &mut Reading) -> Vec<Check> {
    once(table, reading);
    table.values.iter().filter_map(|value| check(value, table, reading)).collect()
}

/// Each place once.
fn once(table: &PayloadTable, reading: &mut Reading) {
    let mut seen = HashMap::new();
    for value in &table.values {
        let field = value.value.field.as_ref().map(|field| (field.value.as_str(), &field.span));
        let metric = value.value.metric.as_ref().map(|metric| (metric.value.as_str(), &metric.span));
        let Some((place, span)) = field.or(metric) else { continue };
        let first = *seen.entry(place).or_insert(span.start);
        if first != span.start {
            let problem = reading
                .at(problem::Kind::Duplicate, span, format!("two `values` speak of `{place}`"))
                .label(format!("the first is on line {}", reading.source.line(first)))
                .help("say all of it in one, or in two rules");
            reading.report(problem);
        }
    }
}

fn check(located: &Located<ValueTable>, rule: &PayloadTable, reading: &mut Reading) -> Option<Check> {
    let table = &located.value;
    let place = place(located, rule, reading);
    types(table, rule, reading);
    ranges(table, reading);
    if let Some(one_of) = &table.one_of {
        choices(&one_of.value, table.kind.as_ref(), reading);
    }
    let max_change = change(located, reading);
    memory(table, reading);
    asks_something(located, reading);
    let or = |value: &Option<Located<Duration>>| value.as_ref().map(|value| value.value);
    Some(Check {
        required: table.required.as_ref().is_none_or(|required| required.value),
        kind: table.kind.as_ref().map(|kind| kind.value),
        min: table.min.as_ref().map(|min| min.value),
        max: table.max.as_ref().map(|max| max.value),
        one_of: scalars(table.one_of.as_ref()),
        pattern: table.pattern.as_ref().map(|pattern| pattern.value.clone()),
        min_length: table.min_length.as_ref().map(|length| length.value),
        max_length: table.max_length.as_ref().map(|length| length.value),
        max_change,
        min_interval: or(&table.min_interval),
        stuck_after: or(&table.stuck_after),
        first: table.first.as_ref().map_or(First::Allow, |first| first.value),
        forget_after: or(&table.forget_after).unwrap_or(Check::FORGET_AFTER),
        ..Check::new(place?)
    })
}

pub(super) fn scalars(one_of: Option<&Located<Vec<Located<Scalar>>>>) -> Vec<Scalar> {
    one_of.iter().flat_map(|list| &list.value).map(|entry| entry.value.clone()).collect()
}

/// Where the value stands.
fn place(located: &Located<ValueTable>, rule: &PayloadTable, reading: &mut Reading) -> Option<CheckedField> {
    let table = &located.value;
    let format = rule.format.as_ref().map(|format| format.value);
    let is_sparkplug = format == Some(FormatName::Sparkplug);
    let is_faulty = reading.is_faulty(located);
    let missing = |key: &str, label: &str, reading: &mut Reading| {
        if !is_faulty {
            let message = format!("`{key}` is missing");
            let problem = reading.at(problem::Kind::MissingKey, &located.span, message).label(label);
            reading.report(problem);
        }
    };
    if is_sparkplug {
        if let Some(field) = &table.field {
            means_nothing(
                "field",
                &field.span,
                "the values of Sparkplug B are metrics: name them by `metric`",
                reading,
            );
            return None;
        }
        let Some(metric) = &table.metric else {
            missing("metric", "expected the name of a metric, as in `metric = \"Pressure\"`", reading);
            return None;
        };
        return Some(CheckedField::Metric(metric.value.as_str().into()));
    }
    if let Some(metric) = &table.metric {
        means_nothing(
            "metric",
            &metric.span,
            "it goes with `format = \"sparkplug\"`; name the place by `field`",
            reading,
        );
        return None;
    }
    match (&table.field, format) {
        (Some(field), _) => Some(CheckedField::Field(field.value.clone())),
        (None, Some(FormatName::Text | FormatName::Number)) => Field::parse("").map(CheckedField::Field),
        (None, _) => {
            missing("field", "expected a JSON Pointer, as in `field = \"/celsius\"`", reading);
            None
        }
    }
}

/// What the format says of the type of a value, and in which words.
fn implied(table: &ValueTable, rule: &PayloadTable) -> Option<(ValueKind, &'static str)> {
    match rule.format.as_ref()?.value {
        FormatName::Text => Some((ValueKind::Text, "a payload of format `text` is a text")),
        FormatName::Number => Some((ValueKind::Number, "a payload of format `number` is a number")),
        FormatName::Binary => {
            let Some([name]) = table.field.as_ref().map(|field| field.value.steps()) else { return None };
            let fields = &rule.binary.as_ref()?.value.fields;
            let is_it = |known: &Located<String>| *known.value == **name;
            let field = fields.iter().find(|field| field.value.name.as_ref().is_some_and(is_it))?;
            match field.value.kind.as_ref()?.value {
                BinaryKind::Text | BinaryKind::Fixed(Stored::Text(_)) => Some((ValueKind::Text, "the field is a text")),
                BinaryKind::Bytes | BinaryKind::Fixed(Stored::Bytes(_)) => {
                    Some((ValueKind::Bytes, "the field is bytes"))
                }
                BinaryKind::Fixed(Stored::Bool) => Some((ValueKind::Boolean, "the field is `true` or `false`")),
                BinaryKind::Bits
                | BinaryKind::Fixed(
                    Stored::Unsigned(_) | Stored::Signed(_) | Stored::F32 | Stored::F64 | Stored::Bits { .. },
                ) => Some((ValueKind::Number, "the field is a number")),
            }
        }
        FormatName::Json
        | FormatName::Cbor
        | FormatName::MessagePack
        | FormatName::Protobuf
        | FormatName::Sparkplug => None,
    }
}

/// A key, where it is given, the types that it is for, and in words.
type About<'t> = (&'static str, Option<&'t Range<usize>>, &'static [ValueKind], &'static str);

/// Keys of numbers on what is no number, and so on.
fn types(table: &ValueTable, rule: &PayloadTable, reading: &mut Reading) {
    use ValueKind::{Bytes, Integer, List, Number, Text};
    let implied = implied(table, rule);
    if let (Some(said), Some((kind, why))) = (&table.kind, implied) {
        let fits = said.value == kind || (kind == Number && said.value == Integer);
        if !fits {
            let word = reading.text(&said.span);
            let message = format!("the type can't be `{word}`");
            let problem = reading.at(problem::Kind::Contradiction, &said.span, message).label(why);
            reading.report(problem);
            return;
        }
    }
    let kind = table.kind.as_ref().map(|kind| kind.value).or(implied.map(|(kind, _)| kind));
    let keys: [About<'_>; 6] = [
        ("min", table.min.as_ref().map(|min| &min.span), &[Number, Integer], "a number"),
        ("max", table.max.as_ref().map(|max| &max.span), &[Number, Integer], "a number"),
        ("max_change", table.max_change.as_ref().map(|change| &change.span), &[Number, Integer], "a number"),
        ("pattern", table.pattern.as_ref().map(|pattern| &pattern.span), &[Text], "a text"),
        (
            "min_length",
            table.min_length.as_ref().map(|length| &length.span),
            &[Text, Bytes, List],
            "a text, bytes or a list",
        ),
        (
            "max_length",
            table.max_length.as_ref().map(|length| &length.span),
            &[Text, Bytes, List],
            "a text, bytes or a list",
        ),
    ];
    let mut first: Option<(&str, &[ValueKind], &str)> = None;
    for (key, span, of, words) in keys {
        let Some(span) = span else { continue };
        let why = match (kind, first) {
            (Some(kind), _) if !of.contains(&kind) => format!("it is for {words}, and the value is of another type"),
            (None, Some((other, others, other_words))) if !of.iter().any(|kind| others.contains(kind)) => {
                format!("it is for {words}, and `{other}` for {other_words}")
            }
            (Some(_) | None, _) => {
                first.get_or_insert((key, of, words));
                continue;
            }
        };
        means_nothing(key, span, why, reading);
        return;
    }
    let beside = keys.iter().filter(|(key, ..)| *key != "max_change").find_map(|(key, span, ..)| Some((key, (*span)?)));
    if let (Some(_), Some((key, span))) = (&table.one_of, beside) {
        means_nothing(key, span, "`one_of` says already what the value may be", reading);
    }
    if let (Some(one_of), None, Some((kind, why))) = (&table.one_of, &table.kind, implied) {
        let odd = one_of.value.iter().find(|entry| !is_of(&entry.value, kind));
        if let Some(odd) = odd {
            never(odd, why, reading);
        }
    }
}

/// Whether a value of this type may be this.
fn is_of(scalar: &Scalar, kind: ValueKind) -> bool {
    match (scalar, kind) {
        (Scalar::Number(Bound::Integer(_)), ValueKind::Number | ValueKind::Integer)
        | (Scalar::Number(Bound::Float(_)), ValueKind::Number)
        | (Scalar::Text(_), ValueKind::Text)
        | (Scalar::Boolean(_), ValueKind::Boolean) => true,
        (Scalar::Number(Bound::Float(float)), ValueKind::Integer) => float.fract() == 0.0,
        (Scalar::Number(_) | Scalar::Text(_) | Scalar::Boolean(_), _) => false,
    }
}

fn never(entry: &Located<Scalar>, why: &str, reading: &mut Reading) {
    let found = reading.text(&entry.span);
    let problem =
        reading.at(problem::Kind::Contradiction, &entry.span, format!("the value can never be `{found}`")).label(why);
    reading.report(problem);
}

/// Values of one type, each once.
pub(super) fn choices(one_of: &[Located<Scalar>], kind: Option<&Located<ValueKind>>, reading: &mut Reading) {
    let Some(first) = one_of.first() else { return };
    for (at, entry) in one_of.iter().enumerate() {
        if discriminant(&entry.value) != discriminant(&first.value) {
            let problem = reading
                .at(problem::Kind::Contradiction, &entry.span, "`one_of` has values of several types")
                .label("a value has one type: all are numbers, or texts, or `true` and `false`");
            reading.report(problem);
            return;
        }
        if one_of.iter().take(at).any(|other| other.value == entry.value) {
            let found = reading.text(&entry.span);
            let problem =
                reading.at(problem::Kind::Duplicate, &entry.span, format!("`{found}` stands twice")).warning();
            reading.report(problem);
        }
        if let Some(kind) = kind.filter(|kind| !is_of(&entry.value, kind.value)) {
            let word = reading.text(&kind.span);
            never(entry, &format!("its `type` is `{word}`"), reading);
            return;
        }
    }
}

/// The end of a range before its beginning.
fn ranges(table: &ValueTable, reading: &mut Reading) {
    range(table.min.as_ref(), table.max.as_ref(), reading);
    if let (Some(min), Some(max)) = (&table.min_length, &table.max_length)
        && min.value > max.value
    {
        empty("min_length", &min.span, "max_length", reading);
    }
}

pub(super) fn range(min: Option<&Located<Bound>>, max: Option<&Located<Bound>>, reading: &mut Reading) {
    if let (Some(min), Some(max)) = (min, max)
        && is_above(min.value, max.value)
    {
        empty("min", &min.span, "max", reading);
    }
}

fn empty(min: &str, span: &Range<usize>, max: &str, reading: &mut Reading) {
    let problem = reading
        .at(problem::Kind::Contradiction, span, format!("`{min}` is above `{max}`"))
        .label("no value is both: every message would be refused");
    reading.report(problem);
}

fn change(located: &Located<ValueTable>, reading: &mut Reading) -> Option<Change> {
    let table = &located.value;
    match (&table.max_change, &table.per) {
        (Some(by), Some(per)) => Some(Change { by: as_float(by.value), per: per.value }),
        (Some(by), None) => {
            let problem = reading
                .at(problem::Kind::MissingKey, &by.span, "`max_change` needs `per`")
                .label("expected `per` beside it: in which time it may change so much")
                .help("as in `max_change = 5, per = \"1s\"`");
            reading.report(problem);
            None
        }
        (None, Some(per)) if !reading.is_faulty(located) => {
            means_nothing("per", &per.span, "it goes with `max_change`", reading);
            None
        }
        (None, Some(_) | None) => None,
    }
}

/// What must be remembered is not to be forgotten before it counts.
fn memory(table: &ValueTable, reading: &mut Reading) {
    let remembered = [
        ("per", table.per.as_ref().filter(|_| table.max_change.is_some())),
        ("min_interval", table.min_interval.as_ref()),
        ("stuck_after", table.stuck_after.as_ref()),
    ];
    if remembered.iter().all(|(_, time)| time.is_none()) {
        let useless = [
            ("first", written(&table.first).map(|first| &first.span)),
            ("forget_after", written(&table.forget_after).map(|time| &time.span)),
        ];
        for (key, span) in useless {
            if let Some(span) = span {
                let why = "nothing is remembered without `max_change`, `min_interval` or `stuck_after`";
                means_nothing(key, span, why, reading);
            }
        }
        return;
    }
    let forget = table.forget_after.as_ref().map_or(Check::FORGET_AFTER, |time| time.value);
    for (key, time) in remembered {
        let Some(time) = time.filter(|time| time.value > forget) else { continue };
        let problem = reading
            .at(problem::Kind::Contradiction, &time.span, format!("the value is forgotten before `{key}` is over"))
            .label(format!("`forget_after` is `{}`", show_duration(forget)))
            .help("set `forget_after` to more than this");
        reading.report(problem);
    }
}

/// A value that may be there or not, and be what it likes.
fn asks_something(located: &Located<ValueTable>, reading: &mut Reading) {
    let table = &located.value;
    let is_required = table.required.as_ref().is_none_or(|required| required.value);
    let asked = table.kind.is_some()
        || table.min.is_some()
        || table.max.is_some()
        || table.one_of.is_some()
        || table.pattern.is_some()
        || table.min_length.is_some()
        || table.max_length.is_some()
        || table.max_change.is_some()
        || table.min_interval.is_some()
        || table.stuck_after.is_some();
    if !is_required && !asked && !reading.is_faulty(located) {
        let problem = reading
            .at(problem::Kind::Unused, &located.span, "nothing is asked of this value")
            .label("it need not be there, and may be anything")
            .warning();
        reading.report(problem);
    }
}
