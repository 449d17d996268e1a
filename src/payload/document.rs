//! A payload as a JSON document, for those who need the whole of it: schemas.

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Map, Number, Value};

use super::FlawKind;
use super::walk::{Nest, Scalar, Sink};

/// Builds a document.
#[derive(Default)]
pub(super) struct Build {
    whole: Value,
    /// What is open, the innermost last, each with the name that awaits its value.
    open: Vec<(Value, Option<String>)>,
}

impl Build {
    pub(super) fn into_whole(self) -> Value {
        self.whole
    }

    fn put(&mut self, value: Value) {
        match self.open.last_mut() {
            Some((Value::Array(items), _)) => items.push(value),
            Some((Value::Object(members), name)) => {
                members.insert(name.take().unwrap_or_default(), value);
            }
            _ => self.whole = value,
        }
    }
}

impl<'p> Sink<'p> for Build {
    type Place = ();

    fn member(&mut self, (): (), name: &str) {
        if let Some((_, awaits)) = self.open.last_mut() {
            *awaits = Some(name.to_owned());
        }
    }

    fn item(&mut self, (): (), _: usize) {}

    fn scalar(&mut self, (): (), value: Scalar<'p>) -> Result<(), FlawKind> {
        let float = |value| Number::from_f64(value).map(Value::Number).ok_or(FlawKind::NumberRange);
        let value = match value {
            Scalar::Null => Value::Null,
            Scalar::False => Value::Bool(false),
            Scalar::True => Value::Bool(true),
            Scalar::Integer(value) => match Number::from_i128(value) {
                Some(number) => Value::Number(number),
                None => return Err(FlawKind::NumberRange),
            },
            Scalar::Float(value) => float(value)?,
            Scalar::Decimal(text) => float(text.parse().map_err(|_| FlawKind::NumberRange)?)?,
            Scalar::Text(text) => Value::String(text.into_cow().into_owned()),
            Scalar::Bytes(bytes) => Value::String(BASE64URL_NOPAD.encode(bytes)),
        };
        self.put(value);
        Ok(())
    }

    fn open(&mut self, kind: Nest) {
        let empty = match kind {
            Nest::List => Value::Array(Vec::new()),
            Nest::Object => Value::Object(Map::new()),
        };
        self.open.push((empty, None));
    }

    fn close(&mut self, (): (), _: Nest, _: usize) {
        if let Some((value, _)) = self.open.pop() {
            self.put(value);
        }
    }
}
