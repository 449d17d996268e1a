//! What a token says, as names and values.

use std::collections::HashSet;

use super::{MAX_CLAIM_BYTES, MAX_CLAIMS, TokenError};
use crate::jwk::json::{Json, Object};

/// Objects inside objects that are looked into.
const MAX_DEPTH: usize = 6;
/// Claims whose one text is a list of words (RFC 8693 section 4.2; `scp` is what Microsoft and Okta write).
const LISTS_OF_WORDS: [&str; 2] = ["scope", "scp"];

/// Names and values, in the order of the token.
///
/// Texts, integers, `true` and `false` are values; a list has its items as values of one name; what is inside an object
/// has its name and a dot in front. Nothing else can be said as a name and a value, and is left out: null, numbers with a
/// fraction or beyond 64 bits, objects and lists inside lists.
#[derive(Default)]
pub(in crate::credentials) struct Claims {
    pairs: Vec<(Box<str>, Box<str>)>,
    /// Where in `pairs` the claims are that are one text.
    texts: Vec<usize>,
    names: HashSet<Box<str>>,
    bytes: usize,
}

impl Claims {
    pub(in crate::credentials) fn read(payload: &Object) -> Result<Self, TokenError> {
        let mut claims = Self::default();
        claims.object("", payload, 0)?;
        Ok(claims)
    }

    /// The value of a claim that is one text, no list and no number.
    pub(in crate::credentials) fn text(&self, name: &str) -> Option<&str> {
        let mut texts = self.texts.iter().filter_map(|at| self.pairs.get(*at));
        texts.find(|(known, _)| **known == *name).map(|(_, value)| &**value)
    }

    pub(in crate::credentials) fn into_pairs(self) -> Vec<(Box<str>, Box<str>)> {
        self.pairs
    }

    fn object(&mut self, prefix: &str, object: &Object, depth: usize) -> Result<(), TokenError> {
        if depth > MAX_DEPTH {
            return Err(TokenError::TooManyClaims);
        }
        for (name, value) in &object.0 {
            let name = format!("{prefix}{name}");
            if let Json::Object(inner) = value {
                self.object(&format!("{name}."), inner, depth + 1)?;
                continue;
            }
            // `{"a.b": 1, "a": {"b": 2}}`: which is `a.b`?
            if !self.names.insert(name.as_str().into()) {
                return Err(TokenError::Malformed);
            }
            self.value(&name, value)?;
        }
        Ok(())
    }

    fn value(&mut self, name: &str, value: &Json) -> Result<(), TokenError> {
        match value {
            Json::Text(text) if LISTS_OF_WORDS.contains(&name) => {
                text.split(' ').filter(|word| !word.is_empty()).try_for_each(|word| self.push(name, word))
            }
            Json::Text(text) => {
                self.texts.push(self.pairs.len());
                self.push(name, text)
            }
            Json::List(items) => items.iter().try_for_each(|item| self.scalar(name, item)),
            Json::Null | Json::Bool(_) | Json::Integer(_) | Json::Float(_) | Json::Object(_) => {
                self.scalar(name, value)
            }
        }
    }

    fn scalar(&mut self, name: &str, value: &Json) -> Result<(), TokenError> {
        match value {
            Json::Text(text) => self.push(name, text),
            Json::Integer(number) => self.push(name, &number.to_string()),
            Json::Bool(value) => self.push(name, if *value { "true" } else { "false" }),
            Json::Null | Json::Float(_) | Json::List(_) | Json::Object(_) => Ok(()),
        }
    }

    fn push(&mut self, name: &str, value: &str) -> Result<(), TokenError> {
        self.bytes += name.len() + value.len();
        if self.pairs.len() == MAX_CLAIMS || self.bytes > MAX_CLAIM_BYTES {
            return Err(TokenError::TooManyClaims);
        }
        self.pairs.push((name.into(), value.into()));
        Ok(())
    }
}

/// A NumericDate (RFC 7519 section 2): seconds since 1970, a fraction cut off.
pub(in crate::credentials) fn seconds(payload: &Object, name: &str) -> Result<Option<i64>, TokenError> {
    /// From here on, not every whole number is a double.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match payload.get(name) {
        None => Ok(None),
        Some(Json::Integer(seconds)) => i64::try_from(*seconds).map(Some).map_err(|_| TokenError::Malformed),
        #[expect(clippy::cast_possible_truncation, reason = "within the bounds that the guard holds it to")]
        Some(Json::Float(seconds)) if seconds.abs() < EXACT => Ok(Some(seconds.floor() as i64)),
        Some(_) => Err(TokenError::Malformed),
    }
}
