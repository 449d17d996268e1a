//! The canonical form of JSON (RFC 8785): one text for all texts that say the same.
//!
//! Stricter than the RFC where two texts that say different things would have one form: a whole number that a double
//! does not hold, as 9007199254740993, is refused. Read [`canonical`]; [`Document`] is for who takes members out.

mod number;
mod read;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::cmp::Ordering;

use super::{Field, Flaw};

/// The canonical form of a JSON text, without one member where that is asked; without what is not there, it is whole.
///
/// # Errors
/// What is wrong with the text.
pub fn canonical(json: &[u8], without: Option<&Field>) -> Result<Vec<u8>, Flaw> {
    let mut document = Document::read(json)?;
    if let Some(field) = without {
        let _ = document.take(field);
    }
    Ok(document.write())
}

/// A JSON text, read; the members of its objects in canonical order.
pub struct Document<'a> {
    root: Node<'a>,
    /// Of the text that was read.
    bytes: usize,
}

/// A value of a [`Document`].
pub enum Node<'a> {
    /// Nothing.
    Null,
    /// Truth or falsehood.
    Bool(bool),
    /// A number.
    Number(f64),
    /// Text.
    Text(Cow<'a, str>),
    /// A list.
    List(Vec<Self>),
    /// Names and values, in the order of the names as UTF-16.
    Object(Vec<(Cow<'a, str>, Self)>),
}

impl<'a> Document<'a> {
    /// Reads a JSON text, of at most 32 levels and 10,000 values.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(json: &'a [u8]) -> Result<Self, Flaw> {
        Ok(Self { root: read::document(json)?, bytes: json.len() })
    }

    /// The value at a place, by way of objects alone.
    #[must_use]
    pub fn get(&self, field: &Field) -> Option<&Node<'a>> {
        field.steps().iter().try_fold(&self.root, |node, step| node.member(step))
    }

    /// Takes a member of an object out.
    pub fn take(&mut self, field: &Field) -> Option<Node<'a>> {
        let (name, way) = field.steps().split_last()?;
        let members = self.members(way)?;
        let at = members.binary_search_by(|(known, _)| utf16(known, name)).ok()?;
        Some(members.remove(at).1)
    }

    /// Puts a new member into an object; gives it back where there is no such object, or the name is taken.
    ///
    /// # Errors
    /// The value.
    pub fn insert(&mut self, field: &Field, value: Node<'a>) -> Result<(), Node<'a>> {
        let Some((name, way)) = field.steps().split_last() else { return Err(value) };
        let Some(members) = self.members(way) else { return Err(value) };
        let Err(at) = members.binary_search_by(|(known, _)| utf16(known, name)) else { return Err(value) };
        members.insert(at, (name.to_string().into(), value));
        Ok(())
    }

    fn members(&mut self, way: &[Box<str>]) -> Option<&mut Vec<(Cow<'a, str>, Node<'a>)>> {
        let node = way.iter().try_fold(&mut self.root, |node, step| {
            let Node::Object(members) = node else { return None };
            let at = members.binary_search_by(|(known, _)| utf16(known, step)).ok()?;
            members.get_mut(at).map(|(_, node)| node)
        })?;
        if let Node::Object(members) = node { Some(members) } else { None }
    }

    /// Writes the canonical form.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut out = String::with_capacity(self.bytes);
        self.root.write(&mut out);
        out.into_bytes()
    }
}

impl<'a> Node<'a> {
    /// An object of these members, which are of different names.
    #[must_use]
    pub fn object(members: impl IntoIterator<Item = (&'static str, Self)>) -> Self {
        let mut members: Vec<_> = members.into_iter().map(|(name, value)| (Cow::Borrowed(name), value)).collect();
        members.sort_by(|(one, _), (other, _)| utf16(one, other));
        Self::Object(members)
    }

    /// The member of that name, of an object.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else { return None };
        let at = members.binary_search_by(|(known, _)| utf16(known, name)).ok()?;
        members.get(at).map(|(_, value)| value)
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(true) => out.push_str("true"),
            Self::Bool(false) => out.push_str("false"),
            Self::Number(value) => number::write(*value, out),
            Self::Text(text) => write_text(text, out),
            Self::List(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    item.write(out);
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (at, (name, value)) in members.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    write_text(name, out);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }
}

/// RFC 8785 section 3.2.3: the order of names is that of their UTF-16 code units.
fn utf16(one: &str, other: &str) -> Ordering {
    if one.is_ascii() && other.is_ascii() {
        return one.cmp(other);
    }
    one.encode_utf16().cmp(other.encode_utf16())
}

/// RFC 8785 section 3.2.2.2.
fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            c if c < ' ' => {
                let digit = |value: u32| char::from_digit(value, 16).unwrap_or('0');
                out.push_str("\\u00");
                out.push(digit(u32::from(c) >> 4));
                out.push(digit(u32::from(c) & 15));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
