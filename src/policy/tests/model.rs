//! What the contract says, word by word and rule by rule: too simple to be wrong, and too slow to be used.

use jiff::Timestamp;

use crate::identity::{Attribute, Identity};
use crate::mqtt::frame::QoS;
use crate::mqtt::topic;
use crate::policy::{
    Broad, Condition, Decision, Denial, Deny, Draft, Grant, Message, MessageRule, Mode, OnDeny, PayloadRule, Policy,
    Reason, Request, Role, RuleId, Subscription, Window,
};

/// Everything that is asked about.
pub(super) struct World<'w> {
    pub(super) draft: &'w Draft,
    pub(super) identity: &'w Identity,
    pub(super) unix: i64,
}

/// Someone who says no, and whether that is more than a remark.
struct No {
    denial: Denial,
    is_enforced: bool,
}

/// What grants together say.
enum Yes {
    As(Option<QoS>),
    No(No),
}

impl World<'_> {
    pub(super) fn decide(&self, request: &Request<'_>) -> Decision {
        let mut noes = self.denials(request);
        let mut cap = None;
        if let Request::Subscribe(asked) = request {
            noes.extend(self.limits(asked));
        }
        match self.grants(request) {
            Yes::As(qos) => cap = qos,
            Yes::No(no) => noes.push(no),
        }
        noes.extend(self.sizes(request));
        let is_monitored = self.is_monitored();
        if let Some(no) = noes.iter().find(|no| no.is_enforced && !is_monitored) {
            return Decision::Deny(no.denial.clone());
        }
        match (noes.first(), cap) {
            (None, None) => Decision::Allow,
            (None, Some(qos)) => Decision::AllowUpTo(qos),
            (Some(no), cap) => Decision::Observe(no.denial.clone(), cap),
        }
    }

    fn roles(&self) -> Vec<&Role> {
        let mut roles: Vec<&Role> = self.draft.roles.iter().filter(|role| self.has(role)).collect();
        roles.sort_by_key(|role| &role.name);
        roles
    }

    fn has(&self, role: &Role) -> bool {
        let holds = |condition: &Condition| match condition {
            Condition::Address(prefixes) => prefixes.iter().any(|one| one.contains(self.identity.source.ip())),
            Condition::Text { attribute, any } => {
                attribute.values(self.identity).iter().any(|value| any.iter().any(|one| one.matches(value)))
            }
        };
        let name = self.identity.name.as_deref();
        role.conditions.iter().all(holds)
            && role.members.as_ref().is_none_or(|members| name.is_some_and(|name| members.contains(name)))
    }

    fn is_one_of(&self, names: &[String]) -> bool {
        names.iter().any(|name| name == "everyone" || self.roles().iter().any(|role| role.name == *name))
    }

    /// The whole gateway is in monitor mode, or every role of the client's.
    fn is_monitored(&self) -> bool {
        let roles = self.roles();
        self.draft.mode == Mode::Monitor || (!roles.is_empty() && roles.iter().all(|role| role.mode == Mode::Monitor))
    }

    fn is_broad(&self, asked: &Subscription<'_>) -> bool {
        !asked.filter.starts_with('$') && self.roles().iter().any(|role| role.on_broad_subscription == Broad::Filter)
    }

    pub(super) fn holds_now(&self, when: Option<&Window>) -> bool {
        let Some(window) = when else { return true };
        let now = window.timezone.to_datetime(Timestamp::from_second(self.unix).unwrap());
        let day = usize::try_from(now.weekday().to_monday_zero_offset()).unwrap();
        let minute = u16::try_from(i32::from(now.hour()) * 60 + i32::from(now.minute())).unwrap();
        let (today, yesterday) = (window.days[day], window.days[(day + 6) % 7]);
        let is_inside = if window.from < window.to {
            today && window.from <= minute && minute < window.to
        } else {
            (today && window.from <= minute) || (yesterday && minute < window.to)
        };
        is_inside == window.inside
    }

    /// The filters with what the client has for their variables.
    fn bound(&self, filters: &[String], void: Option<&str>) -> Vec<String> {
        let level = |(depth, level): (usize, &str)| {
            let Some(name) = level.strip_prefix("${") else { return Some(level.to_owned()) };
            let attribute = Attribute::parse(name.strip_suffix('}').unwrap()).unwrap();
            let values = attribute.values(self.identity);
            let [value] = values.as_slice() else { return void.map(str::to_owned) };
            let is_void = value.is_empty()
                || value.contains('+')
                || value.contains('#')
                || value.contains('/')
                || value.contains('\0')
                || (depth == 0 && value.starts_with('$'));
            if is_void { void.map(str::to_owned) } else { Some(value.to_string()) }
        };
        let bind = |filter: &String| {
            filter.split('/').enumerate().map(level).collect::<Option<Vec<String>>>().map(|levels| levels.join("/"))
        };
        filters.iter().filter_map(bind).collect()
    }

    /// Those that deny, the first to be named first.
    fn denials(&self, request: &Request<'_>) -> Vec<No> {
        let speaks = |deny: &&Deny| {
            (deny.roles.is_empty() || self.is_one_of(&deny.roles))
                && self.holds_now(deny.when.as_ref())
                && self.denies(deny, request)
        };
        let mut denials: Vec<&Deny> = self.draft.denies.iter().filter(speaks).collect();
        denials.sort_by_key(|deny| (strictness(deny.on_deny), &deny.id));
        let reason = if matches!(request, Request::Respond(_)) { Reason::ResponseTopic } else { Reason::NotAuthorized };
        let mut noes: Vec<No> =
            denials.iter().map(|deny| no(&deny.id, reason, deny.on_deny, deny.mode == Mode::Enforce)).collect();
        noes.sort_by_key(|no| !no.is_enforced);
        noes
    }

    fn denies(&self, deny: &Deny, request: &Request<'_>) -> bool {
        let except = self.bound(&deny.except, None);
        let name = |filters: &[&[String]], name: &str| {
            let bound = self.bound(&filters.concat(), Some("+"));
            bound.iter().any(|one| topic::matches(one, name)) && !except.iter().any(|one| topic::matches(one, name))
        };
        match request {
            Request::Connect(_) => deny.connect,
            Request::Will(message) | Request::Publish(message) => name(&[&deny.publish], message.topic),
            Request::Receive(message) => name(&[&deny.subscribe, &deny.receive], message.topic),
            Request::Respond(topic) => name(&[&deny.subscribe, &deny.receive], topic),
            Request::Subscribe(asked) => {
                let (_, filter) = share(asked.filter);
                let bound = self.bound(&deny.subscribe, Some("+"));
                if self.is_broad(asked) {
                    bound.iter().any(|one| topic::covers(one, filter))
                        && !except.iter().any(|one| topic::overlaps(one, filter))
                } else {
                    bound.iter().any(|one| topic::overlaps(one, filter))
                        && !except.iter().any(|one| topic::covers(one, filter))
                }
            }
        }
    }

    /// Rules about messages that take none so large, the first to be named first.
    fn sizes(&self, request: &Request<'_>) -> Vec<No> {
        let (message, is_received) = match request {
            Request::Publish(message) | Request::Will(message) => (message, false),
            Request::Receive(message) => (message, true),
            Request::Connect(_) | Request::Subscribe(_) | Request::Respond(_) => return Vec::new(),
        };
        let speaks = |payload: &&PayloadRule| {
            let MessageRule { roles, publish, receive, when, .. } = &payload.rule;
            let bound = self.bound(if is_received { receive } else { publish }, Some("+"));
            (roles.is_empty() || self.is_one_of(roles))
                && self.holds_now(when.as_ref())
                && bound.iter().any(|one| topic::matches(one, message.topic))
                && message.payload_bytes > payload.max_bytes
        };
        let mut rules: Vec<&MessageRule> = self.draft.payloads.iter().filter(speaks).map(|one| &one.rule).collect();
        rules.sort_by_key(|rule| (strictness(rule.on_deny), &rule.id));
        let is_enforced = |rule: &MessageRule| rule.mode == Mode::Enforce;
        let mut noes: Vec<No> =
            rules.iter().map(|rule| no(&rule.id, Reason::PayloadSize, rule.on_deny, is_enforced(rule))).collect();
        noes.sort_by_key(|no| !no.is_enforced);
        noes
    }

    fn limits(&self, asked: &Subscription<'_>) -> Vec<No> {
        let (group, filter) = share(asked.filter);
        let mut noes = Vec::new();
        type May = fn(&Role) -> bool;
        let limits: [(bool, May, Reason); 3] = [
            (filter.contains(['+', '#']), |role| role.features.wildcard_subscriptions, Reason::Wildcard),
            (group.is_some(), |role| role.features.shared_subscriptions, Reason::SharedSubscription),
            (asked.has_identifier, |role| role.features.subscription_identifiers, Reason::SubscriptionIdentifier),
        ];
        for (uses, may, reason) in limits {
            for role in self.roles().into_iter().filter(|role| uses && !may(role)) {
                noes.push(no(&role.name, reason, self.draft.on_deny, role.mode == Mode::Enforce));
            }
        }
        noes
    }

    fn grants(&self, request: &Request<'_>) -> Yes {
        if self.draft.permit_all {
            return Yes::As(None);
        }
        let mut grants: Vec<&Grant> = self.draft.grants.iter().filter(|grant| self.is_one_of(&grant.roles)).collect();
        grants.sort_by_key(|grant| {
            let is_enforced = grant.mode == Mode::Enforce && grant.on_deny != OnDeny::Monitor;
            (is_enforced, strictness(grant.on_deny), &grant.id)
        });
        let now: Vec<&Grant> = grants.iter().filter(|grant| self.holds_now(grant.when.as_ref())).copied().collect();
        let name = |filters: &[&[String]], name: &str| {
            self.bound(&filters.concat(), None).iter().any(|one| topic::matches(one, name))
        };
        let receives = |topic: &str| -> Vec<&Grant> {
            now.iter().filter(|grant| name(&[&grant.subscribe, &grant.receive], topic)).copied().collect()
        };
        let said = match request {
            Request::Connect(_) => (!grants.is_empty()).then_some(Yes::As(None)),
            Request::Will(message) | Request::Publish(message) => {
                let grants: Vec<&Grant> =
                    now.iter().filter(|grant| name(&[&grant.publish], message.topic)).copied().collect();
                one_of(&grants, |grant| publish_limit(grant, message))
            }
            Request::Receive(message) => one_of(&receives(message.topic), |grant| {
                grant.max_payload_bytes.is_some_and(|max| max < message.payload_bytes).then_some(Reason::PayloadSize)
            }),
            Request::Respond(topic) => one_of(&receives(topic), |_| None),
            Request::Subscribe(asked) => return self.subscription(asked, &now),
        };
        let reason = if matches!(request, Request::Respond(_)) { Reason::ResponseTopic } else { Reason::NotAuthorized };
        said.unwrap_or_else(|| by_default(reason, self.draft.on_deny))
    }

    fn subscription(&self, asked: &Subscription<'_>, grants: &[&Grant]) -> Yes {
        let (group, filter) = share(asked.filter);
        let covers = |grant: &&&Grant| self.bound(&grant.subscribe, None).iter().any(|one| topic::covers(one, filter));
        let covering: Vec<&Grant> = grants.iter().filter(covers).copied().collect();
        let in_group = |grant: &&&Grant| match (&grant.share_groups, group) {
            (Some(groups), Some(group)) => groups.iter().any(|one| one == group),
            (None, _) | (_, None) => true,
        };
        let usable: Vec<&Grant> = covering.iter().filter(in_group).copied().collect();
        if usable.iter().any(|grant| grant.max_qos.value() >= asked.qos.value()) {
            return Yes::As(None);
        }
        let lenient = |grant: &&&Grant| grant.mode == Mode::Monitor || grant.on_deny == OnDeny::Monitor;
        if let Some(grant) = covering.iter().find(lenient) {
            let reason = if in_group(&grant) { Reason::Qos } else { Reason::SharedSubscription };
            return Yes::No(no(&grant.id, reason, grant.on_deny, false));
        }
        if let Some(highest) = usable.iter().map(|grant| grant.max_qos).max_by_key(|qos| qos.value()) {
            if self.is_monitored() {
                return Yes::No(no(&usable[0].id, Reason::Qos, usable[0].on_deny, true));
            }
            return Yes::As(Some(highest));
        }
        match covering.first() {
            Some(grant) => Yes::No(no(&grant.id, Reason::SharedSubscription, grant.on_deny, true)),
            None if self.is_broad(asked) => Yes::As(None),
            None => by_default(Reason::NotAuthorized, self.draft.on_deny),
        }
    }
}

/// One that has nothing against it is enough; of the others, the first. None where there are none.
fn one_of(grants: &[&Grant], limit: impl Fn(&Grant) -> Option<Reason>) -> Option<Yes> {
    if grants.iter().any(|grant| limit(grant).is_none()) {
        return Some(Yes::As(None));
    }
    let first = grants.first()?;
    Some(Yes::No(no(&first.id, limit(first).unwrap(), first.on_deny, first.mode == Mode::Enforce)))
}

fn publish_limit(grant: &Grant, message: &Message<'_>) -> Option<Reason> {
    if message.qos.value() > grant.max_qos.value() {
        return Some(Reason::Qos);
    }
    if message.retain && !grant.retain {
        return Some(Reason::Retain);
    }
    grant.max_payload_bytes.filter(|max| message.payload_bytes > *max).map(|_| Reason::PayloadSize)
}

fn no(rule: &str, reason: Reason, on_deny: OnDeny, is_enforced: bool) -> No {
    let denial = Denial { rule: RuleId::Rule(rule.into()), reason, on_deny, detail: None };
    No { denial, is_enforced: is_enforced && on_deny != OnDeny::Monitor }
}

fn by_default(reason: Reason, on_deny: OnDeny) -> Yes {
    let denial = Denial { rule: RuleId::Limit(Policy::DEFAULT_RULE), reason, on_deny, detail: None };
    Yes::No(No { denial, is_enforced: on_deny != OnDeny::Monitor })
}

fn strictness(on_deny: OnDeny) -> usize {
    use OnDeny::{Acknowledge, Disconnect, Monitor, Quarantine, Reject};
    [Disconnect, Quarantine, Reject, Acknowledge, Monitor].iter().position(|one| *one == on_deny).unwrap()
}

fn share(filter: &str) -> (Option<&str>, &str) {
    match filter.strip_prefix("$share/") {
        Some(rest) => rest.split_once('/').map(|(group, filter)| (Some(group), filter)).unwrap(),
        None => (None, filter),
    }
}
