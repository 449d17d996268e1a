//! The record of a key: what all types of key have in common.

use std::ops::Range;

use data_encoding::BASE64URL_NOPAD;
use zeroize::Zeroizing;

use super::json::{Json, Object};
use super::{Algorithm, KeyFlaw, KeyProblem, MAX_IDENTITIES, MAX_IDENTITY_BYTES, MAX_KEYS, MAX_KEYS_BYTES, Unused};

/// From here on, not every whole number is a double.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// What a key is to be used for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Verify,
    Sign,
}

/// What is said about a key.
#[derive(Clone)]
pub(super) struct Record {
    pub(super) kid: Option<Box<str>>,
    /// What `alg` binds it to.
    pub(super) only: Option<Algorithm>,
    pub(super) identities: Box<[Box<str>]>,
    /// When it may be used, in seconds since 1970.
    pub(super) valid: Range<i64>,
}

/// The objects of a JWK set.
pub(super) fn list(json: &[u8]) -> Result<Vec<Json>, KeyProblem> {
    let whole = |what| KeyProblem { key: 0, what };
    if json.len() > MAX_KEYS_BYTES {
        return Err(whole(KeyFlaw::TooLarge));
    }
    let set = Object::parse(json).ok_or_else(|| whole(KeyFlaw::NotJson))?;
    let keys = set.0.into_iter().find(|(name, _)| **name == *"keys");
    let Some((_, Json::List(list))) = keys else { return Err(whole(KeyFlaw::NoList)) };
    if list.len() > MAX_KEYS { Err(whole(KeyFlaw::TooMany)) } else { Ok(list) }
}

impl Record {
    /// Reads what is not the key itself; or why the key is passed over.
    pub(super) fn read(key: &Object, purpose: Purpose) -> Result<Result<Self, Unused>, KeyFlaw> {
        if key.text("use")?.is_some_and(|purpose| purpose != "sig") {
            return Ok(Err(Unused::Use));
        }
        if let Some(operations) = key.get("key_ops") {
            let Json::List(_) = operations else { return Err(KeyFlaw::Member("key_ops")) };
            let word = if purpose == Purpose::Sign { "sign" } else { "verify" };
            if !operations.texts().ok_or(KeyFlaw::Member("key_ops"))?.contains(&word) {
                return Ok(Err(Unused::Operations));
            }
        }
        let only = match key.text("alg")? {
            None => None,
            Some(name) => match Algorithm::parse(name) {
                None => return Ok(Err(Unused::Algorithm)),
                known @ Some(_) => known,
            },
        };
        let valid = seconds(key, "nbf")?.unwrap_or(i64::MIN)..seconds(key, "exp")?.unwrap_or(i64::MAX);
        if valid.is_empty() {
            return Err(KeyFlaw::NeverValid);
        }
        let kid = key.text("kid")?.map(Box::from);
        Ok(Ok(Self { kid, only, identities: identities(key)?, valid }))
    }

    /// Whether the key may be used at this time, in milliseconds since 1970.
    pub(super) fn is_valid_at(&self, unix_millis: i64) -> bool {
        self.valid.contains(&unix_millis.div_euclid(1000))
    }
}

/// A NumericDate (RFC 7519 section 2): seconds since 1970, a fraction cut off.
fn seconds(key: &Object, name: &'static str) -> Result<Option<i64>, KeyFlaw> {
    match key.get(name) {
        None => Ok(None),
        Some(Json::Integer(seconds)) => i64::try_from(*seconds).map(Some).map_err(|_| KeyFlaw::Member(name)),
        #[expect(clippy::cast_possible_truncation, reason = "within the bounds that the guard holds it to")]
        Some(Json::Float(seconds)) if seconds.abs() < EXACT => Ok(Some(seconds.floor() as i64)),
        Some(_) => Err(KeyFlaw::Member(name)),
    }
}

/// Whose key it is.
fn identities(key: &Object) -> Result<Box<[Box<str>]>, KeyFlaw> {
    let Some(said) = key.get("identity") else { return Ok(Box::default()) };
    let is_name =
        |name: &&str| !name.is_empty() && name.len() <= MAX_IDENTITY_BYTES && !name.chars().any(char::is_control);
    let names = said.texts().filter(|names| (1..=MAX_IDENTITIES).contains(&names.len()) && names.iter().all(is_name));
    Ok(names.ok_or(KeyFlaw::Member("identity"))?.into_iter().map(Box::from).collect())
}

/// A member in base64url, of at most so many bytes.
pub(super) fn bytes(key: &Object, name: &'static str, max: usize) -> Result<Zeroizing<Box<[u8]>>, KeyFlaw> {
    let text = key.text(name)?.ok_or(KeyFlaw::Member(name))?;
    let decoded = BASE64URL_NOPAD.decode(text.as_bytes()).map(|bytes| Zeroizing::new(bytes.into_boxed_slice()));
    decoded.ok().filter(|bytes| bytes.len() <= max).ok_or(KeyFlaw::Member(name))
}

/// A member in base64url, of exactly so many bytes.
pub(super) fn exactly(key: &Object, name: &'static str, length: usize) -> Result<Zeroizing<Box<[u8]>>, KeyFlaw> {
    let found = bytes(key, name, length)?;
    if found.len() == length { Ok(found) } else { Err(KeyFlaw::Member(name)) }
}
