//! Every rule weighed by itself, in words: a second way to the same answer, without trees and caches.

use super::authority::Authority;
use super::compile::Ruling;
use super::explain::{Kind, Says, Weighed};
use super::filter::{self, Filter, Void};
use super::judge::Wanted;
use super::window::State;
use super::{Decision, Deny, Grant, OnDeny, Policy, Reason, Request, Role, RuleId, Verdict};
use crate::identity::Identity;

/// What one filter is to what is asked for.
enum Fit {
    Matches,
    /// A variable of it has no value here.
    Void,
    Differs,
}

/// What a rule has to say, and why.
type Said = (Says, String);

impl Authority {
    /// Every rule, weighed for a request that is decided so.
    pub(super) fn weigh(&self, identity: &Identity, request: &Request<'_>, decision: &Decision) -> Vec<Weighed> {
        let index = self.index();
        let mut weighed: Vec<Weighed> = index.denies.iter().map(|deny| self.weigh_deny(deny, request)).collect();
        self.weigh_features(request, &mut weighed);
        weighed.extend(index.grants.iter().map(|grant| self.weigh_grant(grant, request, decision)));
        self.weigh_messages(identity, request, decision, &mut weighed);
        self.weigh_rates(request, &mut weighed);
        for rule in &self.policy.rules {
            let (says, why) = match rule.judge(identity, request) {
                Verdict::Silent => (Says::Silent, "it does not speak of this".to_owned()),
                Verdict::Allow => (Says::Allow, "it has nothing against it".to_owned()),
                Verdict::Deny(reason) => (self.says(rule.on_deny() != OnDeny::Monitor), reason_words(reason)),
            };
            let (rule, matched) = (RuleId::Rule(rule.id().into()), says != Says::Silent);
            weighed.push(Weighed { rule, kind: Kind::Rule, applies: true, matched, says, why });
        }
        weighed.push(self.weigh_default(request, decision));
        weighed
    }

    /// What a refusal comes to.
    pub(super) fn says(&self, is_enforced: bool) -> Says {
        if is_enforced && !self.is_monitored() { Says::Deny } else { Says::Observe }
    }

    fn weigh_deny(&self, deny: &Ruling<Deny>, request: &Request<'_>) -> Weighed {
        let said = self.speaks(deny).and_then(|()| self.denies(deny, request));
        self.weighed(deny, Kind::Deny, said)
    }

    pub(super) fn weighed<R>(&self, rule: &Ruling<R>, kind: Kind, said: Result<Said, String>) -> Weighed {
        let (applies, matched) = (self.is_for(rule), said.is_ok());
        let (says, why) = said.unwrap_or_else(|why| (Says::Silent, why));
        Weighed { rule: RuleId::Rule(rule.id.clone()), kind, applies, matched, says, why }
    }

    fn is_for<R>(&self, rule: &Ruling<R>) -> bool {
        rule.roles.iter().any(|role| self.held.contains(role))
    }

    /// Whether a rule is for the client.
    fn concerns<R>(&self, rule: &Ruling<R>) -> Result<(), String> {
        if self.is_for(rule) {
            return Ok(());
        }
        let names = rule.roles.iter().filter_map(|role| self.index().roles.get(*role));
        let names: Vec<String> = names.map(|role| format!("`{}`", role.name)).collect();
        Err(format!("it is for {}, which the client is not", names.join(", ")))
    }

    /// Whether a rule has a say at all.
    pub(super) fn speaks<R>(&self, rule: &Ruling<R>) -> Result<(), String> {
        self.concerns(rule)?;
        match self.state(rule) {
            State::Rests => Err("it does not hold at this time".to_owned()),
            State::Holds | State::Unknown => Ok(()),
        }
    }

    fn denies(&self, deny: &Ruling<Deny>, request: &Request<'_>) -> Result<Said, String> {
        let said = &deny.said;
        let speaks = |name: &str, lists: [&[String]; 2]| -> Result<String, String> {
            let hit = lists
                .into_iter()
                .flatten()
                .find(|text| self.filter(text).is_some_and(|filter| filter.covers(name, &self.values, Void::Anything)));
            let filter = hit.ok_or_else(|| "none of its filters matches the topic".to_owned())?;
            self.left_alone(said, |except| except.covers(name, &self.values, Void::Nothing))?;
            Ok(format!("`{filter}` matches the topic"))
        };
        let why = match request {
            Request::Connect(_) if said.connect => "it refuses the connection".to_owned(),
            Request::Connect(_) => return Err("it does not speak of connections".to_owned()),
            Request::Will(message) | Request::Publish(message) => speaks(message.topic, [&said.publish, &[]])?,
            Request::Receive(message) => speaks(message.topic, [&said.subscribe, &said.receive])?,
            Request::Respond(topic) => speaks(topic, [&said.subscribe, &said.receive])?,
            Request::Subscribe(subscription) => self.denies_subscription(said, &Wanted::new(subscription))?,
        };
        let says = self.says(deny.is_enforced);
        Ok((says, if says == Says::Observe { format!("{why}; it is only observed") } else { why }))
    }

    fn denies_subscription(&self, said: &Deny, wanted: &Wanted<'_>) -> Result<String, String> {
        let is_broad = self.takes_broad(wanted);
        let hit = said.subscribe.iter().find(|text| {
            self.filter(text).is_some_and(|filter| {
                if is_broad {
                    filter.covers(wanted.filter, &self.values, Void::Anything)
                } else {
                    filter.overlaps(wanted.filter, &self.values, Void::Anything)
                }
            })
        });
        let filter = hit.ok_or_else(|| {
            if is_broad {
                "none of its filters takes all of it, and deliveries are filtered".to_owned()
            } else {
                "none of its filters has anything in common with it".to_owned()
            }
        })?;
        self.left_alone(said, |except| {
            if is_broad {
                except.overlaps(wanted.filter, &self.values, Void::Nothing)
            } else {
                except.covers(wanted.filter, &self.values, Void::Nothing)
            }
        })?;
        Ok(format!("`{filter}` {} the filter", if is_broad { "covers" } else { "overlaps" }))
    }

    fn left_alone(&self, said: &Deny, leaves: impl Fn(&Filter) -> bool) -> Result<(), String> {
        let exception = said.except.iter().find(|text| self.filter(text).is_some_and(|except| leaves(&except)));
        exception.map_or(Ok(()), |text| Err(format!("its exception `{text}` leaves it alone")))
    }

    fn weigh_features(&self, request: &Request<'_>, weighed: &mut Vec<Weighed>) {
        for (feature, refused) in self.refusals(request) {
            let whose = match refused.denial.rule {
                RuleId::Limit(_) => "this listener",
                RuleId::Rule(_) => "this role",
            };
            let why = format!("clients of {whose} may not use {}", feature.what());
            let (kind, says) = (Kind::Limit, self.says(refused.is_enforced));
            weighed.push(Weighed { rule: refused.denial.rule, kind, applies: true, matched: true, says, why });
        }
    }

    fn weigh_grant(&self, grant: &Ruling<Grant>, request: &Request<'_>, decision: &Decision) -> Weighed {
        let speaks = match request {
            // That it may connect is no question of time.
            Request::Connect(_) => self.concerns(grant),
            Request::Will(_)
            | Request::Publish(_)
            | Request::Subscribe(_)
            | Request::Receive(_)
            | Request::Respond(_) => self.speaks(grant),
        };
        let mut said = speaks.and_then(|()| self.grants(grant, request));
        // It permits too little: that is a denial where nothing else permits more.
        let is_named = matches!(decision, Decision::Deny(denial) | Decision::Observe(denial, _)
            if denial.rule.as_str() == &*grant.id);
        if let (Ok((says @ Says::Silent, _)), true) = (&mut said, is_named) {
            *says = self.says(grant.is_enforced);
        }
        self.weighed(grant, Kind::Grant, said)
    }

    fn grants(&self, grant: &Ruling<Grant>, request: &Request<'_>) -> Result<Said, String> {
        let said = &grant.said;
        let (filter, limit) = match request {
            Request::Connect(_) => return Ok((Says::Allow, "it is for the client, which may connect".to_owned())),
            Request::Will(message) | Request::Publish(message) => {
                (self.matching([&said.publish, &[]], message.topic)?, said.refuses_publish(message))
            }
            Request::Receive(message) => {
                let filter = self.matching([&said.subscribe, &said.receive], message.topic)?;
                (filter, said.refuses_size(message.payload_bytes))
            }
            Request::Respond(topic) => (self.matching([&said.subscribe, &said.receive], topic)?, None),
            Request::Subscribe(subscription) => {
                let wanted = Wanted::new(subscription);
                let filter = self.matching([&said.subscribe, &[]], wanted.filter)?;
                let limit = said.refuses_subscription(&wanted);
                if limit == Some(Reason::Qos) && grant.is_enforced && !self.is_monitored() {
                    let qos = said.max_qos.value();
                    return Ok((Says::Allow, format!("`{filter}` covers the filter, at QoS {qos}")));
                }
                (filter, limit)
            }
        };
        Ok(match limit {
            None => (Says::Allow, format!("`{filter}` matches")),
            Some(reason) => (Says::Silent, format!("`{filter}` matches, but {}", reason_words(reason))),
        })
    }

    fn matching<'g>(&self, lists: [&'g [String]; 2], text: &str) -> Result<&'g str, String> {
        let mut void = None;
        for filter in lists.into_iter().flatten() {
            match self.fit(filter, text) {
                Fit::Matches => return Ok(filter),
                Fit::Void => void = void.or(Some(filter)),
                Fit::Differs => {}
            }
        }
        Err(match void {
            Some(filter) => format!("`{filter}` stands for nothing: the client has no one value for a variable of it"),
            None => "none of its filters covers it".to_owned(),
        })
    }

    fn fit(&self, text: &str, asked: &str) -> Fit {
        let Some(filter) = self.filter(text) else { return Fit::Differs };
        if filter.covers(asked, &self.values, Void::Nothing) {
            Fit::Matches
        } else if filter.covers(asked, &self.values, Void::Anything) {
            Fit::Void
        } else {
            Fit::Differs
        }
    }

    /// A filter of a rule.
    pub(super) fn filter(&self, text: &str) -> Option<Filter> {
        let levels = filter::parse(text).ok()?;
        let variables = &self.index().variables;
        let place = |attribute: &_| variables.iter().position(|known| known == attribute).unwrap_or(usize::MAX);
        Some(Filter::new(&levels, |attribute| super::number(place(attribute))))
    }

    fn weigh_default(&self, request: &Request<'_>, decision: &Decision) -> Weighed {
        let rule = RuleId::Limit(Policy::DEFAULT_RULE);
        let is_named = matches!(decision, Decision::Deny(denial) | Decision::Observe(denial, _) if denial.rule == rule);
        let is_broad = matches!(request, Request::Subscribe(asked) if self.takes_broad(&Wanted::new(asked)));
        let (says, why) = if self.index().permits_all {
            (Says::Allow, "the policy permits everything that no rule denies".to_owned())
        } else if is_named {
            (self.says(self.index().on_deny != OnDeny::Monitor), "no grant permits it".to_owned())
        } else if is_broad {
            let role = self.named_roles().find(|role| role.broad == super::Broad::Filter);
            let role = role.map_or(Role::EVERYONE, |role| &role.name);
            (Says::Allow, format!("clients of the role `{role}` may subscribe to more than is granted"))
        } else {
            (Says::Silent, "another rule has spoken".to_owned())
        };
        Weighed { rule, kind: Kind::Default, applies: true, matched: says != Says::Silent, says, why }
    }
}

pub(super) fn reason_words(reason: Reason) -> String {
    const WORDS: [(Reason, &str); 4] = [
        (Reason::Qos, "not at this QoS"),
        (Reason::Retain, "not retained"),
        (Reason::PayloadSize, "not so large a payload"),
        (Reason::SharedSubscription, "not for this group"),
    ];
    let words = WORDS.iter().find(|(known, _)| *known == reason);
    words.map_or_else(|| format!("it is refused: {}", reason.label()), |(_, words)| (*words).to_owned())
}
