//! What a client shows to prove who it is, and what Tidegate shows to a broker: password entries, tokens, SAS tokens.
//!
//! Pure given the time: reads no file and no clock, keeps no state, waits for nothing. It says whether what was shown
//! holds; which source a listener asks, and what follows from the answer, is decided above.
//!
//! Read [`password::Passwords`] first, then [`token::Verifier`].

pub mod answer;
pub mod password;
pub mod sas;
pub mod token;

use aws_lc_rs::digest;

/// The longest name that a token or an answer may give, in bytes.
pub const MAX_NAME_BYTES: usize = 1024;

/// What can stand for an identity.
#[must_use]
pub fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= MAX_NAME_BYTES && !name.chars().any(char::is_control)
}

/// What tells two secrets apart without showing them: the first eight bytes of a SHA-256.
fn mark(parts: &[&[u8]]) -> u64 {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        // The length keeps `ab`, `c` apart from `a`, `bc`.
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let digest = context.finish();
    digest.as_ref().first_chunk().copied().map_or(0, u64::from_be_bytes)
}
