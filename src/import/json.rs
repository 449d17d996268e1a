//! JSON with the line of every value, which a report needs and a value tree does not keep.
//!
//! Strict, but for what the plugin takes too: names of members are found whatever their case, and of two the first counts.

use std::sync::Arc;

use super::report::{Mistake, Place};

/// Lists in lists that are followed; what Mosquitto writes has five.
const MAX_DEPTH: usize = 32;

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) value: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

impl Node {
    /// The member of this name, of an object.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        let Value::Object(members) = &self.value else { return None };
        members.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, node)| node)
    }

    /// The text of the member of this name.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        match &self.get(name)?.value {
            Value::Text(text) => Some(text),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::List(_) | Value::Object(_) => None,
        }
    }

    /// The truth of the member of this name.
    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        match self.get(name)?.value {
            Value::Bool(flag) => Some(flag),
            Value::Null | Value::Text(_) | Value::Number(_) | Value::List(_) | Value::Object(_) => None,
        }
    }

    /// The whole number of the member of this name: cut off, and no further from zero than 32 bits reach.
    pub(super) fn number(&self, name: &str) -> Option<i32> {
        match self.get(name)?.value {
            #[expect(clippy::cast_possible_truncation, reason = "it saturates, as the plugin's reader does")]
            Value::Number(number) => Some(number as i32),
            Value::Null | Value::Bool(_) | Value::Text(_) | Value::List(_) | Value::Object(_) => None,
        }
    }

    /// What is listed in the member of this name; nothing where it is no list.
    pub(super) fn list(&self, name: &str) -> &[Self] {
        match self.get(name).map(|node| &node.value) {
            Some(Value::List(nodes)) => nodes,
            Some(Value::Null | Value::Bool(_) | Value::Text(_) | Value::Number(_) | Value::Object(_)) | None => &[],
        }
    }
}

/// Reads a whole document.
pub(super) fn parse(text: &str, file: &Arc<str>) -> Result<Node, Mistake> {
    let mut reader = Reader { rest: text, line: 1, depth: 0 };
    let read = reader.document();
    read.map_err(|what| Mistake { place: Place::new(file, reader.line), what: what.to_owned() })
}

struct Reader<'t> {
    rest: &'t str,
    line: usize,
    depth: usize,
}

type Read<T> = Result<T, &'static str>;

impl Reader<'_> {
    fn document(&mut self) -> Read<Node> {
        let node = self.node()?;
        self.space();
        if self.rest.is_empty() { Ok(node) } else { Err("not JSON: something follows the end of the document") }
    }

    fn next(&mut self) -> Option<char> {
        let mut characters = self.rest.chars();
        let next = characters.next()?;
        self.rest = characters.as_str();
        if next == '\n' {
            self.line += 1;
        }
        Some(next)
    }

    fn space(&mut self) {
        while self.rest.starts_with([' ', '\t', '\r', '\n']) {
            self.next();
        }
    }

    /// Goes past this text where it comes next.
    fn take(&mut self, text: &str) -> bool {
        let Some(rest) = self.rest.strip_prefix(text) else { return false };
        self.rest = rest;
        true
    }

    fn node(&mut self) -> Read<Node> {
        self.space();
        let line = self.line;
        let value = match self.rest.chars().next() {
            Some('"') => Value::Text(self.string()?),
            Some('{') => self.deeper(Self::object)?,
            Some('[') => self.deeper(Self::list)?,
            Some('-' | '0'..='9') => self.number()?,
            _ if self.take("true") => Value::Bool(true),
            _ if self.take("false") => Value::Bool(false),
            _ if self.take("null") => Value::Null,
            Some(_) => return Err("not JSON: no value begins like this"),
            None => return Err("not JSON: the file ends too early"),
        };
        Ok(Node { line, value })
    }

    fn deeper(&mut self, read: fn(&mut Self) -> Read<Value>) -> Read<Value> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err("lists in lists, too deep to be of this plugin");
        }
        self.next();
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn list(&mut self) -> Read<Value> {
        let mut nodes = Vec::new();
        self.space();
        if self.take("]") {
            return Ok(Value::List(nodes));
        }
        loop {
            nodes.push(self.node()?);
            self.space();
            if self.take("]") {
                return Ok(Value::List(nodes));
            }
            if !self.take(",") {
                return Err("not JSON: `,` or `]` is due");
            }
        }
    }

    fn object(&mut self) -> Read<Value> {
        let mut members = Vec::new();
        self.space();
        if self.take("}") {
            return Ok(Value::Object(members));
        }
        loop {
            self.space();
            if !self.rest.starts_with('"') {
                return Err("not JSON: the name of a member is due");
            }
            let name = self.string()?;
            self.space();
            if !self.take(":") {
                return Err("not JSON: `:` is due");
            }
            members.push((name, self.node()?));
            self.space();
            if self.take("}") {
                return Ok(Value::Object(members));
            }
            if !self.take(",") {
                return Err("not JSON: `,` or `}` is due");
            }
        }
    }

    fn number(&mut self) -> Read<Value> {
        let end = self.rest.find(|c: char| !matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E'));
        let (digits, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        digits.parse().map(Value::Number).map_err(|_| "not JSON: not a number")
    }

    fn string(&mut self) -> Read<String> {
        self.next();
        let mut text = String::new();
        loop {
            match self.next().ok_or("not JSON: a text without end")? {
                '"' => return Ok(text),
                '\\' => text.push(self.escaped()?),
                control if control < ' ' => return Err("not JSON: a control character in a text"),
                plain => text.push(plain),
            }
        }
    }

    fn escaped(&mut self) -> Read<char> {
        match self.next() {
            Some(same @ ('"' | '\\' | '/')) => Ok(same),
            Some('b') => Ok('\u{8}'),
            Some('f') => Ok('\u{c}'),
            Some('n') => Ok('\n'),
            Some('r') => Ok('\r'),
            Some('t') => Ok('\t'),
            Some('u') => self.code_point(),
            _ => Err("not JSON: no such escape"),
        }
    }

    fn code_point(&mut self) -> Read<char> {
        const WRONG: &str = "not JSON: not a code point";
        let high = self.four_digits()?;
        let code = match high {
            0xd800..=0xdbff => {
                if !self.take("\\u") {
                    return Err(WRONG);
                }
                let low = self.four_digits()?.checked_sub(0xdc00).filter(|low| *low < 0x400).ok_or(WRONG)?;
                0x1_0000 + ((high - 0xd800) << 10) + low
            }
            _ => high,
        };
        // To the plugin a text ends at its first NUL, whatever stands behind it.
        char::from_u32(code).filter(|c| *c != '\0').ok_or(WRONG)
    }

    fn four_digits(&mut self) -> Read<u32> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.next().and_then(|c| c.to_digit(16)).ok_or("not JSON: four hexadecimal digits are due")?;
            code = code * 16 + digit;
        }
        Ok(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Node, Mistake> {
        parse(text, &"f".into())
    }

    #[test]
    fn every_value_is_read_with_its_line() {
        let node =
            read("{\n \"Roles\": [1, -2.5e1,\n {\"t\": \"a\\u00e9\\ud83d\\ude00\\n\", \"f\": true}], \"n\": null}\n")
                .unwrap();
        let roles = node.list("roles");
        assert_eq!(roles.iter().map(|role| role.line).collect::<Vec<_>>(), [2, 2, 3]);
        assert_eq!(roles[1].value, Value::Number(-25.0));
        assert_eq!(roles[2].text("T"), Some("aé😀\n"));
        assert_eq!((roles[2].flag("f"), roles[2].number("f"), node.text("n")), (Some(true), None, None));
        assert_eq!(read("{\"p\": 1e99}").unwrap().number("p"), Some(i32::MAX));
        assert_eq!(read("{\"a\": 1, \"A\": 2}").unwrap().number("A"), Some(1), "the first counts");
    }

    #[test]
    fn what_is_no_json_is_refused_with_its_line() {
        for (text, line) in [
            ("", 1),
            ("\n{", 2),
            ("{\"a\"\n:1,}", 2),
            ("[1\n2]", 2),
            ("[1,]", 1),
            ("{} x", 1),
            ("\"a\\u0000\"", 1),
            ("\"\\ud800x\"", 1),
            ("\"\\ud800\\u0041\"", 1),
            ("\"\\x\"", 1),
            ("\"a", 1),
            ("\"\u{1}\"", 1),
            ("tru", 1),
            ("1.2.3", 1),
            (&"[".repeat(100_000), 1),
        ] {
            assert_eq!(read(text).map_err(|mistake| mistake.place.line), Err(Some(line)), "{text:.20}");
        }
    }
}
