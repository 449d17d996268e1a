//! A decision, with every rule that was weighed for it.

use super::inspect::Run;
use super::{Authority, Decision, Request, RuleId};
use crate::identity::Identity;

/// A decision, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// As [`Authority::decide`] gives it.
    pub decision: Decision,
    /// The roles that the client has, without `everyone`.
    pub roles: Vec<String>,
    /// Every rule of the policy, denials first.
    pub weighed: Vec<Weighed>,
}

/// One rule, and what it says to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weighed {
    /// Its id; of a limit, the name of its setting or of the role that has it.
    pub rule: RuleId,
    /// What it is.
    pub kind: Kind,
    /// Whether it is for this client at all.
    pub applies: bool,
    /// Whether it speaks of such a request: its filters match, it is in force.
    pub matched: bool,
    /// What it says.
    pub says: Says,
    /// Why, in one sentence.
    pub why: String,
}

/// What a rule is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A denial.
    Deny,
    /// What a role may not make use of.
    Limit,
    /// A grant.
    Grant,
    /// A rule about signatures.
    Signature,
    /// A rule about payloads.
    Payload,
    /// A rule about rates.
    Rate,
    /// A rule about messages.
    Rule,
    /// What is said where no rule permits.
    Default,
}

impl Kind {
    /// The word that answers use; never changes.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Limit => "limit",
            Self::Grant => "grant",
            Self::Signature => "signature",
            Self::Payload => "payload",
            Self::Rate => "rate",
            Self::Rule => "rule",
            Self::Default => "default",
        }
    }
}

/// What a rule says to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Says {
    /// It permits it.
    Allow,
    /// It would deny it, and only observes.
    Observe,
    /// It denies it.
    Deny,
    /// Nothing.
    Silent,
}

impl Says {
    /// The word that answers use; never changes.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Observe => "observe",
            Self::Deny => "deny",
            Self::Silent => "silent",
        }
    }
}

impl Authority {
    /// As [`Authority::decide`], with every rule that is weighed for it. Slow: for people.
    #[must_use]
    pub fn explain(&mut self, identity: &Identity, request: &Request<'_>) -> Explanation {
        let decision = self.judge_in(Run::Dry, identity, request);
        let weighed = self.weigh(identity, request, &decision);
        Explanation { decision, roles: self.roles(), weighed }
    }
}
