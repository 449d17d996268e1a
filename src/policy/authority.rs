//! One identity under one policy.

use std::sync::Arc;
use std::time::Duration;

use super::cache::Cache;
use super::compile::{Index, Ruling};
use super::features::Withheld;
use super::filter::Values;
use super::inspect::{Inspector, Run, Way};
use super::judge::Action;
use super::rates::Meter;
use super::roles::{Held, Roles};
use super::window::{Clock, State};
use super::{
    Decision, Denial, Memory, Message, Mode, OnDeny, Policy, Priority, Request, Rewrite, RuleId, Shield, Verdict,
};
use crate::identity::Identity;

/// What one identity may do under one policy: settled at CONNECT, asked for each packet.
///
/// It has roles, values of variables and what it remembers of topics; all rules are the policy's, and shared.
#[derive(Debug)]
pub struct Authority {
    pub(super) policy: Arc<Policy>,
    /// Numbers of roles, ascending.
    pub(super) held: Box<[u32]>,
    pub(super) values: Values,
    pub(super) published: Option<Box<Cache>>,
    pub(super) received: Option<Box<Cache>>,
    /// What few have need of.
    special: Option<Box<Special>>,
    /// The time, in milliseconds since 1970.
    pub(super) unix_millis: i64,
    /// Nothing is refused, whatever rules say.
    is_monitored: bool,
    /// What is remembered beyond this connection.
    pub(super) memory: Option<Arc<dyn Memory>>,
    /// What it remembers for rules about messages; taken up when it is first used.
    pub(super) inspector: Option<Box<Inspector>>,
    /// What it has of the rules about rates; none where nothing is counted.
    pub(super) meter: Option<Box<Meter>>,
}

/// What holds beside rules: hours, and what is withheld.
#[derive(Debug, Default)]
struct Special {
    clock: Option<Clock>,
    /// What the listener says, where it withholds something.
    shield: Option<Arc<Shield>>,
    /// What that and the roles come to.
    withheld: Option<Withheld>,
}

/// A denial, and whether it is more than an observation.
pub(super) struct Refused {
    pub(super) denial: Denial,
    pub(super) is_enforced: bool,
}

impl Authority {
    /// Settles what `identity` may do. `unix_millis` is the time, in milliseconds since 1970.
    #[must_use]
    pub fn new(policy: &Arc<Policy>, identity: &Identity, unix_millis: i64) -> Self {
        let index = &policy.index;
        let held = index.roles.of(identity);
        let roles = || held.iter().filter(|role| **role != Roles::EVERYONE).filter_map(|role| index.roles.get(*role));
        let in_monitor = roles().next().is_some() && roles().all(|role| role.mode == Mode::Monitor);
        let mut windows: Vec<u32> = held
            .iter()
            .filter_map(|role| index.roles.get(*role))
            .flat_map(|role| role.windows.iter().copied())
            .collect();
        windows.sort_unstable();
        windows.dedup();
        let clock = (!windows.is_empty()).then(|| Clock::new(&windows, &index.windows, unix_millis.div_euclid(1000)));
        let mut own = Self {
            special: clock.map(|clock| Box::new(Special { clock: Some(clock), ..Special::default() })),
            values: Values::of(identity, &index.variables),
            meter: Meter::new(&index.rates, &held),
            published: None,
            received: None,
            unix_millis,
            is_monitored: index.is_monitored || in_monitor,
            held,
            policy: Arc::clone(policy),
            memory: None,
            inspector: None,
        };
        own.sum_up_features();
        own
    }

    /// Gives it what its listener leaves to clients. Without that it is all.
    #[must_use]
    pub fn with_shield(mut self, shield: &Arc<Shield>) -> Self {
        self.set_shield(shield);
        self
    }

    /// Puts in force what its listener leaves to clients.
    pub fn set_shield(&mut self, shield: &Arc<Shield>) {
        let shield = (!shield.features.is_all()).then(|| Arc::clone(shield));
        if shield.is_some() || self.shield().is_some() {
            self.special.get_or_insert_default().shield = shield;
            self.sum_up_features();
        }
    }

    fn sum_up_features(&mut self) {
        let withheld = self.sum_up();
        if withheld.is_some() || self.withheld().is_some() {
            self.special.get_or_insert_default().withheld = withheld;
        }
    }

    /// Gives it what is remembered beyond this connection. Without that, rules which must remember deny.
    #[must_use]
    pub fn with_memory(self, memory: Option<Arc<dyn Memory>>) -> Self {
        Self { memory, ..self }
    }

    /// Settles everything anew under another policy. What the connection has learnt of its messages stays.
    pub fn renew(
        &mut self,
        policy: &Arc<Policy>,
        memory: Option<Arc<dyn Memory>>,
        identity: &Identity,
        unix_millis: i64,
    ) {
        let nodes = self.inspector.as_mut().and_then(|inspector| inspector.nodes.take());
        let shield = self.special.as_mut().and_then(|special| special.shield.take());
        *self = Self::new(policy, identity, unix_millis).with_memory(memory);
        if let Some(shield) = shield {
            self.set_shield(&shield);
        }
        if nodes.is_some() {
            self.inspector.get_or_insert_default().nodes = nodes;
        }
    }

    /// The policy.
    #[must_use]
    pub fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// The names of the roles that it has, without `everyone`.
    #[must_use]
    pub fn roles(&self) -> Vec<String> {
        self.named_roles().map(|role| role.name.to_string()).collect()
    }

    /// Settles everything anew: the broker has assigned a Client Identifier, or more is known of the client. What the
    /// connection has learnt of its messages stays.
    pub fn rebind(&mut self, identity: &Identity) {
        let (policy, memory) = (Arc::clone(&self.policy), self.memory.take());
        self.renew(&policy, memory, identity, self.unix_millis);
    }

    /// Whether time changes what it may do: then [`Authority::set_time`] goes before each batch of requests.
    #[must_use]
    pub fn watches_the_clock(&self) -> bool {
        self.clock().is_some() || self.index().plan.needs_time()
    }

    /// Says what time it is, in milliseconds since 1970.
    pub fn set_time(&mut self, unix_millis: i64) {
        self.unix_millis = unix_millis;
        let Some(clock) = self.special.as_mut().and_then(|special| special.clock.as_mut()) else { return };
        if clock.set(&self.policy.index.windows, unix_millis.div_euclid(1000)) {
            self.forget();
        }
    }

    /// Gives back the memory in which decisions are kept; they are made anew as they are asked for.
    pub fn forget(&mut self) {
        (self.published, self.received) = (None, None);
        self.inspector.iter_mut().for_each(|inspector| inspector.forget());
        self.meter.iter_mut().for_each(|meter| meter.forget());
    }

    /// How long it may stay connected.
    #[must_use]
    pub fn max_lifetime(&self) -> Option<Duration> {
        let enforced = self.named_roles().filter(|role| !self.is_monitored && role.mode == Mode::Enforce);
        enforced.filter_map(|role| role.max_lifetime).min()
    }

    /// The highest of its roles' priorities: one role alone does not make a client wait.
    #[must_use]
    pub fn priority(&self) -> Priority {
        self.named_roles().map(|role| role.priority).max().unwrap_or_default()
    }

    /// Judges one request.
    #[must_use]
    #[inline]
    pub fn decide(&mut self, identity: &Identity, request: &Request<'_>) -> Decision {
        let withheld = self.withhold_first(request);
        if let Some(decision @ Decision::Deny(_)) = withheld {
            return decision;
        }
        let decision = if self.index().plan.is_empty() {
            self.by_acl(request)
        } else {
            self.inspect(identity, request, Run::Real)
        };
        let decision = if self.policy.rules.is_empty() { decision } else { self.by_rules(decision, identity, request) };
        beside(withheld, decision)
    }

    /// Judges a Will that it has permitted before, under this policy or another: what it says, and not what depends on
    /// when it was said, such as the age of a signature, or the values that came before. Nothing is used up or remembered.
    #[must_use]
    pub fn decide_again(&mut self, identity: &Identity, request: &Request<'_>) -> Decision {
        self.judge_in(Run::Again, identity, request)
    }

    /// As [`Authority::decide`], without a trace of it.
    pub(super) fn judge_in(&mut self, run: Run, identity: &Identity, request: &Request<'_>) -> Decision {
        if self.index().plan.is_empty() {
            return self.decide(identity, request);
        }
        let withheld = self.withhold_first(request);
        if let Some(decision @ Decision::Deny(_)) = withheld {
            return decision;
        }
        beside(withheld, self.inspect(identity, request, run))
    }

    /// What is withheld of all but subscriptions, of which rules speak first.
    #[inline]
    fn withhold_first(&self, request: &Request<'_>) -> Option<Decision> {
        self.withheld()?;
        let is_first = !matches!(request, Request::Subscribe(_));
        is_first.then(|| self.withhold(request, Decision::Allow)).filter(|decision| *decision != Decision::Allow)
    }

    /// Whether a message must be there whole, payload included, before it can be judged; where it is to be put into
    /// quarantine, too. Not where its head alone is enough to refuse it. Nothing is used up.
    #[must_use]
    pub fn needs_payload(&mut self, identity: &Identity, request: &Request<'_>) -> bool {
        let Some((way, message)) = Way::of(request) else { return false };
        if let Some(Decision::Deny(denial)) = self.withhold_first(request) {
            return denial.on_deny == OnDeny::Quarantine;
        }
        match self.by_acl(request) {
            Decision::Deny(denial) => denial.on_deny == OnDeny::Quarantine,
            Decision::Allow | Decision::AllowUpTo(_) | Decision::Observe(..) => {
                !self.index().plan.is_empty() && self.looks_into(way, message)
                    || self.asks_for_payload(identity, message)
                    || !self.policy.rules.is_empty()
                        && matches!(self.decide(identity, request), Decision::Deny(denial) if denial.on_deny == OnDeny::Quarantine)
            }
        }
    }

    fn asks_for_payload(&self, identity: &Identity, message: &Message<'_>) -> bool {
        self.policy.rules.iter().any(|rule| rule.needs_payload(identity, message))
    }

    /// The message that was decided upon last goes on: what is to be remembered of it is.
    pub fn accept(&mut self) {
        if let Some(inspector) = &mut self.inspector {
            inspector.settle(true);
            if let Some(memory) = &self.memory {
                inspector.pending.hand_over(&**memory);
            }
        }
        for rule in &self.policy.rules {
            rule.accepted();
        }
    }

    /// What of the message that was decided upon last goes on otherwise than it came.
    #[inline]
    pub fn take_rewrite(&mut self) -> Option<Box<Rewrite>> {
        self.inspector.as_mut()?.rewrite.take()
    }

    /// What is decided once further rules have spoken: they can only deny, or have something rewritten.
    fn by_rules(&mut self, decision: Decision, identity: &Identity, request: &Request<'_>) -> Decision {
        let mut decision = decision;
        let rewrite = self.policy.rules.iter().find_map(|rule| rule.rewrite(identity, request));
        if rewrite.is_some() || self.index().plan.is_empty() && Way::of(request).is_some() {
            self.inspector.get_or_insert_default().rewrite = rewrite;
        }
        for rule in &self.policy.rules {
            if matches!(decision, Decision::Deny(_)) {
                break;
            }
            let Verdict::Deny(reason) = rule.judge(identity, request) else { continue };
            let on_deny = rule.on_deny();
            let denial = Denial { rule: RuleId::Rule(rule.id().into()), reason, on_deny, detail: None };
            let refused = Refused { denial, is_enforced: on_deny != OnDeny::Monitor };
            decision = self.refuse(refused, decision);
        }
        decision
    }

    /// What becomes of a request that would be decided so if it were not refused.
    pub(super) fn refuse(&self, refused: Refused, otherwise: Decision) -> Decision {
        let Refused { denial, is_enforced } = refused;
        if is_enforced && !self.is_monitored {
            return Decision::Deny(denial);
        }
        match otherwise {
            Decision::Allow => Decision::Observe(denial, None),
            Decision::AllowUpTo(qos) => Decision::Observe(denial, Some(qos)),
            Decision::Observe(..) | Decision::Deny(_) => otherwise,
        }
    }

    fn clock(&self) -> Option<&Clock> {
        self.special.as_ref()?.clock.as_ref()
    }

    /// What the listener says, where it withholds something.
    pub(super) fn shield(&self) -> Option<&Shield> {
        self.special.as_ref()?.shield.as_deref()
    }

    /// What is withheld from the client, if anything is.
    #[inline]
    pub(super) fn withheld(&self) -> Option<&Withheld> {
        self.special.as_ref()?.withheld.as_ref()
    }

    pub(super) fn index(&self) -> &Index {
        &self.policy.index
    }

    pub(super) fn is_monitored(&self) -> bool {
        self.is_monitored
    }

    /// The roles that it has, everyone's the first.
    pub(super) fn all_roles(&self) -> impl Iterator<Item = &Held> {
        self.held.iter().filter_map(|role| self.index().roles.get(*role))
    }

    pub(super) fn named_roles(&self) -> impl Iterator<Item = &Held> {
        self.all_roles().skip(1)
    }

    /// Whether a grant holds now.
    pub(super) fn permits_now<R>(&self, rule: &Ruling<R>) -> bool {
        self.state(rule) == State::Holds
    }

    /// Whether a denial holds now: where nobody can tell, it does.
    pub(super) fn denies_now<R>(&self, rule: &Ruling<R>) -> bool {
        self.state(rule) != State::Rests
    }

    pub(super) fn state<R>(&self, rule: &Ruling<R>) -> State {
        match (rule.window, self.clock()) {
            (None, _) => State::Holds,
            (Some(window), Some(clock)) => clock.state(window),
            (Some(_), None) => State::Unknown,
        }
    }

    /// The memory for one kind of message, taken up when it is first used.
    pub(super) fn cache(&mut self, action: Action) -> &mut Cache {
        match action {
            Action::Publish => self.published.get_or_insert_default(),
            Action::Receive => self.received.get_or_insert_default(),
        }
    }
}

/// A decision, where something was to be observed before it was made.
fn beside(observed: Option<Decision>, decision: Decision) -> Decision {
    match (observed, decision) {
        (Some(Decision::Observe(denial, _)), Decision::Allow) => Decision::Observe(denial, None),
        (Some(Decision::Observe(denial, _)), Decision::AllowUpTo(qos) | Decision::Observe(_, Some(qos))) => {
            Decision::Observe(denial, Some(qos))
        }
        (Some(Decision::Observe(denial, _)), Decision::Observe(_, None)) => Decision::Observe(denial, None),
        (_, decision) => decision,
    }
}
