//! How messages are signed, verified and made plain.

use std::time::Duration;

use super::{Carrier, Message, Once, Plain, Sealed, SignError, SignatureFlaw, Verified};
use crate::jwk::{Algorithm, Keys, SigningKey};

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

    /// Whether a message is signed by one of the keys, now, for this topic.
    ///
    /// `properties` are its User Properties in their order; none before MQTT 5.0. The time is in milliseconds since 1970.
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
        let (_, _, _, _) = (keys, message, properties.into_iter().count(), unix_millis);
        Err(SignatureFlaw::Missing)
    }

    /// Takes the signature off a message that [`Scheme::verify`] found good; what is left is also what payload rules
    /// are to judge, stripped or not.
    ///
    /// # Errors
    /// Where the payload is not of the carrier's form.
    pub fn strip<'a>(&self, payload: &'a [u8]) -> Result<Plain<'_, 'a>, SignatureFlaw> {
        let _ = payload;
        Err(SignatureFlaw::Missing)
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
        let (_, _, _, _) = (key, message, once, unix_millis);
        Err(SignError::Crypto)
    }
}
