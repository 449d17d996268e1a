//! Signed messages: where the signature is carried, what it covers, whether it holds.
//!
//! Pure given the time. Not here: whether a message was seen before, and whether its key is the sender's; what is needed
//! to judge that is in [`Verified`]. `docs/signatures.md` gives each carrier byte for byte. Read [`Scheme`] first.

mod carrier;
mod claim;
mod flaw;
mod message;
mod scheme;
#[cfg(test)]
mod tests;

pub use carrier::{Carrier, Names};
pub use flaw::{SignError, SignatureFlaw};
pub use message::{Message, Nonce, Once, Plain, Sealed, Verified};
pub use scheme::{Freshness, Scheme, SchemeProblem};

/// The longest key id, in bytes.
pub const MAX_KID_BYTES: usize = 128;
/// The shortest nonce, in bytes.
pub const MIN_NONCE_BYTES: usize = 8;
/// The longest nonce, in bytes.
pub const MAX_NONCE_BYTES: usize = 64;
/// The longest signature, in bytes: one by RSA of 8192 bits.
pub const MAX_SIGNATURE_BYTES: usize = 1024;
