//! Sparkplug B: what topics and payloads say, and what one connection knows of edge nodes.
//!
//! Not here: which values a metric may have, and who may send commands (`policy`). Read [`Nodes`] first.
//!
//! Clauses in brackets are those of the Sparkplug Specification 3.0 (`tck-id-…`); what 2.2 says otherwise is taken too.

mod datatype;
mod fault;
mod metric;
mod nodes;
mod payload;
mod shape;
#[cfg(test)]
pub(crate) mod tests;
mod topic;

pub use datatype::Datatype;
pub use fault::{Fault, FaultKind};
pub use metric::{Metric, Metrics};
pub use nodes::{Asked, Bounds, Named, Nodes, Step, Way};
pub use payload::Payload;
pub use topic::{MessageType, Topic};
