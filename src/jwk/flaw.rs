//! What can be wrong with a key set.

use std::fmt;

use super::{MAX_KEYS, MAX_KEYS_BYTES, json::WrongType};

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
    /// No key of the set can sign.
    #[error("no key in it can sign")]
    NoneSigns,
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
    #[error("it holds a private key; who checks signatures must not be able to make them")]
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
    /// Not a key at all: a point off the curve, an even exponent, halves of two keys.
    #[error("not a valid key of its type")]
    Invalid,
    /// `alg` is of another type of key.
    #[error("its `alg` is not for this type of key")]
    AlgorithmMismatch,
    /// It can never be used.
    #[error("its `exp` is not after its `nbf`")]
    NeverValid,
}

impl fmt::Display for KeyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key == 0 { write!(f, "{}", self.what) } else { write!(f, "key {}: {}", self.key, self.what) }
    }
}

impl From<WrongType> for KeyFlaw {
    fn from(WrongType(name): WrongType) -> Self {
        Self::Member(name)
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
    /// `key_ops` has no `verify`; of a set to sign with: no `sign`.
    #[error("its `key_ops` has not what the set is for")]
    Operations,
    /// `alg` is none that is known here.
    #[error("its `alg` is not supported")]
    Algorithm,
    /// A public key in a set to sign with.
    #[error("it has no private half")]
    Public,
}
