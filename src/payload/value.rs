//! One value of a payload.

use std::borrow::Cow;

/// A value, borrowed from the payload where it stands there as it is.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'p> {
    /// Nothing.
    Null,
    /// Truth or falsehood.
    Bool(bool),
    /// A whole number that is written as one.
    Integer(i128),
    /// Any other number; finite.
    Float(f64),
    /// Text.
    Text(Cow<'p, str>),
    /// Bytes.
    Bytes(&'p [u8]),
    /// A list of so many items.
    List(usize),
    /// An object of so many members.
    Object(usize),
}
