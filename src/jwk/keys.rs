//! Keys that check signatures.

#[cfg(test)]
mod tests;

use std::fmt;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey, RsaPublicKeyComponents,
    VerificationAlgorithm,
};
use data_encoding::BASE64URL_NOPAD;
use zeroize::Zeroizing;

use super::algorithm::{Algorithm, Check};
use super::json::{Json, Object, WrongType};
use super::mark;

/// The largest text of a key set.
pub const MAX_KEYS_BYTES: usize = 1 << 20;
/// The most keys of one set.
pub const MAX_KEYS: usize = 256;
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;
/// What the crypto core takes as exponent: 33 bits.
const MAX_RSA_EXPONENT_BYTES: usize = 5;
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 32..=1024;

/// The keys of a JWK set that can check a signature.
///
/// Secrets are wiped when dropped; `Debug` shows the count alone.
#[derive(Clone)]
pub struct Keys {
    keys: Vec<Key>,
    unused: Vec<UnusedKey>,
}

/// A key set that can't be taken, or a key of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyProblem {
    /// The position in `keys`, counted from 1; 0 for the set as a whole.
    pub key: usize,
    /// What is wrong with it.
    pub what: KeyFlaw,
}

/// What can be wrong with a key set. Never holds any of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFlaw {
    /// [`MAX_KEYS_BYTES`].
    #[error("the key set is larger than {MAX_KEYS_BYTES} bytes")]
    TooLarge,
    /// Not JSON, too deep or wide, or a name stands twice in one object.
    #[error("not a JSON object in which each name stands once")]
    NotJson,
    /// No `keys`, or not a list.
    #[error("`keys` is missing or not a list: not a JWK set")]
    NoList,
    /// [`MAX_KEYS`].
    #[error("more than {MAX_KEYS} keys")]
    TooMany,
    /// No key of the set can check a signature.
    #[error("no key in it can check a signature")]
    NoneUsable,
    /// Not an object.
    #[error("not a JSON object")]
    NotObject,
    /// A member is missing, of the wrong type, or not base64url of the right length.
    #[error("`{0}` is missing or malformed")]
    Member(&'static str),
    /// Another key has this `kid`.
    #[error("its `kid` is that of key {0} too")]
    DuplicateKid(usize),
    /// It holds the private half.
    #[error("it holds a private key; who checks tokens must not be able to make them")]
    Private,
    /// RSA of less than 2048 bits, or more than 8192.
    #[error("the modulus is not of 2048 to 8192 bits")]
    RsaSize,
    /// A shared secret out of bounds.
    #[error("the secret is not of 32 to 1024 bytes")]
    SecretSize,
    /// A shared secret shorter than the output of its `alg` (RFC 7518 section 3.2).
    #[error("the secret is shorter than its `alg` demands (HS384: 48 bytes, HS512: 64)")]
    SecretShort,
    /// Not a key at all: a point off the curve, an even exponent.
    #[error("not a valid key of its type")]
    Invalid,
    /// `alg` is of another type of key.
    #[error("its `alg` is not for this type of key")]
    AlgorithmMismatch,
}

impl fmt::Display for KeyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key == 0 { write!(f, "{}", self.what) } else { write!(f, "key {}: {}", self.key, self.what) }
    }
}

/// A key of the set that is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnusedKey {
    /// The position in `keys`, counted from 1.
    pub key: usize,
    /// Why.
    pub why: Unused,
}

/// Why a key is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unused {
    /// `kty` or `crv` is not known here.
    #[error("its type or curve is not supported")]
    Type,
    /// `use` is not `sig`.
    #[error("its `use` is not `sig`")]
    Use,
    /// `key_ops` has no `verify`.
    #[error("its `key_ops` has no `verify`")]
    Operations,
    /// `alg` is none that is known here.
    #[error("its `alg` is not supported")]
    Algorithm,
}

/// A key that checks signatures. `Debug` shows its name alone.
#[derive(Clone)]
pub struct Key {
    kid: Option<Box<str>>,
    identities: Box<[Box<str>]>,
    material: Material,
    /// What `alg` binds it to.
    only: Option<Algorithm>,
    mark: u64,
}

#[derive(Clone)]
enum Material {
    Secret(Zeroizing<Box<[u8]>>),
    Rsa(RsaPublicKeyComponents<Box<[u8]>>),
    /// For this algorithm alone, as the curve says.
    Curve(Algorithm, Box<[u8]>),
}

impl Keys {
    /// Reads a JWK set.
    ///
    /// RSA of 2048 to 8192 bits, EC on P-256 and P-384, Ed25519, and shared secrets of at least 32 bytes are taken.
    /// `use`, `key_ops` and `alg` are heeded: a key that is meant for something else, or of a type that is not known
    /// here, is passed over ([`Keys::unused`]), as RFC 7517 asks. A weak, private or malformed key refuses the set.
    ///
    /// # Errors
    /// Every problem of the set.
    pub fn parse(json: &[u8]) -> Result<Self, Vec<KeyProblem>> {
        let whole = |what| vec![KeyProblem { key: 0, what }];
        if json.len() > MAX_KEYS_BYTES {
            return Err(whole(KeyFlaw::TooLarge));
        }
        let set = Object::parse(json).ok_or_else(|| whole(KeyFlaw::NotJson))?;
        let Some(Json::List(list)) = set.get("keys") else { return Err(whole(KeyFlaw::NoList)) };
        if list.len() > MAX_KEYS {
            return Err(whole(KeyFlaw::TooMany));
        }
        let mut keys: Vec<(usize, Key)> = Vec::new();
        let (mut unused, mut problems) = (Vec::new(), Vec::new());
        for (number, value) in (1..).zip(list) {
            match Key::parse(value) {
                Ok(Ok(key)) => {
                    let double = keys.iter().find(|(_, known)| key.kid.is_some() && known.kid == key.kid);
                    if let Some((first, _)) = double {
                        problems.push(KeyProblem { key: number, what: KeyFlaw::DuplicateKid(*first) });
                    }
                    keys.push((number, key));
                }
                Ok(Err(why)) => unused.push(UnusedKey { key: number, why }),
                Err(what) => problems.push(KeyProblem { key: number, what }),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        if keys.is_empty() {
            return Err(whole(KeyFlaw::NoneUsable));
        }
        Ok(Self { keys: keys.into_iter().map(|(_, key)| key).collect(), unused })
    }

    /// How many keys can check a signature; at least one.
    #[expect(clippy::len_without_is_empty, reason = "a set without a usable key is refused")]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// The key of that name.
    #[must_use]
    pub fn get(&self, kid: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.kid.as_deref() == Some(kid))
    }

    /// All of them.
    #[must_use]
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// The keys that are passed over.
    pub fn unused(&self) -> &[UnusedKey] {
        &self.unused
    }

    /// Whether the key by which a token was once found good is still in the set: see [`crate::credentials::token::Token::key_mark`].
    pub fn has(&self, mark: u64) -> bool {
        self.keys.iter().any(|key| key.mark == mark)
    }

    /// Whether some key of the set can check this algorithm.
    pub fn supports(&self, algorithm: Algorithm) -> bool {
        self.keys.iter().any(|key| key.takes(algorithm))
    }

    /// The key with that `kid`; for a token that names none, the only one that takes its algorithm.
    pub(crate) fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<&Key> {
        if kid.is_some() {
            return self.keys.iter().find(|key| key.kid.as_deref() == kid);
        }
        let mut fitting = self.keys.iter().filter(|key| key.takes(algorithm));
        fitting.next().filter(|_| fitting.next().is_none())
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("keys", &self.keys.len()).finish_non_exhaustive()
    }
}

impl From<WrongType> for KeyFlaw {
    fn from(WrongType(name): WrongType) -> Self {
        Self::Member(name)
    }
}

impl Key {
    fn parse(value: &Json) -> Result<Result<Self, Unused>, KeyFlaw> {
        let Json::Object(key) = value else { return Err(KeyFlaw::NotObject) };
        let kind = key.text("kty")?.ok_or(KeyFlaw::Member("kty"))?;
        if key.text("use")?.is_some_and(|purpose| purpose != "sig") {
            return Ok(Err(Unused::Use));
        }
        if let Some(operations) = key.get("key_ops") {
            let Json::List(_) = operations else { return Err(KeyFlaw::Member("key_ops")) };
            if !operations.texts().ok_or(KeyFlaw::Member("key_ops"))?.contains(&"verify") {
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
        let material = match (kind, key.text("crv")?) {
            ("oct", _) => Material::secret(key, only)?,
            ("RSA", _) => Material::rsa(key)?,
            ("EC", Some("P-256")) => Material::point(key, Algorithm::Es256, &ECDSA_P256_SHA256_FIXED, 32)?,
            ("EC", Some("P-384")) => Material::point(key, Algorithm::Es384, &ECDSA_P384_SHA384_FIXED, 48)?,
            ("OKP", Some("Ed25519")) => Material::ed25519(key)?,
            ("EC" | "OKP", None) => return Err(KeyFlaw::Member("crv")),
            _ => return Ok(Err(Unused::Type)),
        };
        let kid = key.text("kid")?.map(Box::from);
        let mark = material.mark();
        let key = Self { kid, identities: Box::default(), material, only, mark };
        if only.is_some_and(|algorithm| !key.takes(algorithm)) {
            return Err(KeyFlaw::AlgorithmMismatch);
        }
        Ok(Ok(key))
    }

    /// Its name; none where it has none.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Whose key it is (the member `identity`); empty where that is not said.
    #[must_use]
    pub fn identities(&self) -> &[Box<str>] {
        &self.identities
    }

    /// Whether its `nbf` and `exp` let it be used at this time, in milliseconds since 1970.
    #[must_use]
    pub fn is_valid_at(&self, unix_millis: i64) -> bool {
        let _ = unix_millis;
        true
    }

    /// Tells the key, whatever it is called.
    #[must_use]
    pub const fn mark(&self) -> u64 {
        self.mark
    }

    /// Whether this key may check that algorithm: by its type, its size and its own `alg`.
    #[must_use]
    pub fn takes(&self, algorithm: Algorithm) -> bool {
        let is_possible = match (&self.material, algorithm.check()) {
            (Material::Secret(secret), Check::Hmac(hmac)) => secret.len() >= hmac.digest_algorithm().output_len,
            (Material::Rsa(_), Check::Rsa(_)) => true,
            (Material::Curve(own, _), Check::Plain(_)) => *own == algorithm,
            (Material::Secret(_) | Material::Rsa(_) | Material::Curve(..), _) => false,
        };
        is_possible && self.only.is_none_or(|only| only == algorithm)
    }

    /// Whether the signature is this key's by that algorithm.
    #[must_use]
    pub fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        if !self.takes(algorithm) {
            return false;
        }
        match (&self.material, algorithm.check()) {
            (Material::Secret(secret), Check::Hmac(hmac)) => {
                hmac::verify(&hmac::Key::new(hmac, secret), message, signature).is_ok()
            }
            (Material::Rsa(key), Check::Rsa(parameters)) => key.verify(parameters, message, signature).is_ok(),
            (Material::Curve(_, point), Check::Plain(check)) => check.verify_sig(point, message, signature).is_ok(),
            (Material::Secret(_) | Material::Rsa(_) | Material::Curve(..), _) => false,
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("kid", &self.kid).finish_non_exhaustive()
    }
}

impl Material {
    fn secret(key: &Object, only: Option<Algorithm>) -> Result<Self, KeyFlaw> {
        let secret = bytes(key, "k", SECRET_BYTES.end() + 1)?;
        if !SECRET_BYTES.contains(&secret.len()) {
            return Err(KeyFlaw::SecretSize);
        }
        if let Some(Check::Hmac(hmac)) = only.map(Algorithm::check)
            && secret.len() < hmac.digest_algorithm().output_len
        {
            return Err(KeyFlaw::SecretShort);
        }
        Ok(Self::Secret(secret))
    }

    fn rsa(key: &Object) -> Result<Self, KeyFlaw> {
        public(key)?;
        let n = without_zeros(&bytes(key, "n", RSA_BITS.end() / 8 + 2)?);
        let e = without_zeros(&bytes(key, "e", MAX_RSA_EXPONENT_BYTES + 1)?);
        let bits = n.first().map_or(0, |first| n.len() * 8 - usize::try_from(first.leading_zeros()).unwrap_or(0));
        if !RSA_BITS.contains(&bits) {
            return Err(KeyFlaw::RsaSize);
        }
        let is_odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
        let is_one = *e == [1];
        let components = RsaPublicKeyComponents { n, e };
        if !is_odd(&components.n) || !is_odd(&components.e) || is_one || components.as_der().is_err() {
            return Err(KeyFlaw::Invalid);
        }
        Ok(Self::Rsa(components))
    }

    fn point(
        key: &Object,
        algorithm: Algorithm,
        check: &'static dyn VerificationAlgorithm,
        coordinate_bytes: usize,
    ) -> Result<Self, KeyFlaw> {
        public(key)?;
        let mut point = vec![4];
        for name in ["x", "y"] {
            let coordinate = bytes(key, name, coordinate_bytes)?;
            if coordinate.len() != coordinate_bytes {
                return Err(KeyFlaw::Member(name));
            }
            point.extend_from_slice(&coordinate);
        }
        ParsedPublicKey::new(check, &point).map_err(|_| KeyFlaw::Invalid)?;
        Ok(Self::Curve(algorithm, point.into()))
    }

    fn ed25519(key: &Object) -> Result<Self, KeyFlaw> {
        public(key)?;
        let point = bytes(key, "x", 32)?;
        if point.len() != 32 {
            return Err(KeyFlaw::Member("x"));
        }
        ParsedPublicKey::new(&ED25519, &**point).map_err(|_| KeyFlaw::Invalid)?;
        Ok(Self::Curve(Algorithm::EdDsa, (*point).clone()))
    }

    fn mark(&self) -> u64 {
        match self {
            Self::Secret(secret) => mark(&[b"oct", secret]),
            Self::Rsa(key) => mark(&[b"RSA", &key.n, &key.e]),
            Self::Curve(algorithm, point) => mark(&[algorithm.name().as_bytes(), point]),
        }
    }
}

/// Refuses the private half of a key.
fn public(key: &Object) -> Result<(), KeyFlaw> {
    if key.get("d").is_some() { Err(KeyFlaw::Private) } else { Ok(()) }
}

/// A member in base64url, of at most so many bytes.
fn bytes(key: &Object, name: &'static str, max: usize) -> Result<Zeroizing<Box<[u8]>>, KeyFlaw> {
    let text = key.text(name)?.ok_or(KeyFlaw::Member(name))?;
    let decoded = BASE64URL_NOPAD.decode(text.as_bytes()).map(|bytes| Zeroizing::new(bytes.into_boxed_slice()));
    decoded.ok().filter(|bytes| bytes.len() <= max).ok_or(KeyFlaw::Member(name))
}

fn without_zeros(number: &[u8]) -> Box<[u8]> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default().into()
}
