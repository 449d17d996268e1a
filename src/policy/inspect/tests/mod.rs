//! Tests of rules about messages.
