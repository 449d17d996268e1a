//! Where a value stands in a payload.

use std::fmt;

/// A JSON Pointer (RFC 6901); empty, it is the whole payload.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Field {
    text: Box<str>,
    /// Names of members and numbers of items, unescaped.
    steps: Box<[Box<str>]>,
}

impl Field {
    /// The longest, in bytes.
    pub const MAX_BYTES: usize = 512;

    /// Reads a JSON Pointer; none where it is not one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > Self::MAX_BYTES {
            return None;
        }
        let steps = match text.strip_prefix('/') {
            None if text.is_empty() => Box::default(),
            None => return None,
            Some(rest) => rest.split('/').map(unescape).collect::<Option<_>>()?,
        };
        Some(Self { text: text.into(), steps })
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The way to it, step by step.
    #[must_use]
    pub fn steps(&self) -> &[Box<str>] {
        &self.steps
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// `~1` is `/`, `~0` is `~`; any other `~` is an error.
fn unescape(step: &str) -> Option<Box<str>> {
    let mut text = String::with_capacity(step.len());
    let mut rest = step.chars();
    while let Some(c) = rest.next() {
        text.push(match c {
            '~' => match rest.next()? {
                '0' => '~',
                '1' => '/',
                _ => return None,
            },
            c => c,
        });
    }
    Some(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_is_read_step_by_step() {
        let steps = |text| Field::parse(text).map(|field| field.steps().iter().map(|step| step.to_string()).collect());
        let some = |steps: &[&str]| Some(steps.iter().map(|step| (*step).to_owned()).collect::<Vec<_>>());
        for (text, expected) in [
            ("", some(&[])),
            ("/", some(&[""])),
            ("/a/0/b", some(&["a", "0", "b"])),
            ("/a~1b/c~0d/~01", some(&["a/b", "c~d", "~1"])),
            ("a", None),
            ("/a~", None),
            ("/a~2", None),
        ] {
            assert_eq!(steps(text), expected, "{text}");
        }
    }
}
