//! What one connection remembers of the rules about messages, and of the message that was decided upon last.

use super::case::Pending;
use super::rewrite::Rewrite;
use crate::payload::sparkplug::Nodes;

/// Sets of rules, and what is to become of a message.
#[derive(Debug, Default)]
pub(in crate::policy) struct Inspector {
    /// Rules that speak of the same topics, ascending; each set once.
    pub(super) kept: Vec<Box<[u32]>>,
    /// The set that was found last.
    pub(super) found: Vec<u32>,
    pub(in crate::policy) pending: Pending,
    /// What of the message goes on otherwise than it came.
    pub(in crate::policy) rewrite: Option<Box<Rewrite>>,
    /// Rules about signatures that have told of this client that it does not sign.
    pub(super) noted: Vec<u32>,
    /// What is known of edge nodes of Sparkplug; taken up when it is first used.
    pub(in crate::policy) nodes: Option<Box<Nodes>>,
}

impl Inspector {
    /// Sets that are kept for a connection.
    pub(super) const MAX_KEPT: usize = 32;
    /// Where a set was not kept: it is looked for each time.
    pub(super) const NOT_KEPT: u16 = u16::MAX - 1;
    /// The set of no rules.
    pub(in crate::policy) const NONE: u16 = u16::MAX;

    /// The number of the set that was found last.
    pub(super) fn intern(&mut self) -> u16 {
        if self.found.is_empty() {
            return Self::NONE;
        }
        let known = self.kept.iter().position(|known| **known == *self.found);
        if known.is_none() && self.kept.len() >= Self::MAX_KEPT {
            return Self::NOT_KEPT;
        }
        let place = known.unwrap_or_else(|| {
            self.kept.push(self.found.as_slice().into());
            self.kept.len() - 1
        });
        u16::try_from(place).unwrap_or(Self::NOT_KEPT)
    }

    /// Says whether the message that was decided upon last goes on.
    pub(in crate::policy) fn settle(&mut self, goes_on: bool) {
        if let Some(step) = self.pending.step.take() {
            self.nodes.get_or_insert_default().settle(step, goes_on);
        }
    }

    /// Lets go of all sets, once no stance names one any more.
    pub(in crate::policy) fn forget(&mut self) {
        (self.kept, self.found) = (Vec::new(), Vec::new());
    }
}
