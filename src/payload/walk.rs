//! One strict pass over a payload of named values, whatever its format: every value is looked at, wanted or not.
//!
//! A [`Source`] reads a format, a [`Sink`] takes what it wants; here are the bounds and the duplicate names.

use super::names::Names;
use super::text::Text;
use super::{Flaw, FlawKind, Limits};

/// A flaw on its way up; boxed, so that what is without costs little.
pub(super) type Stop = Box<Flaw>;

/// A flaw at a byte.
#[cold]
pub(super) fn stop(what: FlawKind, at: usize) -> Stop {
    Box::new(Flaw { what, at: Some(at), field: None })
}

/// What a value is, or begins with.
pub(super) enum Item<'p> {
    Scalar(Scalar<'p>),
    List(Open),
    Object(Open),
}

/// A value that holds no others.
pub(super) enum Scalar<'p> {
    Null,
    // Not a `bool` inside: a byte beside the tag makes every move of this slow.
    False,
    True,
    Integer(i128),
    Float(f64),
    /// A number with a fraction or an exponent, finite, as it is written.
    Decimal(&'p str),
    Text(Text<'p>),
    Bytes(&'p [u8]),
}

/// Where in a list or object one is.
pub(super) struct Open {
    /// What is still to come, where that was told.
    pub(super) left: Option<usize>,
    /// Nothing was read of it yet.
    pub(super) first: bool,
}

/// A format.
pub(super) trait Source<'p> {
    /// Whether a name may hold a zero as it stands, without an escape.
    const HAS_ZEROS: bool;
    /// The next byte to read.
    fn at(&self) -> usize;
    /// The value that begins here.
    fn item(&mut self) -> Result<Item<'p>, Stop>;
    /// Whether the list has another item.
    fn another(&mut self, open: &mut Open) -> Result<bool, Stop>;
    /// The name of the object's next member.
    fn name(&mut self, open: &mut Open) -> Result<Option<Text<'p>>, Stop>;
    /// Nothing follows.
    fn end(&mut self) -> Result<(), Stop>;
}

/// Who wants what is read.
pub(super) trait Sink<'p> {
    /// A place in the payload.
    type Place: Copy;
    fn member(&mut self, of: Self::Place, name: &str) -> Self::Place;
    fn item(&mut self, of: Self::Place, number: usize) -> Self::Place;
    fn scalar(&mut self, place: Self::Place, value: Scalar<'p>) -> Result<(), FlawKind>;
    fn open(&mut self, kind: Nest);
    fn close(&mut self, place: Self::Place, kind: Nest, values: usize);
}

/// What holds other values.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Nest {
    List,
    Object,
}

/// Reads the whole of a payload.
pub(super) fn walk<'p, S: Source<'p>, K: Sink<'p>>(
    source: S,
    sink: &mut K,
    limits: &Limits,
    whole: K::Place,
) -> Result<(), Flaw> {
    let max_depth = limits.max_depth.min(Limits::MAX_DEPTH);
    let unique = !limits.allow_duplicates;
    let mut walk = Walk { source, sink, unique, names: Names::new(), max_depth, left: limits.max_values };
    walk.value(whole, 0).and_then(|()| walk.source.end()).map_err(|stop| *stop)
}

struct Walk<'k, S, K> {
    source: S,
    sink: &'k mut K,
    /// No name may stand twice.
    unique: bool,
    names: Names,
    max_depth: usize,
    /// Values that may still come.
    left: usize,
}

impl<'p, S: Source<'p>, K: Sink<'p>> Walk<'_, S, K> {
    fn value(&mut self, place: K::Place, depth: usize) -> Result<(), Stop> {
        let Some(left) = self.left.checked_sub(1) else {
            return Err(stop(FlawKind::TooManyValues, self.source.at()));
        };
        self.left = left;
        match self.source.item()? {
            Item::Scalar(value) => self.sink.scalar(place, value).map_err(|what| stop(what, self.source.at())),
            Item::List(open) => self.list(open, place, depth),
            Item::Object(open) => self.object(open, place, depth),
        }
    }

    fn list(&mut self, mut open: Open, place: K::Place, depth: usize) -> Result<(), Stop> {
        self.deeper(depth)?;
        self.sink.open(Nest::List);
        let mut items = 0;
        while self.source.another(&mut open)? {
            let item = self.sink.item(place, items);
            self.value(item, depth + 1).map_err(|stop| within(stop, Text::Natural(items as u64)))?;
            items += 1;
        }
        self.sink.close(place, Nest::List, items);
        Ok(())
    }

    fn object(&mut self, mut open: Open, place: K::Place, depth: usize) -> Result<(), Stop> {
        self.deeper(depth)?;
        self.sink.open(Nest::Object);
        let before = self.names.mark();
        let mut members = 0;
        while let Some(name) = self.source.name(&mut open)? {
            let (member, flaw) = match name {
                Text::Plain(name) => self.member(place, name, before, S::HAS_ZEROS),
                Text::Escaped(_) | Text::Chunks(_) | Text::Natural(_) | Text::Negative(_) => {
                    name.with(|name| self.member(place, name, before, true))
                }
            };
            if let Some(flaw) = flaw {
                return Err(within(stop(flaw, self.source.at()), name));
            }
            self.value(member, depth + 1).map_err(|stop| within(stop, name))?;
            members += 1;
        }
        if self.names.end(before) {
            return Err(stop(FlawKind::DuplicateKey, self.source.at()));
        }
        self.sink.close(place, Nest::Object, members);
        Ok(())
    }

    /// The place of a member, and what is wrong with its name: it stood there before, or holds a zero. That ends a text
    /// in C, whose readers would take the name for another.
    #[inline]
    fn member(&mut self, of: K::Place, name: &str, before: usize, has_zeros: bool) -> (K::Place, Option<FlawKind>) {
        let twice = self.unique && self.names.add(before, name);
        let flaw = if twice {
            Some(FlawKind::DuplicateKey)
        } else if has_zeros && memchr::memchr(0, name.as_bytes()).is_some() {
            Some(FlawKind::Unsupported)
        } else {
            None
        };
        (self.sink.member(of, name), flaw)
    }

    fn deeper(&self, depth: usize) -> Result<(), Stop> {
        if depth < self.max_depth { Ok(()) } else { Err(stop(FlawKind::TooDeep, self.source.at())) }
    }
}

/// The flaw is in what has this name.
#[cold]
fn within(stop: Stop, name: Text<'_>) -> Stop {
    Box::new(name.with(|name| stop.within(name)))
}
