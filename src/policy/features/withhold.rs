//! What is withheld from one client: by its listener, and by its roles.
//!
//! Not here: what can be withheld at all ([`super::Features`]). Read [`Withheld`] first.

use super::super::authority::{Authority, Refused};
use super::super::{Decision, Denial, Mode, OnDeny, Request, RuleId};
use super::{Feature, Features, Set};
use crate::mqtt::frame::QoS;

/// What holds for one client whom something is withheld from.
#[derive(Debug)]
pub(in crate::policy) struct Withheld {
    /// The strictest of all, whether it is enforced or not.
    strictest: Features,
    /// The strictest of what is enforced.
    enforced: Features,
}

/// Who withholds something: the listener, or a role.
struct Source<'s> {
    features: &'s Features,
    rule: Option<&'s str>,
    is_enforced: bool,
    on_deny: OnDeny,
}

impl Source<'_> {
    fn refusal(&self, feature: Feature) -> Refused {
        let rule = self.rule.map_or(RuleId::Limit(feature.rule()), |role| RuleId::Rule(role.into()));
        let denial = Denial { rule, reason: feature.reason(), on_deny: self.on_deny, detail: None };
        Refused { denial, is_enforced: self.is_enforced }
    }
}

impl Authority {
    /// What of the protocol it can make use of, as far as that is enforced, and where it may publish nothing above a QoS
    /// or retained, without that. Where it may publish nothing at all, nothing is taken away.
    #[must_use]
    pub fn powers(&self) -> Features {
        let index = self.index();
        if self.is_monitored() {
            return Features::ALL;
        }
        let features = self.enforced();
        if index.on_deny == OnDeny::Monitor {
            return features;
        }
        let most = self.all_roles().filter_map(|role| role.publishes);
        let most = most.reduce(|(one, first), (other, second)| (one.max(other), first || second));
        let (max_qos, retain) = most.filter(|_| !index.permits_all).unwrap_or((QoS::Two, true));
        Features { max_qos: features.max_qos.min(max_qos), retain: features.retain && retain, ..features }
    }

    /// What is enforced of what is withheld.
    #[must_use]
    pub fn enforced(&self) -> Features {
        self.withheld().map_or(Features::ALL, |withheld| withheld.enforced.clone())
    }

    /// Decides about so many Topic Filters or subscriptions, where not so many are left to the client.
    #[must_use]
    pub fn decide_number(&self, feature: Feature, number: usize) -> Option<Decision> {
        if self.withheld()?.strictest.most(feature) >= number {
            return None;
        }
        let mut decision = Decision::Allow;
        for source in self.sources().filter(|source| source.features.most(feature) < number) {
            decision = self.refuse(source.refusal(feature), decision);
            if matches!(decision, Decision::Deny(_)) {
                break;
            }
        }
        Some(decision)
    }

    /// What is withheld from a request: what is observed beside `decision`, or the denial.
    pub(in crate::policy) fn withhold(&self, request: &Request<'_>, decision: Decision) -> Decision {
        let Some(withheld) = self.withheld() else { return decision };
        let refused = withheld.strictest.refuse(request);
        if refused.is_empty() {
            return decision;
        }
        let mut decision = decision;
        for (_, refused) in self.refusals(request) {
            if matches!(decision, Decision::Deny(_)) {
                break;
            }
            decision = self.refuse(refused, decision);
        }
        decision
    }

    /// Everyone who withholds something that a request makes use of.
    pub(in crate::policy) fn refusals(&self, request: &Request<'_>) -> impl Iterator<Item = (Feature, Refused)> {
        let asked: Vec<(Set, Source<'_>)> =
            self.sources().map(|source| (source.features.refuse(request), source)).collect();
        let mut refusals = Vec::new();
        for feature in Feature::ALL {
            let those = asked.iter().filter(|(refused, _)| refused.has(*feature));
            refusals.extend(those.map(|(_, source)| (*feature, source.refusal(*feature))));
        }
        refusals.into_iter()
    }

    /// What a subscription goes on with, where it asks for a QoS that is withheld.
    pub(in crate::policy) fn cap(&self, qos: QoS, decision: Decision) -> Decision {
        let Some(withheld) = self.withheld().filter(|withheld| withheld.strictest.max_qos < qos) else {
            return decision;
        };
        let mut decision = decision;
        for source in self.sources().filter(|source| source.features.max_qos < qos && !self.holds_to(source)) {
            decision = self.refuse(source.refusal(Feature::MaxQos), decision);
        }
        let most = withheld.enforced.max_qos;
        match decision {
            Decision::Allow if most < qos => Decision::AllowUpTo(most),
            Decision::AllowUpTo(granted) => Decision::AllowUpTo(granted.min(most)),
            Decision::Observe(denial, granted) if most < qos => {
                Decision::Observe(denial, Some(granted.map_or(most, |granted| granted.min(most))))
            }
            Decision::Allow | Decision::Observe(..) | Decision::Deny(_) => decision,
        }
    }

    fn holds_to(&self, source: &Source<'_>) -> bool {
        source.is_enforced && !self.is_monitored()
    }

    /// The listener, then the roles of the client.
    fn sources(&self) -> impl Iterator<Item = Source<'_>> {
        let on_deny = self.index().on_deny;
        let listener = self.shield().map(|shield| Source {
            features: &shield.features,
            rule: None,
            is_enforced: shield.mode == Mode::Enforce,
            on_deny: OnDeny::Reject,
        });
        let roles = self.named_roles().map(move |role| Source {
            features: &role.features,
            rule: Some(&role.name),
            is_enforced: role.mode == Mode::Enforce && on_deny != OnDeny::Monitor,
            on_deny,
        });
        listener.into_iter().chain(roles)
    }

    /// What is withheld of all that the protocol has; none where nothing is.
    pub(in crate::policy) fn sum_up(&self) -> Option<Withheld> {
        let sources = || self.sources().filter(|source| !source.features.is_all());
        sources().next()?;
        let sum = |sum: Features, source: Source<'_>| sum.stricter(source.features);
        let strictest = sources().fold(Features::ALL, sum);
        let enforced = sources().filter(|source| self.holds_to(source)).fold(Features::ALL, sum);
        Some(Withheld { strictest, enforced })
    }
}
