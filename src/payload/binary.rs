//! Payloads whose fields stand at fixed places.

/// Where each field stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layout {}
