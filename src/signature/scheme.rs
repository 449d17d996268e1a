//! How messages are signed, verified and made plain.

use std::borrow::Cow;
use std::time::Duration;

use aws_lc_rs::digest;

use super::carrier::{cose, json_field, jws, property, trailer};
use super::claim::{self, Claimed, Terms};
use super::{Carrier, Message, Once, Plain, Sealed, SignError, SignatureFlaw, Verified};
use crate::jwk::{Algorithm, Key, Keys, SigningKey};

/// How messages are signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scheme {
    /// Where the signature is.
    pub carrier: Carrier,
    /// The algorithms that are taken, of [`Scheme::ALGORITHMS`]; a key's own bounds come on top. Empty takes none.
    pub algorithms: Vec<Algorithm>,
    /// How old a signature may be. None asks for no time at all, and takes [`Freshness::Counter`] alone.
    pub max_age: Option<Duration>,
    /// By how much the clocks of signer and gateway may differ.
    pub clock_skew: Duration,
    /// What must be there against replay.
    pub freshness: Freshness,
}

/// What must be in a signature so that it can't be played again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Freshness {
    /// A nonce.
    Nonce,
    /// A counter.
    Counter,
    /// One of the two.
    Either,
}

/// Why a [`Scheme`] is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemeProblem {
    /// No algorithm at all.
    #[error("no algorithm is taken")]
    NoAlgorithm,
    /// One that does not sign messages.
    #[error("`{}` does not sign messages", .0.name())]
    Algorithm(Algorithm),
    /// Nonces can't be remembered for ever.
    #[error("without a greatest age only counters are taken, as nonces can't be remembered for ever")]
    Ageless,
    /// A User Property without a name, or two of one name.
    #[error("the names of the User Properties are empty or the same")]
    Names,
    /// The signature can't be the whole document.
    #[error("the field of the signature must be a member of the document")]
    Field,
}

impl Scheme {
    /// The algorithms that sign messages.
    pub const ALGORITHMS: &[Algorithm] = &[
        Algorithm::Hs256,
        Algorithm::EdDsa,
        Algorithm::Es256,
        Algorithm::Es384,
        Algorithm::Ps256,
        Algorithm::Ps384,
        Algorithm::Ps512,
    ];

    /// What is wrong with the scheme as a whole.
    ///
    /// # Errors
    /// The first problem.
    pub fn check(&self) -> Result<(), SchemeProblem> {
        let properties = self.carrier.properties();
        let is_double = |(at, name): (usize, &&str)| properties.iter().skip(at + 1).any(|other| other == name);
        if self.algorithms.is_empty() {
            return Err(SchemeProblem::NoAlgorithm);
        }
        if let Some(other) = self.algorithms.iter().find(|algorithm| !Self::ALGORITHMS.contains(algorithm)) {
            return Err(SchemeProblem::Algorithm(*other));
        }
        if self.max_age.is_none() && self.freshness != Freshness::Counter {
            return Err(SchemeProblem::Ageless);
        }
        if properties.iter().any(|name| name.is_empty()) || properties.iter().enumerate().any(is_double) {
            return Err(SchemeProblem::Names);
        }
        if matches!(&self.carrier, Carrier::JsonField(field) if field.steps().is_empty()) {
            return Err(SchemeProblem::Field);
        }
        Ok(())
    }

    /// Whether a message is signed by one of the keys, now, for this topic.
    ///
    /// `properties` are its User Properties in their order; none before MQTT 5.0. The time is in milliseconds since 1970.
    /// In this order: form, key, its validity, algorithm, time, and only then the signature.
    ///
    /// # Errors
    /// The first reason against it; [`SignatureFlaw::Missing`] only where nothing of a signature is there.
    pub fn verify<'k, 'a>(
        &self,
        keys: &'k Keys,
        message: Message<'a>,
        properties: impl IntoIterator<Item = (&'a str, &'a str)>,
        unix_millis: i64,
    ) -> Result<Verified<'k>, SignatureFlaw> {
        let claim = match &self.carrier {
            Carrier::UserProperty(names) => property::read(names, message, properties),
            Carrier::Jws => jws::read(message),
            Carrier::JwsDetached(name) => jws::read_detached(name, message, properties),
            Carrier::Cose => cose::read(message),
            Carrier::JsonField(field) => json_field::read(field, message),
            Carrier::Trailer => trailer::read(message),
        }?;
        if !self.freshness.takes(&claim.once) {
            return Err(SignatureFlaw::Malformed);
        }
        let key = keys.get(&claim.kid).ok_or(SignatureFlaw::UnknownKey)?;
        if !key.is_valid_at(unix_millis) {
            return Err(SignatureFlaw::KeyNotValid);
        }
        let algorithm = self.algorithm(key, claim.algorithm).ok_or(SignatureFlaw::Algorithm)?;
        self.check_time(claim.signed_at_millis, unix_millis)?;
        let covered = claim.covered(message).ok_or(SignatureFlaw::Malformed)?;
        if !key.verifies(algorithm, &covered, &claim.signature) {
            return Err(SignatureFlaw::Signature);
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(digest::digest(&digest::SHA256, &covered).as_ref());
        Ok(Verified {
            kid: key.kid().unwrap_or_default(),
            identities: key.identities(),
            signed_at_millis: claim.signed_at_millis,
            once: claim.once,
            digest,
        })
    }

    /// By what a key is asked: what the message names, if scheme and key take it; where it names nothing, the first of
    /// the scheme that the key takes.
    fn algorithm(&self, key: &Key, claimed: Claimed) -> Option<Algorithm> {
        let mut taken = self.algorithms.iter().copied().filter(|own| Self::ALGORITHMS.contains(own) && key.takes(*own));
        match claimed {
            Claimed::Nothing => taken.next(),
            Claimed::Named(named) => taken.find(|own| *own == named),
            Claimed::Unknown => None,
        }
    }

    fn check_time(&self, signed_at_millis: Option<i64>, unix_millis: i64) -> Result<(), SignatureFlaw> {
        let Some(signed_at) = signed_at_millis else {
            return if self.max_age.is_some() { Err(SignatureFlaw::Stale) } else { Ok(()) };
        };
        let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        let skew = millis(self.clock_skew);
        if signed_at.saturating_sub(unix_millis) > skew {
            return Err(SignatureFlaw::Early);
        }
        let age = unix_millis.saturating_sub(signed_at);
        let is_stale = self.max_age.is_some_and(|max| age > millis(max).saturating_add(skew));
        if is_stale { Err(SignatureFlaw::Stale) } else { Ok(()) }
    }

    /// Takes the signature off a message that [`Scheme::verify`] found good; what is left is also what payload rules
    /// are to judge, stripped or not.
    ///
    /// # Errors
    /// Where the payload is not of the carrier's form.
    pub fn strip<'a>(&self, payload: &'a [u8]) -> Result<Plain<'_, 'a>, SignatureFlaw> {
        let payload = match &self.carrier {
            Carrier::UserProperty(_) | Carrier::JwsDetached(_) => Cow::Borrowed(payload),
            Carrier::Jws => Cow::Owned(jws::strip(payload)?),
            Carrier::Cose => Cow::Borrowed(cose::strip(payload)?),
            Carrier::JsonField(field) => Cow::Owned(json_field::strip(field, payload)?),
            Carrier::Trailer => Cow::Borrowed(trailer::strip(payload)?),
        };
        Ok(Plain { payload, drop_properties: self.carrier.properties() })
    }

    /// Signs a message, at this time in milliseconds since 1970; none where there is no clock.
    ///
    /// # Errors
    /// Why it can't be signed so.
    pub fn sign(
        &self,
        key: &SigningKey,
        message: Message<'_>,
        once: &Once,
        unix_millis: Option<i64>,
    ) -> Result<Sealed, SignError> {
        if !self.algorithms.contains(&key.algorithm()) || !Self::ALGORITHMS.contains(&key.algorithm()) {
            return Err(SignError::Algorithm);
        }
        if unix_millis.is_some_and(|now| !key.is_valid_at(now)) {
            return Err(SignError::KeyNotValid);
        }
        if !self.freshness.takes(once) {
            return Err(SignError::Freshness);
        }
        let needs_time = self.max_age.is_some() || matches!(once, Once::Nonce(_));
        if needs_time && unix_millis.is_none() || unix_millis.is_some_and(|now| claim::millis(now).is_err()) {
            return Err(SignError::NoTime);
        }
        claim::kid(key.kid()).map_err(|_| SignError::TooLong)?;
        let terms = Terms { kid: key.kid(), signed_at_millis: unix_millis, once };
        match &self.carrier {
            Carrier::UserProperty(names) => property::sign(names, key, message, &terms),
            Carrier::Jws => jws::sign(key, message, &terms),
            Carrier::JwsDetached(name) => jws::sign_detached(name, key, message, &terms),
            Carrier::Cose => cose::sign(key, message, &terms),
            Carrier::JsonField(field) => json_field::sign(field, key, message, &terms),
            Carrier::Trailer => trailer::sign(key, message, &terms),
        }
    }
}

impl Freshness {
    fn takes(self, once: &Once) -> bool {
        match self {
            Self::Nonce => matches!(once, Once::Nonce(_)),
            Self::Counter => matches!(once, Once::Counter(_)),
            Self::Either => true,
        }
    }
}
