//! What a client shows to prove who it is, and what Tidegate shows to a broker: password entries, tokens, SAS tokens.
//!
//! Pure given the time: reads no file and no clock, keeps no state, waits for nothing. It says whether what was shown
//! holds; which source a listener asks, and what follows from the answer, is decided above.
//!
//! Read [`password::Passwords`] first, then [`token::Verifier`].

pub mod admission;
pub mod answer;
pub mod password;
pub mod sas;
pub mod token;

use crate::jwk::mark;

/// The longest name that a token or an answer may give, in bytes.
pub const MAX_NAME_BYTES: usize = 1024;

/// What can stand for an identity.
#[must_use]
pub fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= MAX_NAME_BYTES && !name.chars().any(char::is_control)
}
