//! A message that goes on changed.

/// What of a message goes on otherwise than it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewrite {
    /// Why.
    pub what: Rewritten,
    /// The payload, where it is another.
    pub payload: Option<Vec<u8>>,
    /// Names of User Properties that do not go on (5.0).
    pub drop_properties: Vec<Box<str>>,
    /// User Properties that go on beside the others (5.0).
    pub add_properties: Vec<(Box<str>, Box<str>)>,
}

/// Why a message goes on changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rewritten {
    /// Its signature was verified, and taken off.
    Stripped,
    /// It was signed.
    Signed,
}
