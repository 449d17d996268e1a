//! What is wanted of a message: JSON Pointers, held against its descriptor once.

use super::{Descriptor, Kind, Shape};
use crate::payload::{Field, ReaderError};

/// The wanted values of one type of message, as a tree.
#[derive(Debug)]
pub(in crate::payload) struct Plan {
    pub(super) root: Want,
}

/// A place in a message.
#[derive(Debug, Default)]
pub(super) struct Want {
    /// The fields that name it: bit n is field n.
    pub(super) slots: u32,
    /// Wanted places inside it.
    pub(super) inside: Vec<(Step, Want)>,
}

/// One step from a place to one inside it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// To a field of a message, by its place in the descriptor.
    Member(usize),
    /// To an item of a list.
    Item(usize),
    /// To a member of a map, by its key.
    Key(Box<str>),
    KeyInteger(i128),
    KeyTruth(bool),
}

/// What stands at a place.
#[derive(Clone, Copy)]
enum Place {
    Message(usize),
    List(Kind),
    Map(usize),
    Scalar,
}

impl Place {
    fn of(kind: Kind) -> Self {
        if let Kind::Message(message) = kind { Self::Message(message) } else { Self::Scalar }
    }
}

impl Plan {
    pub(in crate::payload) fn new(descriptor: &Descriptor, fields: &[Field]) -> Result<Self, ReaderError> {
        let mut root = Want::default();
        for (slot, field) in fields.iter().enumerate() {
            let bit = u32::try_from(slot).ok().and_then(|slot| 1_u32.checked_shl(slot)).ok_or(ReaderError::TooMany)?;
            let mut place = Place::Message(0);
            let mut want = &mut root;
            for text in field.steps() {
                let (step, next) =
                    enter(descriptor, place, text).ok_or_else(|| ReaderError::NoSuchField(field.clone()))?;
                want = want.child(step);
                place = next;
            }
            want.slots |= bit;
        }
        Ok(Self { root })
    }
}

impl Want {
    fn child(&mut self, step: Step) -> &mut Self {
        let place = self.inside.iter().position(|(known, _)| *known == step).unwrap_or_else(|| {
            self.inside.push((step, Self::default()));
            self.inside.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "the place was found or made in the line above")]
        &mut self.inside[place].1
    }

    /// What is wanted of the place that one step leads to, and that step's number among them.
    pub(super) fn find(&self, wanted: impl Fn(&Step) -> bool) -> Option<(usize, &Self)> {
        let found = self.inside.iter().enumerate().find(|(_, (step, _))| wanted(step));
        found.map(|(number, (_, want))| (number, want))
    }
}

/// Where one step of a pointer leads; none where it leads nowhere.
fn enter(descriptor: &Descriptor, place: Place, text: &str) -> Option<(Step, Place)> {
    match place {
        Place::Message(message) => {
            let fields = &descriptor.message(message).fields;
            let (at, field) = fields.iter().enumerate().find(|(_, field)| *field.name == *text)?;
            let next = match (field.shape, field.kind) {
                (Shape::Map, Kind::Message(entry)) => Place::Map(entry),
                (Shape::Repeated, kind) => Place::List(kind),
                (_, kind) => Place::of(kind),
            };
            Some((Step::Member(at), next))
        }
        Place::List(kind) => Some((Step::Item(decimal(text)?), Place::of(kind))),
        Place::Map(entry) => {
            let entry = descriptor.message(entry);
            let (_, key) = entry.field(1)?;
            let (_, value) = entry.field(2)?;
            let step = if key.kind == Kind::Text {
                Step::Key(text.into())
            } else if key.kind == Kind::Bool {
                Step::KeyTruth(text.parse().ok()?)
            } else {
                Step::KeyInteger(integer(text)?)
            };
            Some((step, Place::of(value.kind)))
        }
        Place::Scalar => None,
    }
}

/// The number of an item: digits alone, no leading zero.
fn decimal(text: &str) -> Option<usize> {
    text.parse().ok().filter(|number: &usize| number.to_string() == text)
}

fn integer(text: &str) -> Option<i128> {
    text.parse().ok().filter(|number: &i128| number.to_string() == text)
}
