//! One record as one line of JSON that no text of a peer can break out of.

use std::fmt::Write;
use std::time::SystemTime;

use crate::enforce::event::Text;
use crate::envelope::rfc3339;
use crate::mqtt::text::is_hidden;

/// Longest text that a field keeps; what is longer is cut and the field is named in `cut`.
pub(super) const MAX_TEXT_BYTES: usize = 4096;

/// One whole line, its newline included. Only this module makes one, so whatever reaches a file is escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record(String);

impl Record {
    /// The line with its newline.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The line without its newline.
    pub fn as_str(&self) -> &str {
        self.0.trim_end_matches('\n')
    }
}

/// A line that is being written, field by field. Keys are the program's own words.
pub(super) struct Line {
    text: String,
    cut: Vec<&'static str>,
}

impl Line {
    pub(super) fn new(time: SystemTime, event: &'static str) -> Self {
        let text = String::with_capacity(384);
        let mut line = Self { text, cut: Vec::new() };
        line.text.push('{');
        line.escaped("time", &rfc3339(time.into()));
        line.escaped("event", event);
        line
    }

    /// Adds a text; nothing where there is none.
    pub(super) fn text<'t>(&mut self, key: &'static str, value: impl Into<Option<&'t str>>) {
        let Some(value) = value.into() else { return };
        let end = value.floor_char_boundary(MAX_TEXT_BYTES);
        if end < value.len() {
            self.cut.push(key);
        }
        self.escaped(key, value.get(..end).unwrap_or_default());
    }

    /// Adds a text that is bounded already.
    pub(super) fn bounded(&mut self, key: &'static str, value: &Text) {
        if value.is_cut() {
            self.cut.push(key);
        }
        self.text(key, value.as_str());
    }

    /// Adds a whole number; nothing where there is none.
    pub(super) fn number(&mut self, key: &'static str, value: impl Into<Option<u64>>) {
        if let Some(value) = value.into() {
            self.key(key);
            // Writing to a String cannot fail.
            let _ = write!(self.text, "{value}");
        }
    }

    /// Adds something that displays itself.
    pub(super) fn display(&mut self, key: &'static str, value: impl std::fmt::Display) {
        self.text(key, value.to_string().as_str());
    }

    pub(super) fn finish(mut self) -> Record {
        if !self.cut.is_empty() {
            let cut = self.cut.join(",");
            self.escaped("cut", &cut);
        }
        self.text.push_str("}\n");
        Record(self.text)
    }

    fn key(&mut self, key: &'static str) {
        if !self.text.ends_with('{') {
            self.text.push(',');
        }
        let _ = write!(self.text, "\"{key}\":");
    }

    fn escaped(&mut self, key: &'static str, value: &str) {
        self.key(key);
        self.text.push('"');
        for character in value.chars() {
            match character {
                '"' => self.text.push_str("\\\""),
                '\\' => self.text.push_str("\\\\"),
                hidden if is_hidden(hidden) => {
                    for unit in hidden.encode_utf16(&mut [0; 2]) {
                        let _ = write!(self.text, "\\u{unit:04x}");
                    }
                }
                plain => self.text.push(plain),
            }
        }
        self.text.push('"');
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use proptest::prelude::*;

    use super::*;

    fn line(value: &str) -> Record {
        let mut line = Line::new(UNIX_EPOCH, "refused");
        line.text("topic", value);
        line.finish()
    }

    #[test]
    fn what_could_break_a_line_or_a_terminal_is_escaped() {
        let cases = [
            ("plain/é/温度", "plain/é/温度"),
            ("a\"b\\c", r#"a\"b\\c"#),
            ("a\nb\r\tc", r"a\u000ab\u000d\u0009c"),
            ("\u{1b}[31mred", r"\u001b[31mred"),
            ("\u{7f}\u{85}\u{9b}", r"\u007f\u0085\u009b"),
            ("\u{2028}\u{2029}", r"\u2028\u2029"),
            ("\u{202e}txt\u{2066}\u{feff}", r"\u202etxt\u2066\ufeff"),
            ("\u{ffff}\u{10ffff}\u{e0041}", r"\uffff\udbff\udfff\udb40\udc41"),
        ];
        for (value, expected) in cases {
            let record = line(value);
            let start = r#"{"time":"1970-01-01T00:00:00.000Z","event":"refused","topic":""#;
            assert_eq!(record.as_str(), format!("{start}{expected}\"}}"), "{value:?}");
        }
    }

    #[test]
    fn long_text_is_cut_at_a_character_and_says_so() {
        let record = line(&"é".repeat(MAX_TEXT_BYTES));
        let value: serde_json::Value = serde_json::from_str(record.as_str()).unwrap();
        assert_eq!(value["topic"].as_str().unwrap().len(), MAX_TEXT_BYTES);
        assert_eq!(value["cut"], "topic");
        let odd = line(&format!("a{}", "é".repeat(MAX_TEXT_BYTES)));
        let value: serde_json::Value = serde_json::from_str(odd.as_str()).unwrap();
        assert_eq!(value["topic"].as_str().unwrap().len(), MAX_TEXT_BYTES - 1);
    }

    #[test]
    fn absent_fields_are_not_written() {
        let mut line = Line::new(UNIX_EPOCH, "ended");
        line.text("topic", None);
        line.number("duration_ms", None);
        line.number("connection", 7);
        assert_eq!(line.finish().as_str(), r#"{"time":"1970-01-01T00:00:00.000Z","event":"ended","connection":7}"#);
    }

    proptest! {
        #[test]
        fn any_text_is_one_line_of_json_that_reads_back(value in "\\PC*|.*|[\\x00-\\x9f\u{2028}\u{2029}\u{feff}]*") {
            let record = line(&value);
            let bytes = record.as_bytes();
            prop_assert_eq!(bytes.iter().filter(|&&byte| byte == b'\n').count(), 1);
            prop_assert!(record.as_str().chars().all(|character| !is_hidden(character)));
            let read: serde_json::Value = serde_json::from_str(record.as_str()).unwrap();
            prop_assert_eq!(read["topic"].as_str(), Some(value.as_str()));
        }
    }
}
