//! Requests against grants and denials.

use super::authority::{Authority, Refused};
use super::compile::Ruling;
use super::filter::Void;
use super::inspect::Way;
use super::stance::Stance;
use super::trie::Search;
use super::{Decision, Denial, Deny, Grant, Message, OnDeny, Policy, Reason, Request, RuleId, Subscription};
use crate::mqtt::frame::QoS;

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Publish,
    Receive,
}

/// What a subscription asks for, taken apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) group: Option<&'a str>,
    pub(super) filter: &'a str,
    pub(super) qos: QoS,
    pub(super) has_identifier: bool,
}

impl<'a> Wanted<'a> {
    pub(super) fn new(subscription: &Subscription<'a>) -> Self {
        let Subscription { filter, qos, has_identifier } = *subscription;
        let (group, filter) = match filter.strip_prefix("$share/").and_then(|rest| rest.split_once('/')) {
            Some((group, filter)) => (Some(group), filter),
            None => (None, filter),
        };
        Self { group, filter, qos, has_identifier }
    }

    /// Whether deliveries can be kept back in place of the subscription. Those of a group can't be: what one member
    /// does not get, none does. Filters that begin with `$` mean something to brokers; they are granted or not.
    pub(super) fn can_be_broad(&self) -> bool {
        self.group.is_none() && !self.filter.starts_with('$')
    }
}

impl Grant {
    /// Which limit refuses this message, that is published to a topic it speaks of.
    pub(super) fn refuses_publish(&self, message: &Message<'_>) -> Option<Reason> {
        if message.qos.value() > self.max_qos.value() {
            Some(Reason::Qos)
        } else if message.retain && !self.retain {
            Some(Reason::Retain)
        } else {
            self.refuses_size(message.payload_bytes)
        }
    }

    /// Whether a payload is too large.
    pub(super) fn refuses_size(&self, payload_bytes: usize) -> Option<Reason> {
        self.max_payload_bytes.filter(|max| payload_bytes > *max).map(|_| Reason::PayloadSize)
    }

    /// Which limit refuses this subscription, or makes less of it.
    pub(super) fn refuses_subscription(&self, wanted: &Wanted<'_>) -> Option<Reason> {
        let is_known =
            |group: &str| self.share_groups.as_ref().is_none_or(|groups| groups.iter().any(|one| one == group));
        if !wanted.group.is_none_or(is_known) {
            Some(Reason::SharedSubscription)
        } else if wanted.qos.value() > self.max_qos.value() {
            Some(Reason::Qos)
        } else {
            None
        }
    }
}

impl<R> Ruling<R> {
    pub(super) fn refuses(&self, reason: Reason) -> Refused {
        let denial = Denial { rule: RuleId::Rule(self.id.clone()), reason, on_deny: self.on_deny, detail: None };
        Refused { denial, is_enforced: self.is_enforced }
    }
}

impl Authority {
    /// What grants and denials say.
    pub(super) fn by_acl(&mut self, request: &Request<'_>) -> Decision {
        match request {
            Request::Subscribe(subscription) => self.subscribe(request, &Wanted::new(subscription)),
            _ if self.index().is_open => Decision::Allow,
            Request::Connect(_) => self.connect(),
            Request::Publish(message) => {
                let stance = self.known(Action::Publish, message.topic);
                self.by_stance(Way::Publish, &stance, message)
            }
            // There is one for a connection: nothing to remember.
            Request::Will(message) => self.by_stance(Way::Will, &self.stance(Action::Publish, message.topic), message),
            Request::Receive(message) => {
                let stance = self.known(Action::Receive, message.topic);
                self.by_stance(Way::Receive, &stance, message)
            }
            Request::Respond(topic) => {
                let stance = self.known(Action::Receive, topic);
                self.settle(&stance, (QoS::Zero, false, 0), Reason::ResponseTopic, |_| Some(Reason::ResponseTopic))
            }
        }
    }

    /// What grants and denials say to a message.
    #[inline]
    pub(super) fn by_stance(&self, way: Way, stance: &Stance, message: &Message<'_>) -> Decision {
        let bytes = message.payload_bytes;
        match way {
            Way::Publish | Way::Will => {
                let asked = (message.qos, message.retain, bytes);
                self.settle(stance, asked, Reason::NotAuthorized, |grant| grant.refuses_publish(message))
            }
            Way::Receive => {
                let asked = (QoS::Zero, false, bytes);
                self.settle(stance, asked, Reason::NotAuthorized, |grant| grant.refuses_size(bytes))
            }
        }
    }

    /// What rules say to a topic, remembered.
    #[inline]
    pub(super) fn known(&mut self, action: Action, topic: &str) -> Stance {
        if let Some(stance) = self.cache(action).find(topic) {
            return stance;
        }
        let rates = self.find_rates(action, topic);
        let mut stance = self.stance(action, topic);
        stance.count(rates);
        if !self.index().plan.is_empty() {
            stance.inspect(self.find_rules(action, topic, true));
        }
        self.cache(action).keep(topic, stance);
        stance
    }

    /// What rules say to a topic.
    pub(super) fn stance(&self, action: Action, topic: &str) -> Stance {
        let index = self.index();
        let (granted, denied) = match action {
            Action::Publish => (&index.granted.publish, &index.denied.publish),
            Action::Receive => (&index.granted.receive, &index.denied.receive),
        };
        let asked = index.asked(topic);
        let mut stance = Stance::NONE;
        let mut first = u32::MAX;
        Search::new(denied, &asked, (&self.values, Void::Anything), &self.held, |rule| {
            let deny = index.denies.get(rule as usize);
            if deny.is_some_and(|deny| self.denies_now(deny) && !self.is_excepted(deny, topic)) {
                first = rule;
            }
            first
        })
        .covering();
        stance.deny(first);
        if index.permits_all {
            stance.permit_all();
            return stance;
        }
        if index.denies.get(first as usize).is_some_and(|deny| deny.is_enforced) {
            return stance;
        }
        Search::new(granted, &asked, (&self.values, Void::Nothing), &self.held, |rule| {
            match index.grants.get(rule as usize).filter(|grant| self.permits_now(grant)) {
                Some(grant) if action == Action::Publish => stance.permit_publish(rule, &grant.said),
                Some(grant) => stance.permit_receive(rule, &grant.said),
                None => {}
            }
            u32::MAX
        })
        .covering();
        stance
    }

    /// Whether a denial leaves all of a Topic Name or Topic Filter alone.
    pub(super) fn is_excepted(&self, deny: &Ruling<Deny>, text: &str) -> bool {
        deny.except.iter().any(|filter| filter.covers(text, &self.values, Void::Nothing))
    }

    /// Decides about a message: QoS, RETAIN and bytes as grants are to permit them.
    fn settle(
        &self,
        stance: &Stance,
        (qos, retain, payload_bytes): (QoS, bool, usize),
        reason: Reason,
        limit: impl Fn(&Grant) -> Option<Reason>,
    ) -> Decision {
        let index = self.index();
        let mut decision = Decision::Allow;
        if let Some(deny) = index.denies.get(stance.denied_by()) {
            decision = self.refuse(deny.refuses(reason), decision);
        }
        if matches!(decision, Decision::Deny(_)) || stance.permits(qos, retain, payload_bytes) {
            return decision;
        }
        let refused = match index.grants.get(stance.granted_by()) {
            Some(grant) => grant.refuses(limit(&grant.said).unwrap_or(reason)),
            None => self.by_default(reason),
        };
        self.refuse(refused, decision)
    }

    /// What is said where no rule permits.
    pub(super) fn by_default(&self, reason: Reason) -> Refused {
        let on_deny = self.index().on_deny;
        let denial = Denial { rule: RuleId::Limit(Policy::DEFAULT_RULE), reason, on_deny, detail: None };
        Refused { denial, is_enforced: on_deny != OnDeny::Monitor }
    }

    fn connect(&self) -> Decision {
        let index = self.index();
        let denies = self.all_roles().flat_map(|role| &role.connect_denies);
        let denies = denies.filter(|rule| index.denies.get(**rule as usize).is_some_and(|deny| self.denies_now(deny)));
        let mut decision = Decision::Allow;
        if let Some(deny) = denies.min().and_then(|rule| index.denies.get(*rule as usize)) {
            decision = self.refuse(deny.refuses(Reason::NotAuthorized), decision);
        }
        let is_granted = index.permits_all || self.all_roles().any(|role| role.is_granted);
        if is_granted || matches!(decision, Decision::Deny(_)) {
            return decision;
        }
        self.refuse(self.by_default(Reason::NotAuthorized), decision)
    }
}
