//! What an identity may do: [`Request`] in, [`Decision`] out.
//!
//! No rule, no access; one denial beats every permission, so the order of rules never matters. Pure: no IO, no clock, and
//! no error at run time, for a rule that cannot be evaluated denies. Not here: what the peer is told (`enforce`).
//! Read [`Authority::decide`] first: one identity under one policy. [`Draft`] is what a policy says, [`Policy`] what it
//! is compiled to.

mod authority;
mod cache;
mod compile;
mod decision;
mod draft;
mod error;
mod explain;
mod features;
mod filter;
mod inspect;
mod judge;
mod memory;
mod rates;
mod reason;
mod request;
mod roles;
mod stance;
mod subscribe;
mod trie;
mod weigh;
mod window;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

pub use authority::Authority;
pub use decision::{Decision, Denial, Detail, Rule, RuleId, Verdict};
pub use draft::{Broad, Condition, Deny, Draft, Grant, Mode, OnDeny, Priority, Role, Window};
pub use error::DraftError;
pub use explain::{Explanation, Kind, Says, Weighed};
pub use features::{Feature, Features, Persistence, Shield};
pub use inspect::{
    Act, Bound, Change, Check, CheckedField, First, Interlock, MessageRule, Metrics, PayloadFormat, PayloadRule,
    Required, Rewrite, Rewritten, Scalar, SignatureRule, Sparkplug, ValueKind,
};
pub use memory::{Count, Fact, History, Key, Known, Memory, NonceUse, Used};
pub use rates::{Allowance, Excess, Metered, Per, RateRule, Share, Unit};
pub use reason::Reason;
pub use request::{Connect, Message, Request, Subscription};

use compile::Index;

/// A set of rules under one version, shared by the connections that it judges.
pub struct Policy {
    version: Arc<str>,
    index: Index,
    rules: Vec<Box<dyn Rule>>,
    /// The first rule that takes counters.
    counting: Option<Box<str>>,
}

impl fmt::Debug for Policy {
    /// Not its rules: there may be thousands, and each connection has them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy")
            .field("version", &self.version)
            .field("grants", &self.index.grants.len())
            .field("denies", &self.index.denies.len())
            .finish_non_exhaustive()
    }
}

impl Policy {
    /// The rule id of a denial where no rule spoke.
    pub const DEFAULT_RULE: &'static str = "default";

    /// Compiles a policy.
    ///
    /// # Errors
    /// Everything that is wrong with the draft.
    pub fn new(draft: Draft) -> Result<Self, Vec<DraftError>> {
        let counting = draft.signatures.iter().find(|rule| rule.takes_counters());
        let counting = counting.map(|rule| rule.rule.id.as_str().into());
        let version = draft.version.as_str().into();
        Ok(Self { version, index: Index::new(draft)?, rules: Vec::new(), counting })
    }

    /// A policy that allows everything. Whoever loads it warns.
    #[must_use]
    pub fn permit_all(version: &str) -> Self {
        let draft = Draft { permit_all: true, ..Draft::new(version) };
        Self { version: version.into(), index: Index::empty(&draft), rules: Vec::new(), counting: None }
    }

    /// The same with further rules, that judge what grants permit and denials leave.
    ///
    /// No policy file says any: it is for what is built around this library, and for tests of the protocol, that want
    /// rules whose answers they choose, at no cost and without cryptography.
    #[must_use]
    pub fn with_rules(self, mut rules: Vec<Box<dyn Rule>>) -> Self {
        rules.sort_by(|one, other| one.id().cmp(other.id()));
        Self { rules, ..self }
    }

    /// The version that every event shows.
    #[must_use]
    pub fn version(&self) -> &Arc<str> {
        &self.version
    }

    /// Whether everything is allowed that no rule denies.
    #[must_use]
    pub fn permits_all(&self) -> bool {
        self.index.permits_all
    }

    /// The ids of its rules about rates.
    pub fn rate_rules(&self) -> impl Iterator<Item = &Arc<str>> {
        self.index.rates.ids()
    }

    /// Whether any rule quarantines messages.
    #[must_use]
    pub fn quarantines(&self) -> bool {
        self.index.quarantines
    }

    /// A rule that takes messages signed with a counter, if there is one: what must outlive the process.
    #[must_use]
    pub fn counting_rule(&self) -> Option<&str> {
        self.counting.as_deref()
    }

    /// Where quarantined messages go.
    #[must_use]
    pub fn quarantine_topic(&self) -> &str {
        &self.index.quarantine_topic
    }
}

/// A place in a list, as rules, roles and levels are numbered.
fn number(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}
