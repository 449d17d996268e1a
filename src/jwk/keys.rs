//! Keys that check signatures.

use std::collections::HashMap;
use std::fmt;

use super::json::{Json, Object};
use super::material::{Material, Prepared};
use super::record::{Purpose, Record, list};
use super::{Algorithm, KeyFlaw, KeyProblem, Unused, UnusedKey};

/// The keys of a JWK set that can check a signature.
///
/// Secrets are wiped when dropped; `Debug` shows the count alone.
#[derive(Clone)]
pub struct Keys {
    keys: Vec<Key>,
    /// Where in `keys` each name is.
    names: HashMap<Box<str>, usize>,
    unused: Vec<UnusedKey>,
}

/// A key that checks signatures. `Debug` shows its name alone.
#[derive(Clone)]
pub struct Key {
    record: Record,
    prepared: Vec<(Algorithm, Prepared)>,
    mark: u64,
}

impl Keys {
    /// Reads a JWK set.
    ///
    /// RSA of 2048 to 8192 bits, EC on P-256 and P-384, Ed25519, and shared secrets of at least 32 bytes are taken.
    /// `use`, `key_ops` and `alg` are heeded: a key that is meant for something else, or of a type that is not known
    /// here, is passed over ([`Keys::unused`]), as RFC 7517 asks. A weak, private or malformed key refuses the set.
    /// Members of our own: `nbf` and `exp`, seconds since 1970 between which the key may be used; `identity`, a text
    /// or a list of them: whose key it is.
    ///
    /// # Errors
    /// Every problem of the set.
    pub fn parse(json: &[u8]) -> Result<Self, Vec<KeyProblem>> {
        let (keys, unused) = collect(json, Key::parse, Key::kid)?;
        if keys.is_empty() {
            return Err(vec![KeyProblem { key: 0, what: KeyFlaw::NoneUsable }]);
        }
        Ok(Self::of(keys, unused))
    }

    pub(super) fn of(keys: Vec<Key>, unused: Vec<UnusedKey>) -> Self {
        let names = keys.iter().enumerate().filter_map(|(at, key)| Some((key.kid()?.into(), at))).collect();
        Self { keys, names, unused }
    }

    /// How many keys can check a signature; at least one.
    #[expect(clippy::len_without_is_empty, reason = "a set without a usable key is refused")]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// The key of that name.
    #[must_use]
    pub fn get(&self, kid: &str) -> Option<&Key> {
        self.names.get(kid).and_then(|at| self.keys.get(*at))
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

    /// Whether the key by which something was once found good is still in the set: see [`Key::mark`].
    pub fn has(&self, mark: u64) -> bool {
        self.keys.iter().any(|key| key.mark == mark)
    }

    /// Whether some key of the set can check this algorithm.
    pub fn supports(&self, algorithm: Algorithm) -> bool {
        self.keys.iter().any(|key| key.takes(algorithm))
    }

    /// The key with that `kid`; for a token that names none, the only one that takes its algorithm.
    pub(crate) fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<&Key> {
        if let Some(kid) = kid {
            return self.get(kid);
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

impl Key {
    fn parse(key: &Object) -> Result<Result<Self, Unused>, KeyFlaw> {
        let said = key.text("kty")?;
        if said.is_some_and(|kind| kind != "oct") && key.get("d").is_some() {
            return Err(KeyFlaw::Private);
        }
        Self::read(key, Purpose::Verify)
    }

    /// The public half, or the secret.
    pub(super) fn read(key: &Object, purpose: Purpose) -> Result<Result<Self, Unused>, KeyFlaw> {
        key.text("kty")?.ok_or(KeyFlaw::Member("kty"))?;
        let record = match Record::read(key, purpose)? {
            Ok(record) => record,
            Err(unused) => return Ok(Err(unused)),
        };
        let Some(material) = Material::read(key)? else { return Ok(Err(Unused::Type)) };
        let prepared = material.prepare(record.only)?;
        Ok(Ok(Self { prepared, mark: material.mark(), record }))
    }

    /// Its name; none where it has none.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.record.kid.as_deref()
    }

    /// Whose key it is (the member `identity`); empty where that is not said.
    #[must_use]
    pub fn identities(&self) -> &[Box<str>] {
        &self.record.identities
    }

    /// Whether its `nbf` and `exp` let it be used at this time, in milliseconds since 1970.
    #[must_use]
    pub fn is_valid_at(&self, unix_millis: i64) -> bool {
        self.record.is_valid_at(unix_millis)
    }

    /// From when to when it may be used, in seconds since 1970; none where there is no such bound.
    #[must_use]
    pub fn validity(&self) -> (Option<i64>, Option<i64>) {
        let valid = &self.record.valid;
        (Some(valid.start).filter(|start| *start != i64::MIN), Some(valid.end).filter(|end| *end != i64::MAX))
    }

    /// Tells the key, whatever it is called.
    #[must_use]
    pub const fn mark(&self) -> u64 {
        self.mark
    }

    /// The algorithms that this key may check: by its type, its size and its own `alg`.
    pub fn algorithms(&self) -> impl Iterator<Item = Algorithm> {
        self.prepared.iter().map(|(algorithm, _)| *algorithm)
    }

    /// Whether this key may check that algorithm.
    #[must_use]
    pub fn takes(&self, algorithm: Algorithm) -> bool {
        self.algorithms().any(|own| own == algorithm)
    }

    /// Whether the signature is this key's by that algorithm.
    #[must_use]
    pub fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        self.prepared(algorithm).is_some_and(|check| check.verifies(message, signature))
    }

    pub(super) fn prepared(&self, algorithm: Algorithm) -> Option<&Prepared> {
        self.prepared.iter().find(|(own, _)| *own == algorithm).map(|(_, check)| check)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("kid", &self.kid()).finish_non_exhaustive()
    }
}

/// The keys of a set, each read by the same function, no two of one name; and those that are passed over.
pub(super) fn collect<K>(
    json: &[u8],
    read: impl Fn(&Object) -> Result<Result<K, Unused>, KeyFlaw>,
    kid: impl Fn(&K) -> Option<&str>,
) -> Result<(Vec<K>, Vec<UnusedKey>), Vec<KeyProblem>> {
    let list = list(json).map_err(|problem| vec![problem])?;
    let mut keys: Vec<(usize, K)> = Vec::new();
    let (mut unused, mut problems) = (Vec::new(), Vec::new());
    for (number, value) in (1..).zip(&list) {
        let key = if let Json::Object(key) = value { read(key) } else { Err(KeyFlaw::NotObject) };
        match key {
            Ok(Ok(key)) => {
                let double = keys.iter().find(|(_, known)| kid(&key).is_some() && kid(known) == kid(&key));
                if let Some((first, _)) = double {
                    problems.push(KeyProblem { key: number, what: KeyFlaw::DuplicateKid(*first) });
                }
                keys.push((number, key));
            }
            Ok(Err(why)) => unused.push(UnusedKey { key: number, why }),
            Err(what) => problems.push(KeyProblem { key: number, what }),
        }
    }
    if problems.is_empty() { Ok((keys.into_iter().map(|(_, key)| key).collect(), unused)) } else { Err(problems) }
}
