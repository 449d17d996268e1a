//! The fields that are wanted, by the way to them.

use super::walk::{Nest, Scalar, Sink};
use super::{Field, FlawKind, Found, Value};

/// Wanted fields, merged where they share their way.
#[derive(Debug)]
pub(super) struct Tree {
    /// The first is the whole payload.
    nodes: Vec<Node>,
}

/// A place on the way to a wanted field, or one.
#[derive(Debug, Default)]
struct Node {
    /// Whose place this is, a bit per field.
    here: u32,
    /// Fields here and below.
    below: u32,
    steps: Vec<Step>,
}

#[derive(Debug)]
struct Step {
    name: Box<str>,
    /// The name as the number of an item.
    number: Option<usize>,
    to: Place,
}

/// A node, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(u16);

impl Place {
    pub(super) const WHOLE: Self = Self(0);
    const UNWANTED: Self = Self(u16::MAX);
}

impl Tree {
    /// Of at most [`super::MAX_FIELDS`] fields.
    pub(super) fn new(fields: &[Field]) -> Self {
        let mut tree = Self { nodes: vec![Node::default()] };
        for (bit, field) in (0..super::MAX_FIELDS).zip(fields) {
            tree.add(1 << bit, field);
        }
        tree
    }

    fn add(&mut self, bit: u32, field: &Field) {
        let mut at = 0;
        for name in field.steps() {
            let new = self.nodes.len();
            let Some(node) = self.nodes.get_mut(at) else { return };
            node.below |= bit;
            at = match node.steps.iter().find(|step| step.name == *name) {
                Some(step) => usize::from(step.to.0),
                None => {
                    let to = Place(u16::try_from(new).unwrap_or(u16::MAX));
                    node.steps.push(Step { name: name.clone(), number: number(name), to });
                    self.nodes.push(Node::default());
                    new
                }
            };
        }
        if let Some(node) = self.nodes.get_mut(at) {
            node.here |= bit;
            node.below |= bit;
        }
    }

    #[inline]
    fn node(&self, place: Place) -> Option<&Node> {
        if place == Place::UNWANTED { None } else { self.nodes.get(usize::from(place.0)) }
    }
}

/// The number of an item, as RFC 6901 writes it.
fn number(name: &str) -> Option<usize> {
    let plain = name == "0" || !name.starts_with('0') && name.bytes().all(|byte| byte.is_ascii_digit());
    if plain { name.parse().ok() } else { None }
}

/// Keeps what is wanted.
pub(super) struct Keep<'a, 'p> {
    pub(super) tree: &'a Tree,
    pub(super) found: &'a mut Found<'p>,
    /// Whether a name that stands again takes back what was found by it.
    pub(super) last_counts: bool,
}

impl<'p> Keep<'_, 'p> {
    /// Whether the value of this very place is wanted.
    pub(super) fn wants(&self, place: Place) -> bool {
        self.tree.node(place).is_some_and(|node| node.here != 0)
    }

    /// What is found at a place.
    pub(super) fn found(&mut self, place: Place, value: &Value<'p>) {
        let here = self.tree.node(place).map_or(0, |node| node.here);
        self.found.set(here, value);
    }
}

impl<'p> Sink<'p> for Keep<'_, 'p> {
    type Place = Place;

    #[inline]
    fn member(&mut self, of: Place, name: &str) -> Place {
        let step = self.tree.node(of).and_then(|node| node.steps.iter().find(|step| *step.name == *name));
        let Some(step) = step else { return Place::UNWANTED };
        if self.last_counts {
            let below = self.tree.node(step.to).map_or(0, |node| node.below);
            self.found.clear(below);
        }
        step.to
    }

    #[inline]
    fn item(&mut self, of: Place, number: usize) -> Place {
        let step = self.tree.node(of).and_then(|node| node.steps.iter().find(|step| step.number == Some(number)));
        step.map_or(Place::UNWANTED, |step| step.to)
    }

    #[inline]
    fn scalar(&mut self, place: Place, value: Scalar<'p>) -> Result<(), FlawKind> {
        if !self.wants(place) {
            return Ok(());
        }
        let value = match value {
            Scalar::Null => Value::Null,
            Scalar::False => Value::Bool(false),
            Scalar::True => Value::Bool(true),
            Scalar::Integer(value) => Value::Integer(value),
            Scalar::Float(value) => Value::Float(value),
            Scalar::Decimal(text) => Value::Float(text.parse().map_err(|_| FlawKind::NumberRange)?),
            Scalar::Text(text) => Value::Text(text.into_cow()),
            Scalar::Bytes(bytes) => Value::Bytes(bytes),
        };
        self.found(place, &value);
        Ok(())
    }

    fn open(&mut self, _: Nest) {}

    #[inline]
    fn close(&mut self, place: Place, kind: Nest, values: usize) {
        if place == Place::UNWANTED {
            return;
        }
        self.found(
            place,
            &match kind {
                Nest::List => Value::List(values),
                Nest::Object => Value::Object(values),
            },
        );
    }
}
