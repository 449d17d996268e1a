//! JWK sets (RFC 7517): keys, what they check and what they sign.
//!
//! Not here: who may use a key for what, which is for whoever holds the set. What a message or a token claims chooses
//! nothing: the record of the key says which algorithms it is for. Read [`Keys`] first; [`SigningKeys`] sign.

mod algorithm;
mod flaw;
pub(crate) mod json;
mod keys;
mod material;
mod new;
mod record;
mod signing;
#[cfg(test)]
mod tests;

use aws_lc_rs::digest;

pub use algorithm::Algorithm;
pub use flaw::{KeyFlaw, KeyProblem, Unused, UnusedKey};
pub use keys::{Key, Keys};
pub use new::{About, NewKey};
pub use signing::{SigningKey, SigningKeys};

/// The largest text of a key set.
pub const MAX_KEYS_BYTES: usize = 1 << 20;
/// The most keys of one set.
pub const MAX_KEYS: usize = 256;
/// The most identities of one key.
pub const MAX_IDENTITIES: usize = 64;
/// The longest identity of a key, in bytes.
pub const MAX_IDENTITY_BYTES: usize = 1024;

/// What tells two secrets apart without showing them: the first eight bytes of a SHA-256.
pub(crate) fn mark(parts: &[&[u8]]) -> u64 {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        // The length keeps `ab`, `c` apart from `a`, `bc`.
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let digest = context.finish();
    digest.as_ref().first_chunk().copied().map_or(0, u64::from_be_bytes)
}
