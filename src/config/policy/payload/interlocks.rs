//! What must be so in the plant.

use super::means_nothing;
use super::tables::{FactFormat, InterlockTable, PayloadTable};
use super::values::{choices, range, scalars};
use crate::config::kinds::{TopicFilter, topic_level};
use crate::config::problem;
use crate::config::read::{Located, Reading};
use crate::payload::{Field, Format};
use crate::policy::Interlock;

/// What must be so in the plant.
pub(super) fn interlocks(rule: &PayloadTable, reading: &mut Reading) -> Vec<Interlock> {
    rule.interlocks.iter().filter_map(|interlock| one(interlock, rule, reading)).collect()
}

fn one(located: &Located<InterlockTable>, rule: &PayloadTable, reading: &mut Reading) -> Option<Interlock> {
    let table = &located.value;
    range(table.min.as_ref(), table.max.as_ref(), reading);
    if let Some(one_of) = &table.one_of {
        choices(&one_of.value, None, reading);
        if table.min.is_some() || table.max.is_some() {
            means_nothing("one_of", &one_of.span, "`min` and `max` say what the value may be", reading);
        }
    }
    let format = match table.format {
        FactFormat::Json => Format::Json,
        FactFormat::Cbor => Format::Cbor,
        FactFormat::MessagePack => Format::MessagePack,
        FactFormat::Text => Format::Text,
        FactFormat::Number => Format::Number,
    };
    let field = place(located, reading);
    let topic = table.topic.as_ref()?;
    levels(topic, rule, reading);
    Some(Interlock {
        topic: topic.value.clone(),
        format,
        field: field?,
        min: table.min.as_ref().map(|min| min.value),
        max: table.max.as_ref().map(|max| max.value),
        one_of: scalars(table.one_of.as_ref()),
        max_age: table.max_age.as_ref()?.value,
    })
}

/// Where the value stands.
fn place(located: &Located<InterlockTable>, reading: &mut Reading) -> Option<Field> {
    let table = &located.value;
    let is_whole = matches!(table.format, FactFormat::Text | FactFormat::Number);
    match &table.field {
        Some(field) if is_whole && !field.value.steps().is_empty() => {
            means_nothing("field", &field.span, "the whole payload is one value", reading);
            None
        }
        Some(field) => Some(field.value.clone()),
        None if is_whole => Field::parse(""),
        None => {
            if !reading.is_faulty(located) {
                let problem = reading
                    .at(problem::Kind::MissingKey, &located.span, "`field` is missing")
                    .label("expected a JSON Pointer, as in `field = \"/bar\"`");
                reading.report(problem);
            }
            None
        }
    }
}

/// A level that no message of the rule has.
fn levels(topic: &Located<String>, rule: &PayloadTable, reading: &mut Reading) {
    let highest = topic.value.split('/').filter_map(topic_level).max().unwrap_or(0);
    let has = |filter: &Located<String>| {
        TopicFilter::widest(&filter.value)
            .is_ok_and(|widest| widest.ends_with('#') || widest.split('/').count() >= highest)
    };
    let mut filters = rule.publish.iter().chain(&rule.receive).peekable();
    if highest == 0 || filters.peek().is_none() || filters.any(has) {
        return;
    }
    let problem = reading
        .at(problem::Kind::Contradiction, &topic.span, format!("no message of this rule has a level {highest}"))
        .label("levels are counted from 1")
        .help("a message whose topic has no such level is refused");
    reading.report(problem);
}
