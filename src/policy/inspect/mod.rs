//! Rules about what messages say: payloads and signatures.
//!
//! What speaks of a topic is found as grants are, and remembered with them. Judging and remembering are two steps: a
//! message that one rule permits may be refused by another. Read [`PayloadRule`] and [`SignatureRule`] first.

mod rewrite;
mod rule;

pub use rewrite::{Rewrite, Rewritten};
pub use rule::{
    Act, Bound, Change, Check, CheckedField, First, Interlock, MessageRule, Metrics, PayloadFormat, PayloadRule,
    Required, Scalar, SignatureRule, Sparkplug, ValueKind,
};
