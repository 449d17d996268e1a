//! Tokens: signed JWTs (RFC 7519) in the compact form, and whether one proves who shows it.
//!
//! Not encrypted tokens (JWE), no key taken from a token or from where it points. What a token says of itself chooses
//! nothing: the key says which algorithms it may check, and the operator lists those that are taken at all.
//!
//! Read [`Verifier::verify`] first; [`Keys`] is what it is given.

pub(super) mod claims;
#[cfg(test)]
mod tests;

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use zeroize::Zeroizing;

pub use crate::jwk::{Algorithm, KeyFlaw, KeyProblem, Keys, MAX_KEYS, MAX_KEYS_BYTES, Unused, UnusedKey};

use super::is_name;
use crate::jwk::{Key, json::Object};
use claims::Claims;

/// The longest token.
pub const MAX_TOKEN_BYTES: usize = 16 << 10;
/// The most values of claims in one token.
pub const MAX_CLAIMS: usize = 512;
/// All names and values of the claims together, in bytes.
pub const MAX_CLAIM_BYTES: usize = 64 << 10;

/// What a token must be to be taken.
#[derive(Clone, Debug)]
pub struct Verifier {
    /// The algorithms that are taken; a key's own bounds come on top. Empty takes none.
    pub algorithms: Vec<Algorithm>,
    /// What `iss` must be, byte for byte; none asks for nothing.
    pub issuer: Option<Box<str>>,
    /// One of these must be in `aud`. Where there are none, a token must have no `aud`, as it is then meant for another
    /// (RFC 7519 section 4.1.3).
    pub audiences: Vec<Box<str>>,
    /// By how many seconds the clocks of issuer and gateway may differ.
    pub leeway_seconds: u32,
    /// The claim that names the identity, dotted where it is inside another; it must be one text.
    pub name_claim: Box<str>,
    /// Whether `exp` must be there.
    pub require_expiry: bool,
    /// The longest time from `iat` (where it is missing: from now) to `exp`, in seconds.
    pub max_lifetime_seconds: Option<u32>,
}

impl Default for Verifier {
    fn default() -> Self {
        Self {
            algorithms: Vec::new(),
            issuer: None,
            audiences: Vec::new(),
            leeway_seconds: 30,
            name_claim: "sub".into(),
            require_expiry: true,
            max_lifetime_seconds: None,
        }
    }
}

/// What a good token says. `Debug` shows no claim.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// Whom it names.
    pub name: Box<str>,
    /// Until when it holds, in seconds since 1970, the leeway included; none where it has no `exp`.
    pub expires: Option<i64>,
    /// Its claims as names and values, in the order of the token; a name repeats for each value of a list.
    pub claims: Vec<(Box<str>, Box<str>)>,
    /// Tells the key that signed it: see [`Keys::has`].
    pub key_mark: u64,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("name", &self.name).field("expires", &self.expires).finish_non_exhaustive()
    }
}

macro_rules! errors {
    ($($(#[$doc:meta])* $variant:ident = $label:literal, $text:literal;)+) => {
        /// Why a token is refused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
        pub enum TokenError { $($(#[$doc])* #[error($text)] $variant,)+ }

        impl TokenError {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// A stable word for records.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }
        }
    };
}

errors! {
    /// Longer than [`MAX_TOKEN_BYTES`].
    TooLarge = "too_large", "the token is too large";
    /// Not a signed JWT: form, base64url, JSON, a name twice, a claim of the wrong type.
    Malformed = "malformed", "the token is malformed";
    /// It has `crit`: something must be understood that is not.
    Critical = "critical", "the token demands an extension that is not supported";
    /// Not an algorithm that is taken, or not one of the key.
    Algorithm = "algorithm", "the algorithm of the token is not permitted";
    /// No key with its `kid`, or not between its `nbf` and `exp`; or it names none, and not exactly one key comes into question.
    UnknownKey = "unknown_key", "the key of the token is not known";
    /// Not signed by the key.
    Signature = "signature", "the signature of the token is wrong";
    /// `exp` has passed.
    Expired = "expired", "the token has expired";
    /// `nbf` or `iat` is to come.
    NotYetValid = "not_yet_valid", "the token is not valid yet";
    /// No `exp` where one is required.
    NoExpiry = "no_expiry", "the token does not expire";
    /// Valid for longer than permitted.
    Lifetime = "lifetime", "the token is valid for longer than permitted";
    /// Of another issuer.
    Issuer = "issuer", "the token is of another issuer";
    /// For another audience.
    Audience = "audience", "the token is for another audience";
    /// Above [`MAX_CLAIMS`] or [`MAX_CLAIM_BYTES`].
    TooManyClaims = "too_many_claims", "the token has too many claims";
    /// The claim that names is missing, empty, too long, no single text, or has a control character.
    NoName = "no_name", "the token does not name exactly one identity";
}

impl Verifier {
    /// Whether a token is good at this time, in seconds since 1970, and what it says.
    ///
    /// Takes some 10 to 50 µs for an asymmetric signature. The order: form, header, key, signature; only then its
    /// claims are read.
    ///
    /// # Errors
    /// The first reason against it.
    pub fn verify(&self, keys: &Keys, token: &str, unix: i64) -> Result<Token, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLarge);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, payload) = message.split_once('.').ok_or(TokenError::Malformed)?;
        let header = Object::parse(&decode(header)?).ok_or(TokenError::Malformed)?;
        let signature = decode(signature)?;
        let (key, algorithm) = self.find_key(keys, &header, unix)?;
        if !key.verifies(algorithm, message.as_bytes(), &signature) {
            return Err(TokenError::Signature);
        }
        let payload = Object::parse(&decode(payload)?).ok_or(TokenError::Malformed)?;
        let claims = Claims::read(&payload)?;
        let expires = self.check_time(&payload, unix)?;
        self.check_parties(&payload)?;
        let name = claims.text(&self.name_claim).filter(|name| is_name(name)).ok_or(TokenError::NoName)?.into();
        Ok(Token { name, expires, claims: claims.into_pairs(), key_mark: key.mark() })
    }

    /// The key that a token names, and the algorithm that it names, which the key takes.
    fn find_key<'k>(&self, keys: &'k Keys, header: &Object, unix: i64) -> Result<(&'k Key, Algorithm), TokenError> {
        if header.get("crit").is_some() {
            return Err(TokenError::Critical);
        }
        let name = header.text("alg").ok().flatten().ok_or(TokenError::Malformed)?;
        let kid = header.text("kid").map_err(|_| TokenError::Malformed)?;
        let algorithm = Algorithm::parse(name).filter(|algorithm| self.algorithms.contains(algorithm));
        let algorithm = algorithm.ok_or(TokenError::Algorithm)?;
        let key = keys.find(kid, algorithm).filter(|key| key.is_valid_at(unix.saturating_mul(1000)));
        let key = key.ok_or(TokenError::UnknownKey)?;
        if key.takes(algorithm) { Ok((key, algorithm)) } else { Err(TokenError::Algorithm) }
    }

    /// Until when it holds.
    fn check_time(&self, payload: &Object, unix: i64) -> Result<Option<i64>, TokenError> {
        let leeway = i64::from(self.leeway_seconds);
        let issued = claims::seconds(payload, "iat")?;
        for start in [claims::seconds(payload, "nbf")?, issued].into_iter().flatten() {
            if start > unix.saturating_add(leeway) {
                return Err(TokenError::NotYetValid);
            }
        }
        let Some(expires) = claims::seconds(payload, "exp")? else {
            return if self.require_expiry { Err(TokenError::NoExpiry) } else { Ok(None) };
        };
        let ends = expires.saturating_add(leeway);
        if ends <= unix {
            return Err(TokenError::Expired);
        }
        let lifetime = expires.saturating_sub(issued.unwrap_or(unix));
        if self.max_lifetime_seconds.is_some_and(|max| lifetime > i64::from(max)) {
            return Err(TokenError::Lifetime);
        }
        Ok(Some(ends))
    }

    fn check_parties(&self, payload: &Object) -> Result<(), TokenError> {
        let issuer = payload.text("iss").map_err(|_| TokenError::Malformed)?;
        if self.issuer.is_some() && self.issuer.as_deref() != issuer {
            return Err(TokenError::Issuer);
        }
        let audience = match payload.get("aud") {
            None => Vec::new(),
            Some(audience) => audience.texts().ok_or(TokenError::Malformed)?,
        };
        let is_meant = self.audiences.iter().any(|own| audience.contains(&&**own));
        let is_unbound = self.audiences.is_empty() && payload.get("aud").is_none();
        if is_meant || is_unbound { Ok(()) } else { Err(TokenError::Audience) }
    }
}

fn decode(part: &str) -> Result<Zeroizing<Vec<u8>>, TokenError> {
    if part.is_empty() {
        return Err(TokenError::Malformed);
    }
    BASE64URL_NOPAD.decode(part.as_bytes()).map(Zeroizing::new).map_err(|_| TokenError::Malformed)
}
