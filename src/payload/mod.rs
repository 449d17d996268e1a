//! Application payloads: bytes to named values, without building a document.
//!
//! Strict: what has two readings has none. Not here: what a value must be (`policy`). Read [`Reader`] first.

pub mod binary;
mod bytes;
pub mod canonical;
mod cbor;
mod document;
mod field;
mod flaw;
mod json;
mod messagepack;
mod names;
mod number;
pub mod protobuf;
mod reader;
pub mod schema;
pub mod sparkplug;
#[cfg(test)]
mod tests;
mod text;
mod tree;
mod value;
mod walk;
mod wire;

use std::sync::Arc;

pub use field::Field;
pub use flaw::{Flaw, FlawKind};
pub use number::MAX_NUMBER_BYTES;
pub use reader::{Found, MAX_FIELDS, Reader, ReaderError};
pub use value::Value;

/// How a payload is written.
#[derive(Clone, Debug)]
pub enum Format {
    /// JSON (RFC 8259), strictly.
    Json,
    /// CBOR (RFC 8949).
    Cbor,
    /// MessagePack.
    MessagePack,
    /// UTF-8 text: one value, the whole.
    Text,
    /// A number, written out: one value, the whole.
    Number,
    /// Fields at fixed places.
    Binary(Arc<binary::Layout>),
    /// A Protobuf message.
    Protobuf(Arc<protobuf::Descriptor>),
}

/// Bounds on what is read of one payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Lists and objects one in another; at most [`Limits::MAX_DEPTH`] counts.
    pub max_depth: usize,
    /// Values of all kinds together, names of members not counted.
    pub max_values: usize,
    /// Whether a name may stand twice in one object; the last counts.
    pub allow_duplicates: bool,
}

impl Limits {
    /// The largest `max_depth`: what is read takes stack.
    pub const MAX_DEPTH: usize = 128;
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_depth: 32, max_values: 10_000, allow_duplicates: false }
    }
}
