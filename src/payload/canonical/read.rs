//! A strict reader of JSON (RFC 8259, RFC 7493) that keeps the text of numbers long enough to judge it.

use std::borrow::Cow;

use super::{Node, number, utf16};
use crate::payload::{Flaw, FlawKind, Limits};

/// From here on, not every whole number is a double.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Reads a text that is one value and nothing else.
pub(super) fn document(json: &[u8]) -> Result<Node<'_>, Flaw> {
    let text = str::from_utf8(json).map_err(|error| flaw(FlawKind::NotUtf8, error.valid_up_to()))?;
    if text.starts_with('\u{feff}') {
        return Err(flaw(FlawKind::ByteOrderMark, 0));
    }
    let mut reader = Reader { text, at: 0, values: 0, limits: Limits::default() };
    let node = reader.value(0)?;
    reader.space();
    if reader.at < text.len() { Err(reader.wrong(FlawKind::TrailingBytes)) } else { Ok(node) }
}

fn flaw(what: FlawKind, at: usize) -> Flaw {
    Flaw { what, at: Some(at), field: None }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    values: usize,
    limits: Limits,
}

impl<'a> Reader<'a> {
    fn wrong(&self, what: FlawKind) -> Flaw {
        flaw(what, self.at)
    }

    /// What is wrong where something else was expected.
    fn unexpected(&self) -> Flaw {
        self.wrong(if self.at < self.text.len() { FlawKind::Syntax } else { FlawKind::Truncated })
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Goes past a byte where it is the next one.
    fn skip(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Result<(), Flaw> {
        if self.skip(byte) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn between(&self, from: usize, to: usize) -> &'a str {
        self.text.get(from..to).unwrap_or_default()
    }

    fn value(&mut self, depth: usize) -> Result<Node<'a>, Flaw> {
        self.space();
        if self.values == self.limits.max_values {
            return Err(self.wrong(FlawKind::TooManyValues));
        }
        self.values += 1;
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.list(depth),
            Some(b'"') => self.string().map(Node::Text),
            Some(b't') => self.word("true", Node::Bool(true)),
            Some(b'f') => self.word("false", Node::Bool(false)),
            Some(b'n') => self.word("null", Node::Null),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(_) | None => Err(self.unexpected()),
        }
    }

    fn word(&mut self, word: &str, node: Node<'a>) -> Result<Node<'a>, Flaw> {
        word.bytes().try_for_each(|byte| self.expect(byte))?;
        Ok(node)
    }

    fn deeper(&mut self, depth: usize) -> Result<usize, Flaw> {
        if depth == self.limits.max_depth {
            return Err(self.wrong(FlawKind::TooDeep));
        }
        self.at += 1;
        self.space();
        Ok(depth + 1)
    }

    fn list(&mut self, depth: usize) -> Result<Node<'a>, Flaw> {
        let depth = self.deeper(depth)?;
        let mut items = Vec::new();
        if self.skip(b']') {
            return Ok(Node::List(items));
        }
        loop {
            items.push(self.value(depth)?);
            self.space();
            if self.skip(b']') {
                return Ok(Node::List(items));
            }
            self.expect(b',')?;
        }
    }

    fn object(&mut self, depth: usize) -> Result<Node<'a>, Flaw> {
        let depth = self.deeper(depth)?;
        let mut members: Vec<(Cow<'a, str>, Node<'a>)> = Vec::new();
        if self.skip(b'}') {
            return Ok(Node::Object(members));
        }
        loop {
            self.space();
            let name = self.string()?;
            self.space();
            self.expect(b':')?;
            members.push((name, self.value(depth)?));
            self.space();
            if self.skip(b'}') {
                break;
            }
            self.expect(b',')?;
        }
        members.sort_by(|(one, _), (other, _)| utf16(one, other));
        if members.windows(2).any(|pair| matches!(pair, [(one, _), (other, _)] if one == other)) {
            return Err(self.wrong(FlawKind::DuplicateKey));
        }
        Ok(Node::Object(members))
    }

    fn number(&mut self) -> Result<Node<'a>, Flaw> {
        let start = self.at;
        let _ = self.skip(b'-');
        if !self.skip(b'0') {
            self.digits()?;
        }
        let mut is_whole = true;
        if self.skip(b'.') {
            is_whole = false;
            self.digits()?;
        }
        if self.skip(b'e') || self.skip(b'E') {
            is_whole = false;
            let _ = self.skip(b'+') || self.skip(b'-');
            self.digits()?;
        }
        let text = self.between(start, self.at);
        let value: f64 = text.parse().map_err(|_| flaw(FlawKind::Syntax, start))?;
        if !value.is_finite() || is_whole && value.abs() >= EXACT && !is_canonical(text, value) {
            return Err(flaw(FlawKind::NumberRange, start));
        }
        Ok(Node::Number(value))
    }

    fn digits(&mut self) -> Result<(), Flaw> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at > start { Ok(()) } else { Err(self.unexpected()) }
    }

    fn string(&mut self) -> Result<Cow<'a, str>, Flaw> {
        self.expect(b'"')?;
        let start = self.at;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    self.at += 1;
                    return Ok(Cow::Borrowed(self.between(start, self.at - 1)));
                }
                b'\\' => return self.escaped(self.between(start, self.at).to_owned()).map(Cow::Owned),
                0..0x20 => return Err(self.unexpected()),
                _ => self.at += 1,
            }
        }
        Err(self.unexpected())
    }

    /// The rest of a string from its first escape on.
    fn escaped(&mut self, mut out: String) -> Result<String, Flaw> {
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let plain = rest.bytes().take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20)).count();
            out.push_str(rest.get(..plain).unwrap_or_default());
            self.at += plain;
            if self.skip(b'"') {
                return Ok(out);
            }
            self.expect(b'\\')?;
            out.push(self.escape()?);
        }
    }

    fn escape(&mut self) -> Result<char, Flaw> {
        let Some(byte) = self.peek() else { return Err(self.unexpected()) };
        let c = match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                self.at += 1;
                return self.code_point();
            }
            _ => return Err(self.unexpected()),
        };
        self.at += 1;
        Ok(c)
    }

    /// What follows `\u`: four digits, or two surrogates.
    fn code_point(&mut self) -> Result<char, Flaw> {
        let first = self.unit()?;
        let is_pair = (0xD800..0xDC00).contains(&first) && self.skip(b'\\') && self.skip(b'u');
        let code = if is_pair {
            let second = self.unit()?;
            if !(0xDC00..0xE000).contains(&second) {
                return Err(self.unexpected());
            }
            0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00)
        } else {
            first
        };
        char::from_u32(code).ok_or_else(|| self.wrong(FlawKind::Syntax))
    }

    fn unit(&mut self) -> Result<u32, Flaw> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            unit = unit << 4 | digit.ok_or_else(|| self.unexpected())?;
            self.at += 1;
        }
        Ok(unit)
    }
}

/// Whether a number is written as the canonical form writes the double that it is read as.
fn is_canonical(text: &str, value: f64) -> bool {
    let mut written = String::new();
    number::write(value, &mut written);
    written == text
}
