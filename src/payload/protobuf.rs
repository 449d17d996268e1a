//! Protobuf messages, by a descriptor.

/// One type of message, and all that it uses.
#[derive(Clone, Debug, Default)]
pub struct Descriptor {}
