//! What rules about messages are made of: places in payloads, numbers of any sign, values, regular expressions.

use regex::{Regex, RegexBuilder};
use serde_json::{Value as Json, json};
use toml::de::DeValue;

use super::text::{PlainText, Text};
use crate::config::read::{Given, Kind, Reading};
use crate::mqtt::{Limits, topic};
use crate::payload::Field;
use crate::policy::{Bound, Scalar};

/// Bytes that a compiled regular expression may take, and the tables that it makes as it runs.
const MAX_PATTERN_BYTES: usize = 1 << 20;
/// Bytes of a text that a value may be.
const MAX_TEXT_BYTES: usize = 1024;

/// A JSON Pointer.
pub(in crate::config) struct Pointer;

/// Where a value stands in a payload.
pub(in crate::config) fn pointer() -> Pointer {
    Pointer
}

impl Kind for Pointer {
    type Value = Field;

    fn parse(&self, given: &Given<'_>, reading: &mut Reading) -> Option<Field> {
        let DeValue::String(text) = given.value else {
            reading.wrong_type(given, &self.expects());
            return None;
        };
        let field = Field::parse(text);
        if field.is_none() {
            let with_slash = format!("/{}", text.replace('.', "/"));
            let help = match Field::parse(&with_slash) {
                Some(_) if !text.starts_with('/') => format!("did you mean `{with_slash}`?"),
                Some(_) | None => "in a name `/` is written `~1`, and `~` is written `~0`".to_owned(),
            };
            reading.invalid(given, &self.expects(), &help);
        }
        field
    }

    fn expects(&self) -> String {
        format!("a JSON Pointer such as `/motor/rpm` or `/values/0`, of at most {} bytes", Field::MAX_BYTES)
    }

    fn written(&self, value: &Field) -> Option<String> {
        Some(format!("\"{value}\""))
    }

    fn schema(&self) -> Json {
        json!({"type": "string", "pattern": "^(/.*)?$", "maxLength": Field::MAX_BYTES})
    }
}

/// A number of any sign, whole or not.
pub(in crate::config) struct Number {
    at_least_zero: bool,
}

/// A number of any sign, whole or not.
pub(in crate::config) fn number() -> Number {
    Number { at_least_zero: false }
}

/// A number that is not negative, whole or not.
pub(in crate::config) fn extent() -> Number {
    Number { at_least_zero: true }
}

impl Kind for Number {
    type Value = Bound;

    fn parse(&self, given: &Given<'_>, reading: &mut Reading) -> Option<Bound> {
        let bound = match given.value {
            DeValue::Integer(integer) => {
                i64::from_str_radix(integer.as_str(), integer.radix()).ok().map(Bound::Integer)
            }
            DeValue::Float(float) => {
                float.as_str().parse::<f64>().ok().filter(|float| float.is_finite()).map(Bound::Float)
            }
            DeValue::String(_) | DeValue::Boolean(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
                reading.wrong_type(given, &self.expects());
                return None;
            }
        };
        let bound = bound.filter(|bound| !self.at_least_zero || as_float(*bound) >= 0.0);
        if bound.is_none() {
            reading.out_of_range(given, &self.expects());
        }
        bound
    }

    fn expects(&self) -> String {
        if self.at_least_zero { "a number, 0 or more".to_owned() } else { "a number".to_owned() }
    }

    fn written(&self, value: &Bound) -> Option<String> {
        Some(match value {
            Bound::Integer(integer) => integer.to_string(),
            Bound::Float(float) => format!("{float:?}"),
        })
    }

    fn schema(&self) -> Json {
        if self.at_least_zero { json!({"type": "number", "minimum": 0}) } else { json!({"type": "number"}) }
    }
}

/// The number, as near as can be.
#[expect(clippy::cast_precision_loss, reason = "to compare and to scale, not to hold values against")]
pub(in crate::config) const fn as_float(bound: Bound) -> f64 {
    match bound {
        Bound::Integer(integer) => integer as f64,
        Bound::Float(float) => float,
    }
}

/// Whether the first is above the second; whole numbers exactly.
pub(in crate::config) fn is_above(a: Bound, b: Bound) -> bool {
    match (a, b) {
        (Bound::Integer(a), Bound::Integer(b)) => a > b,
        (a, b) => as_float(a) > as_float(b),
    }
}

/// A number, a text, or `true` or `false`.
pub(in crate::config) struct Plain;

/// A value that a payload may have.
pub(in crate::config) fn scalar() -> Plain {
    Plain
}

impl Kind for Plain {
    type Value = Scalar;

    fn parse(&self, given: &Given<'_>, reading: &mut Reading) -> Option<Scalar> {
        match given.value {
            DeValue::String(text) if text.len() > MAX_TEXT_BYTES => {
                reading.out_of_range(given, &self.expects());
                None
            }
            DeValue::String(text) => Some(Scalar::Text(text.as_ref().into())),
            DeValue::Boolean(boolean) => Some(Scalar::Boolean(*boolean)),
            DeValue::Integer(_) | DeValue::Float(_) => number().parse(given, reading).map(Scalar::Number),
            DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
                reading.wrong_type(given, &self.expects());
                None
            }
        }
    }

    fn expects(&self) -> String {
        format!("a number, a text of at most {MAX_TEXT_BYTES} bytes, `true` or `false`")
    }

    fn written(&self, value: &Scalar) -> Option<String> {
        match value {
            Scalar::Number(bound) => number().written(bound),
            Scalar::Text(text) => PlainText.written(&text.to_string()),
            Scalar::Boolean(boolean) => Some(boolean.to_string()),
        }
    }

    fn schema(&self) -> Json {
        json!({"type": ["number", "string", "boolean"]})
    }
}

/// A regular expression; none of its kind takes longer than the text is long.
pub(in crate::config) struct Expression;

/// A regular expression.
pub(in crate::config) fn expression() -> Expression {
    Expression
}

impl Kind for Expression {
    type Value = Regex;

    fn parse(&self, given: &Given<'_>, reading: &mut Reading) -> Option<Regex> {
        let DeValue::String(text) = given.value else {
            reading.wrong_type(given, &self.expects());
            return None;
        };
        let built = RegexBuilder::new(text).size_limit(MAX_PATTERN_BYTES).dfa_size_limit(MAX_PATTERN_BYTES).build();
        match built {
            Ok(regex) => Some(regex),
            Err(error) => {
                reading.invalid(given, &self.expects(), &why(&error));
                None
            }
        }
    }

    fn expects(&self) -> String {
        "a regular expression".to_owned()
    }

    fn written(&self, value: &Regex) -> Option<String> {
        Some(format!("'{value}'"))
    }

    fn schema(&self) -> Json {
        json!({"type": "string", "format": "regex"})
    }
}

/// What is wrong with it, on one line.
fn why(error: &regex::Error) -> String {
    if matches!(error, regex::Error::CompiledTooBig(_)) {
        return "it would take too much memory: are there large repetitions?".to_owned();
    }
    // The text before the last line repeats the expression, with a mark below.
    let words = error.to_string();
    let last = words.lines().last().unwrap_or_default();
    let last = last.strip_prefix("error: ").unwrap_or(last);
    let is_refused = last.contains("look-around") || last.contains("backreference");
    if is_refused { format!("{last}: no text is to take long") } else { last.to_owned() }
}

/// Two texts: a name and what it says.
pub(in crate::config) struct Pair;

/// Two texts: a name and what it says.
pub(in crate::config) fn pair() -> Pair {
    Pair
}

impl Kind for Pair {
    type Value = (String, String);

    fn parse(&self, given: &Given<'_>, reading: &mut Reading) -> Option<(String, String)> {
        let texts: Option<Vec<&str>> = match given.value {
            DeValue::Array(array) => array
                .iter()
                .map(|entry| if let DeValue::String(text) = entry.get_ref() { Some(text.as_ref()) } else { None })
                .collect(),
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Table(_) => None,
        };
        if let Some([name, value]) = texts.as_deref() {
            return Some(((*name).to_owned(), (*value).to_owned()));
        }
        reading.invalid(given, &self.expects(), "");
        None
    }

    fn expects(&self) -> String {
        "two texts, as in `[\"name\", \"value\"]`".to_owned()
    }

    fn written(&self, (name, value): &(String, String)) -> Option<String> {
        Some(format!("[\"{name}\", \"{value}\"]"))
    }

    fn schema(&self) -> Json {
        json!({"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2})
    }
}

/// The Topic Name of an interlock.
pub(in crate::config) fn fact_topic() -> Text<String> {
    let check = |text: &str| {
        let plain = text.split('/').map(|level| if topic_level(level).is_some() { "x" } else { level });
        let plain = plain.collect::<Vec<_>>().join("/");
        let is_name = topic::check_name(&plain, &Limits::default()).is_ok() && !plain.contains("${");
        is_name.then(|| text.to_owned())
    };
    Text {
        expects: "a Topic Name, in which a level may be `${topic.2}`: that level of the message's own topic",
        check,
        write: String::clone,
    }
}

/// The number of the level that `${topic.N}` stands for, from 1.
pub(in crate::config) fn topic_level(level: &str) -> Option<usize> {
    let number = level.strip_prefix("${topic.")?.strip_suffix('}')?;
    let is_plain = !number.starts_with('0') && number.bytes().all(|byte| byte.is_ascii_digit());
    number.parse().ok().filter(|number| is_plain && *number > 0)
}
