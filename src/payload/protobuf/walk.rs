//! Walks the wire along a descriptor.

use std::borrow::Cow;

use super::want::{Step, Want};
use super::{Descriptor, Kind, Member, Message, Plan, Shape};
use crate::payload::wire::{Entry, Raw, Wire, flaw};
use crate::payload::{Flaw, FlawKind, Found, Limits, MAX_FIELDS, Value};

/// Judges a payload, and finds what is wanted of it.
pub(in crate::payload) fn read<'p>(
    descriptor: &'p Descriptor,
    plan: &Plan,
    limits: &Limits,
    payload: &'p [u8],
    found: &mut Found<'p>,
) -> Result<(), Flaw> {
    let mut walk = Walk { descriptor, limits, found, values: 0 };
    let members = walk.message(0, Wire::new(payload), Some(&plan.root), 1)?;
    walk.found.set(plan.root.slots, &Value::Object(members));
    Ok(())
}

struct Walk<'w, 'p> {
    descriptor: &'p Descriptor,
    limits: &'w Limits,
    found: &'w mut Found<'p>,
    values: usize,
}

/// Which fields of a message have been on the wire.
#[derive(Default)]
struct Seen([u64; Descriptor::MAX_FIELDS / 64]);

impl Seen {
    fn has(&self, place: usize) -> bool {
        self.0.get(place / 64).is_some_and(|word| word >> (place % 64) & 1 == 1)
    }

    fn set(&mut self, place: usize, seen: bool) {
        if let Some(word) = self.0.get_mut(place / 64) {
            *word = *word & !(1 << (place % 64)) | u64::from(seen) << (place % 64);
        }
    }

    fn count(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }
}

/// How many items of a wanted list or map there have been, and which of the wanted keys.
#[derive(Clone, Copy, Default)]
struct Tally {
    count: usize,
    /// Bit n is the key that is wanted n-th.
    keys: u32,
}

impl<'p> Walk<'_, 'p> {
    /// Reads a message that is the `depth`-th from outside, and returns how many of its fields are there.
    fn message(&mut self, index: usize, mut wire: Wire<'p>, want: Option<&Want>, depth: usize) -> Result<usize, Flaw> {
        self.enter(depth, wire.at())?;
        let descriptor = self.descriptor;
        let message = descriptor.message(index);
        let mut seen = Seen::default();
        let mut tallies = [Tally::default(); MAX_FIELDS];
        while let Some(entry) = wire.entry()? {
            self.count(entry.at)?;
            let Some((place, field)) = message.field(entry.number) else {
                self.unknown(&entry)?;
                continue;
            };
            let found = want.and_then(|want| want.find(|step| *step == Step::Member(place)));
            let tally = found.and_then(|(number, _)| tallies.get_mut(number));
            let inside = found.map(|(_, want)| want);
            let read = match field.shape {
                Shape::Repeated => self.items(field, &entry, inside, tally, depth + 1),
                Shape::Map => self.member_of_map(field, &entry, inside, tally, depth + 1),
                Shape::Implicit | Shape::Explicit | Shape::Required | Shape::OneOf(_) => {
                    self.once(message, place, field, &seen, entry.at).and_then(|()| {
                        self.forget_others(message, place, field, want, &mut seen);
                        self.value(field.kind, &entry, inside, depth)
                    })
                }
            };
            read.map_err(|flaw| within(flaw, &field.name))?;
            seen.set(place, true);
        }
        if let Some(missing) = message.required.iter().find(|place| !seen.has(**place)) {
            let name = message.fields.get(*missing).map_or("", |field| &field.name);
            return Err(within(flaw(FlawKind::MissingField, wire.at()), name));
        }
        if let Some(want) = want {
            self.finish(message, want, &seen, &tallies);
        }
        Ok(seen.count())
    }

    /// Judges that a field which can stand once does, and that no other of its oneof is there. Where duplicates are
    /// permitted the last counts; but not of messages, which decoders merge.
    fn once(&self, message: &Message, place: usize, field: &Member, seen: &Seen, at: usize) -> Result<(), Flaw> {
        let twice = match field.shape {
            _ if self.limits.allow_duplicates => seen.has(place) && matches!(field.kind, Kind::Message(_)),
            Shape::OneOf(oneof) => message.oneofs.get(oneof).is_some_and(|all| all.iter().any(|&one| seen.has(one))),
            Shape::Implicit | Shape::Explicit | Shape::Required | Shape::Repeated | Shape::Map => seen.has(place),
        };
        if twice { Err(flaw(FlawKind::DuplicateKey, at)) } else { Ok(()) }
    }

    /// What was found of other members of a oneof is no longer there.
    fn forget_others(&mut self, message: &Message, place: usize, field: &Member, want: Option<&Want>, seen: &mut Seen) {
        let Shape::OneOf(oneof) = field.shape else { return };
        let others = message.oneofs.get(oneof).into_iter().flatten().filter(|other| **other != place);
        for &other in others.filter(|_| self.limits.allow_duplicates) {
            seen.set(other, false);
            if let Some((_, want)) = want.and_then(|want| want.find(|step| *step == Step::Member(other))) {
                self.forget(want);
            }
        }
    }

    /// One value, wherever it stands; a message is the `depth + 1`-th.
    fn value(&mut self, kind: Kind, entry: &Entry<'p>, want: Option<&Want>, depth: usize) -> Result<(), Flaw> {
        let value = if let Kind::Message(index) = kind {
            Value::Object(self.message(index, entry.inside()?, want, depth + 1)?)
        } else {
            self.scalar(kind, entry)?
        };
        if let Some(want) = want {
            self.found.set(want.slots, &value);
        }
        Ok(())
    }

    /// One item of a list, or several that are packed.
    fn items(
        &mut self,
        field: &Member,
        entry: &Entry<'p>,
        want: Option<&Want>,
        tally: Option<&mut Tally>,
        depth: usize,
    ) -> Result<(), Flaw> {
        self.enter(depth, entry.at)?;
        let mut unwanted = Tally::default();
        let tally = tally.unwrap_or(&mut unwanted);
        let item = |tally: &mut Tally| {
            let item = want.and_then(|want| want.find(|step| *step == Step::Item(tally.count)));
            tally.count += 1;
            item.map(|(_, want)| want)
        };
        let (Raw::Bytes(mut packed), Some(width)) = (entry.raw, Width::of(field.kind)) else {
            return self.value(field.kind, entry, item(tally), depth);
        };
        while !packed.is_empty() {
            let at = packed.at();
            self.count(at)?;
            let raw = match width {
                Width::Varint => Raw::Varint(packed.varint()?),
                Width::Fixed32 => Raw::Fixed32(packed.fixed()?),
                Width::Fixed64 => Raw::Fixed64(packed.fixed()?),
            };
            self.value(field.kind, &Entry { number: entry.number, at, raw }, item(tally), depth)?;
        }
        Ok(())
    }

    /// One entry of a map: a key (1) and a value (2), each of which is zero or empty where it is left out.
    fn member_of_map(
        &mut self,
        field: &Member,
        entry: &Entry<'p>,
        want: Option<&Want>,
        tally: Option<&mut Tally>,
        depth: usize,
    ) -> Result<(), Flaw> {
        self.enter(depth, entry.at)?;
        let Kind::Message(index) = field.kind else { return Ok(()) };
        let pair = self.descriptor.message(index);
        let (Some((_, key_field)), Some((_, value_field))) = (pair.field(1), pair.field(2)) else { return Ok(()) };
        let (mut key, mut value) = (None, None);
        let mut wire = entry.inside()?;
        while let Some(part) = wire.entry()? {
            let place = match part.number {
                1 => &mut key,
                2 => &mut value,
                _ => {
                    self.count(part.at)?;
                    self.unknown(&part)?;
                    continue;
                }
            };
            if place.replace(part).is_some() {
                return Err(flaw(FlawKind::DuplicateKey, part.at));
            }
        }
        let key = match key {
            Some(key) => self.scalar(key_field.kind, &key)?,
            None => self.zero(key_field.kind),
        };
        let wanted = want.and_then(|want| want.find(|step| is_key(step, &key)));
        if let Some(tally) = tally {
            tally.count += 1;
            if let Some((number, want)) = wanted {
                let bit = u32::try_from(number).ok().and_then(|number| 1_u32.checked_shl(number)).unwrap_or(0);
                if tally.keys & bit != 0 {
                    if !self.limits.allow_duplicates {
                        return Err(flaw(FlawKind::DuplicateKey, entry.at));
                    }
                    self.forget(want);
                }
                tally.keys |= bit;
            }
        }
        let inside = wanted.map(|(_, want)| want);
        match (value, value_field.kind) {
            (Some(value), kind) => self.value(kind, &value, inside, depth),
            // An empty message, whose fields may be asked for.
            (None, Kind::Message(_)) => {
                let empty = Entry { number: 2, at: wire.at(), raw: Raw::Bytes(wire) };
                self.value(value_field.kind, &empty, inside, depth)
            }
            (None, kind) => {
                self.found.set(inside.map_or(0, |want| want.slots), &self.zero(kind));
                Ok(())
            }
        }
    }

    /// What is wanted of a message and was not on the wire.
    fn finish(&mut self, message: &Message, want: &Want, seen: &Seen, tallies: &[Tally; MAX_FIELDS]) {
        for ((step, want), tally) in want.inside.iter().zip(tallies) {
            let Step::Member(place) = step else { continue };
            let Some(field) = message.fields.get(*place) else { continue };
            match field.shape {
                Shape::Repeated => self.found.set(want.slots, &Value::List(tally.count)),
                Shape::Map => self.found.set(want.slots, &Value::Object(tally.count)),
                Shape::Implicit if !seen.has(*place) => self.found.set(want.slots, &self.zero(field.kind)),
                Shape::Implicit | Shape::Explicit | Shape::Required | Shape::OneOf(_) => {}
            }
        }
    }

    fn forget(&mut self, want: &Want) {
        self.found.clear(want.slots);
        for (_, inside) in &want.inside {
            self.forget(inside);
        }
    }

    fn enter(&self, depth: usize, at: usize) -> Result<(), Flaw> {
        if depth > self.limits.max_depth { Err(flaw(FlawKind::TooDeep, at)) } else { Ok(()) }
    }

    fn count(&mut self, at: usize) -> Result<(), Flaw> {
        self.values += 1;
        if self.values > self.limits.max_values { Err(flaw(FlawKind::TooManyValues, at)) } else { Ok(()) }
    }

    fn unknown(&self, entry: &Entry<'_>) -> Result<(), Flaw> {
        if self.descriptor.unknown_fields { Ok(()) } else { Err(flaw(FlawKind::UnknownField, entry.at)) }
    }

    fn scalar(&self, kind: Kind, entry: &Entry<'p>) -> Result<Value<'p>, Flaw> {
        let int32 = || {
            let value = entry.varint()?.cast_signed();
            i32::try_from(value).map_err(|_| flaw(FlawKind::NumberRange, entry.at))
        };
        Ok(match kind {
            Kind::Int32 => Value::Integer(int32()?.into()),
            Kind::Int64 => Value::Integer(entry.varint()?.cast_signed().into()),
            Kind::Uint32 => Value::Integer(entry.varint32()?.into()),
            Kind::Uint64 => Value::Integer(entry.varint()?.into()),
            Kind::Sint32 => Value::Integer(zigzag(entry.varint32()?.into()).into()),
            Kind::Sint64 => Value::Integer(zigzag(entry.varint()?).into()),
            Kind::Fixed32 => Value::Integer(u32::from_le_bytes(entry.fixed32()?).into()),
            Kind::Fixed64 => Value::Integer(u64::from_le_bytes(entry.fixed64()?).into()),
            Kind::Sfixed32 => Value::Integer(i32::from_le_bytes(entry.fixed32()?).into()),
            Kind::Sfixed64 => Value::Integer(i64::from_le_bytes(entry.fixed64()?).into()),
            Kind::Float => Value::Float(entry.float()?),
            Kind::Double => Value::Float(entry.double()?),
            Kind::Bool => Value::Bool(entry.truth()?),
            Kind::Text => Value::Text(Cow::Borrowed(entry.text()?)),
            Kind::Bytes => Value::Bytes(entry.inside()?.bytes()),
            Kind::Enum(index) => self.named(index, int32()?),
            Kind::Message(_) => Value::Object(0),
        })
    }

    fn named(&self, index: usize, number: i32) -> Value<'p> {
        match self.descriptor.name_of(index, number) {
            Some(name) => Value::Text(Cow::Borrowed(name)),
            None => Value::Integer(number.into()),
        }
    }

    /// What a scalar without presence is when it is left out.
    fn zero(&self, kind: Kind) -> Value<'p> {
        match kind {
            Kind::Float | Kind::Double => Value::Float(0.0),
            Kind::Bool => Value::Bool(false),
            Kind::Text => Value::Text(Cow::Borrowed("")),
            Kind::Bytes => Value::Bytes(&[]),
            Kind::Enum(index) => self.named(index, 0),
            Kind::Message(_) => Value::Object(0),
            Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Uint64 | Kind::Sint32 | Kind::Sint64 => Value::Integer(0),
            Kind::Fixed32 | Kind::Fixed64 | Kind::Sfixed32 | Kind::Sfixed64 => Value::Integer(0),
        }
    }
}

/// How an item of a packed list is written.
enum Width {
    Varint,
    Fixed32,
    Fixed64,
}

impl Width {
    /// None of what can't be packed.
    fn of(kind: Kind) -> Option<Self> {
        match kind {
            Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Uint64 | Kind::Sint32 | Kind::Sint64 => Some(Self::Varint),
            Kind::Bool | Kind::Enum(_) => Some(Self::Varint),
            Kind::Fixed32 | Kind::Sfixed32 | Kind::Float => Some(Self::Fixed32),
            Kind::Fixed64 | Kind::Sfixed64 | Kind::Double => Some(Self::Fixed64),
            Kind::Text | Kind::Bytes | Kind::Message(_) => None,
        }
    }
}

const fn zigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

fn is_key(step: &Step, key: &Value<'_>) -> bool {
    match (step, key) {
        (Step::Key(wanted), Value::Text(text)) => **wanted == **text,
        (Step::KeyInteger(wanted), Value::Integer(integer)) => wanted == integer,
        (Step::KeyTruth(wanted), Value::Bool(truth)) => wanted == truth,
        _ => false,
    }
}

/// The flaw, found inside a field; an outer name that is too much is left out.
fn within(mut flaw: Flaw, name: &str) -> Flaw {
    let inner = flaw.field.as_deref().unwrap_or("");
    if name.len() + inner.len() < Flaw::MAX_FIELD_BYTES {
        flaw.field = Some(format!("/{name}{inner}").into());
    }
    flaw
}
