//! The fields of binary payloads.

use std::collections::HashMap;

use super::means_nothing;
use super::tables::{BinaryFieldTable, BinaryKind, BinaryTable};
use crate::config::kinds::as_float;
use crate::config::problem;
use crate::config::read::{Located, Reading};
use crate::payload::binary::{Endian, Kind, Layout, Length, Slot};

/// Where each field stands; none where something is wrong with one.
pub(super) fn layout(located: &Located<BinaryTable>, reading: &mut Reading) -> Option<Layout> {
    let table = &located.value;
    let mut is_whole = once(table, reading);
    let mut slots = Vec::with_capacity(table.fields.len());
    let mut reach = 0;
    for field in &table.fields {
        let Some(slot) = slot(field, table.endian, reading) else {
            is_whole = false;
            continue;
        };
        let end = slot.offset.saturating_add(slot.kind.bytes().unwrap_or(0));
        if let Some(length) = table.length.as_ref().filter(|length| end > length.value) {
            let problem = reading
                .at(problem::Kind::Contradiction, &field.span, format!("`{}` ends behind the payload", slot.name))
                .label(format!("it reaches to byte {end}, and `length` is {}", length.value));
            reading.report(problem);
            is_whole = false;
        }
        reach = reach.max(end);
        slots.push(slot);
    }
    let bytes = table.length.as_ref().map_or(reach, |length| length.value);
    let length = if table.longer { Length::AtLeast(bytes) } else { Length::Exactly(bytes) };
    if !is_whole {
        return None;
    }
    Layout::new(length, slots)
        .inspect_err(|error| {
            let problem = reading.at(problem::Kind::Invalid, &located.span, "there is no such layout");
            reading.report(problem.label(error.to_string()));
        })
        .ok()
}

/// Each name once.
fn once(table: &BinaryTable, reading: &mut Reading) -> bool {
    let mut seen = HashMap::new();
    let mut is_once = true;
    for name in table.fields.iter().filter_map(|field| field.value.name.as_ref()) {
        let first = *seen.entry(name.value.as_str()).or_insert(name.span.start);
        if first != name.span.start {
            is_once = false;
            let problem = reading
                .at(problem::Kind::Duplicate, &name.span, format!("two fields have the name `{}`", name.value))
                .label(format!("the first is on line {}", reading.source.line(first)));
            reading.report(problem);
        }
    }
    is_once
}

fn slot(located: &Located<BinaryFieldTable>, endian: Endian, reading: &mut Reading) -> Option<Slot> {
    let table = &located.value;
    let kind = kind(located, reading);
    let (name, offset, kind) = (table.name.as_ref()?, table.offset.as_ref()?, kind?);
    let is_number = match kind {
        Kind::Unsigned(_) | Kind::Signed(_) | Kind::F32 | Kind::F64 | Kind::Bits { .. } => true,
        Kind::Bool | Kind::Text(_) | Kind::Bytes(_) => false,
    };
    for (key, given) in [("scale", &table.scale), ("add", &table.add)] {
        if let Some(given) = given.as_ref().filter(|_| !is_number) {
            means_nothing(key, &given.span, "the field is no number", reading);
        }
    }
    let scale = table.scale.as_ref().map_or(1.0, |scale| as_float(scale.value));
    if let Some(given) = table.scale.as_ref().filter(|_| scale.abs() < f64::MIN_POSITIVE) {
        let problem = reading
            .at(problem::Kind::OutOfRange, &given.span, "`scale` is 0")
            .label("every value would be the same; leave it out for the number as it is");
        reading.report(problem);
        return None;
    }
    Some(Slot {
        name: name.value.as_str().into(),
        offset: offset.value,
        kind,
        endian,
        scale,
        add: table.add.as_ref().map_or(0.0, |add| as_float(add.value)),
    })
}

/// What the field is, with its size.
fn kind(located: &Located<BinaryFieldTable>, reading: &mut Reading) -> Option<Kind> {
    let table = &located.value;
    let said = table.kind.as_ref()?;
    let has_length = matches!(said.value, BinaryKind::Text | BinaryKind::Bytes);
    let is_bits = said.value == BinaryKind::Bits;
    if let Some(length) = table.length.as_ref().filter(|_| !has_length) {
        means_nothing("length", &length.span, "the type says how many bytes there are", reading);
    }
    for (key, given) in [("bit", &table.bit), ("bits", &table.bits)] {
        if let Some(given) = given.as_ref().filter(|_| !is_bits) {
            means_nothing(key, &given.span, "it goes with `type = \"bits\"`", reading);
        }
    }
    let missing = |key: &str, reading: &mut Reading| {
        if !reading.is_faulty(located) {
            let problem = reading
                .at(problem::Kind::MissingKey, &said.span, format!("`{key}` is missing"))
                .label(format!("expected `{key}` beside this type"));
            reading.report(problem);
        }
    };
    match said.value {
        BinaryKind::Fixed(kind) => Some(kind),
        BinaryKind::Text | BinaryKind::Bytes => {
            let Some(length) = &table.length else {
                missing("length", reading);
                return None;
            };
            let is_text = said.value == BinaryKind::Text;
            Some(if is_text { Kind::Text(length.value) } else { Kind::Bytes(length.value) })
        }
        BinaryKind::Bits => {
            let Some(count) = &table.bits else {
                missing("bits", reading);
                return None;
            };
            let first = table.bit.as_ref().map_or(0, |bit| bit.value);
            let kind = Kind::Bits { first, count: count.value };
            if kind.bytes().is_none() {
                let problem = reading
                    .at(problem::Kind::OutOfRange, &count.span, "`bit` and `bits` are more than 64 together")
                    .label("a number has 64 bits at most");
                reading.report(problem);
                return None;
            }
            Some(kind)
        }
    }
}
