//! A case asked of a policy, with what went on before it.

use std::sync::Arc;

use crate::config::Problem;
use crate::config::cases::{Case, Given};
use crate::identity::Identity;
use crate::policy::{Authority, Decision, Denial, Explanation, Memory, Policy, Request, Shield};
use crate::store::unix_millis;
use crate::store::{Bounds, Store};

/// What a case can have remembered; more than it can say.
const BOUNDS: Bounds =
    Bounds { max_histories: 10_000, max_facts: 10_000, max_nonces: 10_000, max_counters: 10_000, max_buckets: 10_000 };

/// Asks what a case asks, of a client of a listener with this shield: the first of its requests that is refused, else the first, and what is said to it. None where
/// it asks for nothing.
///
/// # Errors
/// A message that is given would not have gone on.
pub(super) fn ask<'c>(
    policy: &Arc<Policy>,
    shield: &Arc<Shield>,
    case: &'c Case,
) -> Result<Option<(Request<'c>, Explanation)>, Box<Problem>> {
    let now = case.at.map_or_else(unix_millis, |at| at.saturating_mul(1000));
    let mut clients = Clients { policy, shield, memory: Arc::new(Store::new(&BOUNDS)), all: Vec::new() };
    for given in &case.given {
        let ago = i64::try_from(given.ago.as_millis()).unwrap_or(i64::MAX);
        clients.went_on(given, now.saturating_sub(ago))?;
    }
    let mut authority = clients.of(&case.identity, now);
    let mut first = None;
    for request in case.requests() {
        let mut explanation = authority.explain(&case.identity, &request);
        // Explaining uses nothing up, and so can't tell what was used before. Here it may: the memory is this case's own.
        explanation.decision = authority.decide(&case.identity, &request);
        if matches!(explanation.decision, Decision::Deny(_)) {
            return Ok(Some((request, explanation)));
        }
        first.get_or_insert((request, explanation));
    }
    Ok(first)
}

/// Everyone of whom a case speaks, each with a connection of its own.
struct Clients<'p> {
    policy: &'p Arc<Policy>,
    shield: &'p Arc<Shield>,
    memory: Arc<dyn Memory>,
    all: Vec<(Identity, Authority)>,
}

impl Clients<'_> {
    /// The connection of a client, at this time.
    fn of(&mut self, identity: &Identity, unix_millis: i64) -> Authority {
        let known = self.all.iter().position(|(known, _)| known == identity);
        let mut authority = match known {
            Some(known) => self.all.swap_remove(known).1,
            None => Authority::new(self.policy, identity, unix_millis)
                .with_shield(self.shield)
                .with_memory(Some(Arc::clone(&self.memory))),
        };
        authority.set_time(unix_millis);
        authority
    }

    /// Has a message go on, so that what is to be remembered of it is.
    fn went_on(&mut self, given: &Given, unix_millis: i64) -> Result<(), Box<Problem>> {
        let mut authority = self.of(&given.identity, unix_millis);
        match authority.decide(&given.identity, &given.request()) {
            Decision::Allow | Decision::AllowUpTo(_) | Decision::Observe(..) => {
                authority.accept();
                self.all.push((given.identity.clone(), authority));
                Ok(())
            }
            Decision::Deny(denial) => Err(Box::new(given.refused(&format!("it is refused{}", words(&denial))))),
        }
    }
}

/// Who refuses, and why.
pub(super) fn words(denial: &Denial) -> String {
    let mut text = format!(" by rule `{}`, reason `{}`", denial.rule.as_str(), denial.reason.label());
    if let Some(detail) = &denial.detail {
        if !detail.field.is_empty() {
            text.push_str(&format!(", field `{}`", detail.field));
        }
        if !detail.problem.is_empty() {
            text.push_str(&format!(", problem `{}`", detail.problem));
        }
    }
    text
}
