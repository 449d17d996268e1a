//! One identity under one policy.

use std::sync::Arc;
use std::time::Duration;

use super::{
    Condition, Decision, Denial, Draft, Grant, Message, Mode, OnDeny, Policy, Reason, Request, Role, RuleId,
    Subscription, Verdict,
};
use crate::identity::Identity;
use crate::mqtt::frame::QoS;
use crate::mqtt::topic;

/// What one identity may do under one policy: settled at CONNECT, asked for each packet.
#[derive(Debug)]
pub struct Authority {
    policy: Arc<Policy>,
    roles: Vec<usize>,
}

/// What of the protocol an identity can make use of at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Powers {
    /// The highest QoS that it may publish at.
    pub max_qos: QoS,
    /// Whether it may publish retained messages.
    pub retain: bool,
    /// Whether it may subscribe with wildcards.
    pub wildcard_subscriptions: bool,
    /// Whether it may use Shared Subscriptions.
    pub shared_subscriptions: bool,
    /// Whether it may use Subscription Identifiers.
    pub subscription_identifiers: bool,
}

impl Powers {
    /// All that the protocol has.
    pub const ALL: Self = Self {
        max_qos: QoS::Two,
        retain: true,
        wildcard_subscriptions: true,
        shared_subscriptions: true,
        subscription_identifiers: true,
    };
}

impl Authority {
    /// Settles what `identity` may do. `unix` is the time, in seconds.
    #[must_use]
    pub fn new(policy: &Arc<Policy>, identity: &Identity, unix: i64) -> Self {
        let _ = unix;
        let roles = policy.draft.roles.iter().enumerate().filter(|(_, role)| has(role, identity)).map(|(at, _)| at);
        Self { roles: roles.collect(), policy: Arc::clone(policy) }
    }

    /// The policy.
    #[must_use]
    pub fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// Whether time changes what it may do: then [`Authority::set_time`] goes before each batch of requests.
    #[must_use]
    pub fn watches_the_clock(&self) -> bool {
        false
    }

    /// Says what time it is, in seconds since 1970.
    pub fn set_time(&mut self, unix: i64) {
        let _ = unix;
    }

    /// What of the protocol it can make use of.
    #[must_use]
    pub fn powers(&self) -> Powers {
        Powers::ALL
    }

    /// How long it may stay connected.
    #[must_use]
    pub fn max_lifetime(&self) -> Option<Duration> {
        self.held().filter_map(|role| role.max_lifetime).min()
    }

    /// The names of the roles that it has, without `everyone`.
    #[must_use]
    pub fn roles(&self) -> Vec<String> {
        self.held().map(|role| role.name.clone()).collect()
    }

    /// Settles everything anew: the broker has assigned a Client Identifier, or more is known of the client.
    pub fn rebind(&mut self, identity: &Identity) {
        *self = Self::new(&Arc::clone(&self.policy), identity, 0);
    }

    /// Gives back the memory in which decisions are kept; they are made anew as they are asked for.
    pub fn forget(&mut self) {}

    /// Judges one request.
    #[must_use]
    pub fn decide(&mut self, identity: &Identity, request: &Request<'_>) -> Decision {
        let mut decision = match self.judge(identity, request) {
            Ok(Some(qos)) => Decision::AllowUpTo(qos),
            Ok(None) => Decision::Allow,
            Err(denial) => Decision::Deny(denial),
        };
        if let Decision::Deny(denial) = &decision
            && (denial.on_deny == OnDeny::Monitor || self.draft().mode == Mode::Monitor)
        {
            decision = Decision::Observe(denial.clone(), None);
        }
        for rule in &self.policy.rules {
            if let Verdict::Deny(reason) = rule.judge(identity, request) {
                let (on_deny, rule) = (rule.on_deny(), RuleId::Rule(rule.id().into()));
                return Decision::Deny(Denial { rule, reason, on_deny });
            }
        }
        decision
    }

    /// Whether a message must be there whole, payload included, before it can be judged.
    #[must_use]
    pub fn needs_payload(&mut self, identity: &Identity, request: &Request<'_>) -> bool {
        let (Request::Publish(message) | Request::Receive(message) | Request::Will(message)) = request else {
            return false;
        };
        if self.policy.rules.iter().any(|rule| rule.needs_payload(identity, message)) {
            return true;
        }
        let decision = self.decide(identity, request);
        matches!(decision, Decision::Deny(Denial { on_deny: OnDeny::Quarantine, .. }))
    }

    fn draft(&self) -> &Draft {
        &self.policy.draft
    }

    fn held(&self) -> impl Iterator<Item = &Role> {
        self.roles.iter().filter_map(|&at| self.draft().roles.get(at))
    }

    fn is_one_of(&self, roles: &[String]) -> bool {
        roles.iter().any(|name| name == Role::EVERYONE || self.held().any(|role| role.name == *name))
    }

    fn grants(&self) -> impl Iterator<Item = &Grant> {
        self.draft().grants.iter().filter(|grant| self.is_one_of(&grant.roles))
    }

    fn judge(&self, identity: &Identity, request: &Request<'_>) -> Result<Option<QoS>, Denial> {
        for deny in &self.draft().denies {
            if !deny.roles.is_empty() && !self.is_one_of(&deny.roles) {
                continue;
            }
            let any = |filters: &[String], name: &str| {
                filters.iter().any(|filter| topic::matches(filter, name))
                    && !deny.except.iter().any(|filter| topic::matches(filter, name))
            };
            let hit = match request {
                Request::Connect(_) => deny.connect,
                Request::Will(message) | Request::Publish(message) => any(&deny.publish, message.topic),
                Request::Receive(message) => any(&deny.subscribe, message.topic) || any(&deny.receive, message.topic),
                Request::Respond(name) => any(&deny.subscribe, name) || any(&deny.receive, name),
                Request::Subscribe(asked) => {
                    deny.subscribe.iter().any(|filter| topic::overlaps(filter, share(asked.filter).1))
                }
            };
            if hit {
                let rule = RuleId::Rule(deny.id.as_str().into());
                return Err(Denial { rule, reason: Reason::NotAuthorized, on_deny: deny.on_deny });
            }
        }
        if self.draft().permit_all {
            return Ok(None);
        }
        let default = || Denial {
            rule: RuleId::Limit(Policy::DEFAULT_RULE),
            reason: Reason::NotAuthorized,
            on_deny: self.draft().on_deny,
        };
        let any = |filters: &[String], name: &str| {
            filters.iter().any(|filter| bound(filter, identity).is_some_and(|filter| topic::matches(&filter, name)))
        };
        let allowed = match request {
            Request::Connect(_) => self.grants().next().is_some(),
            Request::Will(message) | Request::Publish(message) => {
                return self
                    .judge_publish(message, any)
                    .map_or_else(|denial| Err(denial.unwrap_or_else(default)), |()| Ok(None));
            }
            Request::Receive(message) => {
                self.grants().any(|grant| any(&grant.subscribe, message.topic) || any(&grant.receive, message.topic))
            }
            Request::Respond(name) => {
                self.grants().any(|grant| any(&grant.subscribe, name) || any(&grant.receive, name))
            }
            Request::Subscribe(asked) => return self.judge_subscribe(identity, asked).ok_or_else(default),
        };
        if allowed { Ok(None) } else { Err(default()) }
    }

    fn judge_publish(
        &self,
        message: &Message<'_>,
        any: impl Fn(&[String], &str) -> bool,
    ) -> Result<(), Option<Denial>> {
        let mut denial = None;
        for grant in self.grants().filter(|grant| any(&grant.publish, message.topic)) {
            let reason = if message.qos.value() > grant.max_qos.value() {
                Reason::Qos
            } else if message.retain && !grant.retain {
                Reason::Retain
            } else if grant.max_payload_bytes.is_some_and(|max| message.payload_bytes > max) {
                Reason::PayloadSize
            } else {
                return Ok(());
            };
            let rule = RuleId::Rule(grant.id.as_str().into());
            denial = Some(Denial { rule, reason, on_deny: grant.on_deny });
        }
        Err(denial)
    }

    fn judge_subscribe(&self, identity: &Identity, asked: &Subscription<'_>) -> Option<Option<QoS>> {
        let (_, filter) = share(asked.filter);
        let covering = self.grants().filter(|grant| {
            let mut bound = grant.subscribe.iter().filter_map(|filter| bound(filter, identity));
            bound.any(|wide| topic::covers(&wide, filter))
        });
        let highest = covering.map(|grant| grant.max_qos).max_by_key(|qos| qos.value())?;
        Some((highest.value() < asked.qos.value()).then_some(highest))
    }
}

fn has(role: &Role, identity: &Identity) -> bool {
    let member = |members: &std::collections::HashSet<Box<str>>| {
        identity.name.as_deref().is_some_and(|name| members.contains(name))
    };
    role.members.as_ref().is_none_or(member)
        && role.conditions.iter().all(|condition| match condition {
            Condition::Address(prefixes) => prefixes.iter().any(|prefix| prefix.contains(identity.source.ip())),
            Condition::Text { attribute, any } => {
                attribute.values(identity).iter().any(|value| any.iter().any(|pattern| pattern.matches(value)))
            }
        })
}

fn share(filter: &str) -> (Option<&str>, &str) {
    match filter.strip_prefix("$share/").and_then(|rest| rest.split_once('/')) {
        Some((group, filter)) => (Some(group), filter),
        None => (None, filter),
    }
}

/// The filter with its variables put in; none where one is void.
fn bound(filter: &str, identity: &Identity) -> Option<String> {
    let levels = filter.split('/').map(|level| {
        let Some(name) = level.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) else {
            return Some(level.to_owned());
        };
        let value = crate::identity::Attribute::parse(name)?.one(identity)?.into_owned();
        (!value.is_empty() && !value.contains(['+', '#', '/', '\0'])).then_some(value)
    });
    Some(levels.collect::<Option<Vec<_>>>()?.join("/"))
}
