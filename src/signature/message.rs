//! What is signed, and what a signature says.

use std::borrow::Cow;
use std::fmt;

use super::{MAX_NONCE_BYTES, MIN_NONCE_BYTES};

/// What is covered: the Topic Name and the payload.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    /// The Topic Name, with any Topic Alias resolved.
    pub topic: &'a str,
    /// The payload, as published.
    pub payload: &'a [u8],
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message").field("topic", &self.topic).finish_non_exhaustive()
    }
}

/// A number that is made use of once: of [`MIN_NONCE_BYTES`] to [`MAX_NONCE_BYTES`] bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Nonce {
    bytes: [u8; MAX_NONCE_BYTES],
    length: u8,
}

impl Nonce {
    /// None where it is too short or too long.
    #[must_use]
    pub fn new(nonce: &[u8]) -> Option<Self> {
        if nonce.len() < MIN_NONCE_BYTES {
            return None;
        }
        let mut bytes = [0; MAX_NONCE_BYTES];
        bytes.get_mut(..nonce.len())?.copy_from_slice(nonce);
        Some(Self { bytes, length: u8::try_from(nonce.len()).ok()? })
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Nonce({})", data_encoding::HEXLOWER.encode(self.as_bytes()))
    }
}

/// What makes a message one that can't be played again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Once {
    /// Any number that the key has not signed with before.
    Nonce(Nonce),
    /// A number above all that the key has signed with before.
    Counter(u64),
}

/// A message whose signature holds. That it is not played again is for the caller to judge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified<'k> {
    /// The id of the key.
    pub kid: &'k str,
    /// Whose key it is; empty where the key set does not say.
    pub identities: &'k [Box<str>],
    /// When it was signed, in milliseconds since 1970; none where the device has no clock.
    pub signed_at_millis: Option<i64>,
    /// The nonce or the counter.
    pub once: Once,
    /// SHA-256 of all that the signature covers: topic, payload, key id, time, nonce or counter.
    pub digest: [u8; 32],
}

/// A message without its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plain<'s, 'a> {
    /// The payload as the sender meant it; borrowed where it stands in the message in one piece.
    pub payload: Cow<'a, [u8]>,
    /// The User Properties to take away, all of each name.
    pub drop_properties: Vec<&'s str>,
}

/// What signing makes of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The payload to send; none where it stays as it is.
    pub payload: Option<Vec<u8>>,
    /// User Properties to add.
    pub add_properties: Vec<(String, String)>,
}
