//! A case asked of a policy, with what went on before it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::Problem;
use crate::config::cases::{Case, Given};
use crate::identity::Identity;
use crate::mqtt::Direction;
use crate::policy::{Allowance, Authority, Decision, Denial, Explanation, Memory, Metered, Policy, Request, Shield};
use crate::store::unix_millis;
use crate::store::{Bounds, Store};

/// What a case can have remembered; more than it can say.
const BOUNDS: Bounds =
    Bounds { max_histories: 10_000, max_facts: 10_000, max_nonces: 10_000, max_counters: 10_000, max_buckets: 10_000 };

/// How much later than the start of the process a case is asked; what is given may be that much older.
const LATER: Duration = Duration::from_secs(367 * 86_400);

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
    let memory = Arc::new(Store::new(&BOUNDS));
    let mut clients = Clients { policy, shield, memory, moment: Instant::now() + LATER, all: Vec::new() };
    for given in &case.given {
        let ago = i64::try_from(given.ago.as_millis()).unwrap_or(i64::MAX);
        clients.went_on(given, now.saturating_sub(ago))?;
    }
    let mut authority = clients.of(&case.identity, now);
    let moment = clients.moment;
    for _ in 1..case.times {
        for request in case.requests() {
            if !matches!(decided(&mut authority, &case.identity, &request, moment), Decision::Deny(_)) {
                authority.accept();
            }
        }
    }
    let mut first = None;
    for request in case.requests() {
        let mut explanation = authority.explain(&case.identity, &request);
        // Explaining uses nothing up, and so can't tell what was used before. Here it may: the memory is this case's own.
        explanation.decision = decided(&mut authority, &case.identity, &request, moment);
        if matches!(explanation.decision, Decision::Deny(_)) {
            return Ok(Some((request, explanation)));
        }
        first.get_or_insert((request, explanation));
    }
    Ok(first)
}

/// What rates say to a request, and then all other rules.
fn decided(authority: &mut Authority, identity: &Identity, request: &Request<'_>, now: Instant) -> Decision {
    let mut observed = None;
    for what in metered(request).into_iter().flatten() {
        match authority.meter(identity, what, now) {
            Allowance::Pass => {}
            Allowance::Observe(denial) => observed = observed.or(Some(denial)),
            Allowance::Wait { denial, .. } | Allowance::Excess { denial, .. } => return Decision::Deny(denial),
        }
    }
    match (authority.decide(identity, request), observed) {
        (Decision::Allow, Some(denial)) => Decision::Observe(denial, None),
        (Decision::AllowUpTo(qos), Some(denial)) => Decision::Observe(denial, Some(qos)),
        (decision, _) => decision,
    }
}

/// What rates count of a request.
const fn metered<'m>(request: &Request<'m>) -> [Option<Metered<'m>>; 2] {
    let packet = Some(Metered::Packet { bytes: 0 });
    match request {
        Request::Connect(_) => [packet, Some(Metered::Connection)],
        Request::Subscribe(_) => [packet, Some(Metered::Subscriptions(1))],
        Request::Publish(message) => {
            let (topic, payload_bytes) = (message.topic, message.payload_bytes);
            [packet, Some(Metered::Message { from: Direction::FromClient, topic, payload_bytes })]
        }
        Request::Receive(message) => {
            let (topic, payload_bytes) = (message.topic, message.payload_bytes);
            [None, Some(Metered::Message { from: Direction::FromBroker, topic, payload_bytes })]
        }
        Request::Will(_) | Request::Respond(_) => [None, None],
    }
}

/// Everyone of whom a case speaks, each with a connection of its own.
struct Clients<'p> {
    policy: &'p Arc<Policy>,
    shield: &'p Arc<Shield>,
    memory: Arc<dyn Memory>,
    /// When the case is asked, for rates.
    moment: Instant,
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
        let moment = self.moment.checked_sub(given.ago).unwrap_or(self.moment);
        match decided(&mut authority, &given.identity, &given.request(), moment) {
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
