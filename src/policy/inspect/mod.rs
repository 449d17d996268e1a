//! Rules about what messages say: payloads and signatures.
//!
//! What speaks of a topic is found as grants are, and remembered with them. Judging and remembering are two steps: a
//! message that one rule permits may be refused by another. Not here: how payloads are read (`payload`), how signatures
//! are verified (`signature`), where things are remembered (`store`). Read [`PayloadRule`] and [`SignatureRule`] first,
//! then `judge`.

mod case;
mod fault;
mod history;
mod inspector;
mod interlock;
mod judge;
mod payload;
mod plan;
mod rewrite;
mod rule;
mod signature;
mod sparkplug;
mod value;
mod weigh;

#[cfg(test)]
pub(super) mod tests;

pub use rewrite::{Rewrite, Rewritten};
pub use rule::{
    Act, Bound, Change, Check, CheckedField, First, Interlock, MessageRule, Metrics, PayloadFormat, PayloadRule,
    Required, Scalar, SignatureRule, Sparkplug, ValueKind,
};

pub(super) use case::{Run, Way};
pub(super) use inspector::Inspector;
pub(super) use plan::Plan;
