//! Places in a text of JSON.

use std::ops::Range;

/// The byte at a line and a column, both from 1; the column counts bytes.
pub(super) fn offset(text: &str, line: usize, column: usize) -> usize {
    let begin: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let at = (begin + column.saturating_sub(1)).min(text.len());
    (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// Where the value of a JSON Pointer stands in a text that is JSON: the name of a member, an item as a whole.
pub(super) fn place(text: &str, pointer: &str) -> Option<Range<usize>> {
    let mut scan = Scan { text, at: 0 };
    let mut found = 0..0;
    for step in pointer.split('/').skip(1) {
        let step = step.replace("~1", "/").replace("~0", "~");
        found = scan.enter(&step)?;
    }
    (!found.is_empty()).then_some(found)
}

/// A text that is JSON, and how far it was looked at.
struct Scan<'t> {
    text: &'t str,
    at: usize,
}

impl Scan<'_> {
    fn next(&mut self) -> Option<u8> {
        let rest = self.text.as_bytes().get(self.at..)?;
        self.at += rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        self.text.as_bytes().get(self.at).copied()
    }

    /// Goes into a member or item; where its name, or itself, stands.
    fn enter(&mut self, step: &str) -> Option<Range<usize>> {
        let is_object = match self.next()? {
            b'{' => true,
            b'[' => false,
            _ => return None,
        };
        self.at += 1;
        for number in 0_usize.. {
            if matches!(self.next()?, b'}' | b']') {
                return None;
            }
            let begin = self.at;
            let is_it = if is_object {
                self.skip()?;
                let name: String = serde_json::from_str(self.text.get(begin..self.at)?).ok()?;
                let end = self.at;
                self.next()?;
                self.at += 1;
                if name == step {
                    return Some(begin..end);
                }
                false
            } else {
                number.to_string() == step
            };
            if is_it {
                self.skip()?;
                let end = self.at;
                self.at = begin;
                return Some(begin..end);
            }
            self.next()?;
            self.skip()?;
            if self.next()? == b',' {
                self.at += 1;
            }
        }
        None
    }

    /// Goes past one value.
    fn skip(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            match self.next()? {
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1)?;
                    self.at += 1;
                }
                b',' | b':' => self.at += 1,
                b'"' => self.skip_text()?,
                _ => {
                    let rest = self.text.as_bytes().get(self.at..)?;
                    let ends = |byte: &u8| byte.is_ascii_whitespace() || b",]}:".contains(byte);
                    self.at += rest.iter().position(ends).unwrap_or(rest.len());
                }
            }
            if depth == 0 {
                return Some(());
            }
        }
    }

    fn skip_text(&mut self) -> Option<()> {
        self.at += 1;
        loop {
            match self.text.as_bytes().get(self.at)? {
                b'\\' => self.at += 2,
                b'"' => {
                    self.at += 1;
                    return Some(());
                }
                _ => self.at += 1,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_leads_to_a_place_in_the_text() {
        let text = r#" { "a" : [ 1, {"x\"}": true, "b/c": "]"}, [2] ], "d":{"":null}}"#;
        for (pointer, expected) in [
            ("/a", Some("\"a\"")),
            ("/a/0", Some("1")),
            ("/a/1", Some(r#"{"x\"}": true, "b/c": "]"}"#)),
            ("/a/1/b~1c", Some("\"b/c\"")),
            ("/a/1/x\"}", Some(r#""x\"}""#)),
            ("/a/2/0", Some("2")),
            ("/d/", Some("\"\"")),
            ("/d/e", None),
            ("/a/3", None),
            ("/a/0/0", None),
            ("", None),
        ] {
            assert_eq!(place(text, pointer).and_then(|range| text.get(range)), expected, "{pointer}");
        }
        assert_eq!(place("{\"a\": 1,", "/b"), None);
        assert_eq!(place("", "/b"), None);
    }

    #[test]
    fn a_line_and_column_is_a_byte() {
        let text = "ab\nc\u{e4}d\n";
        for (line, column, expected) in [(1, 1, 0), (2, 1, 3), (2, 2, 4), (2, 3, 4), (2, 4, 6), (9, 9, 8), (1, 0, 0)] {
            assert_eq!(offset(text, line, column), expected, "{line}:{column}");
        }
    }
}
