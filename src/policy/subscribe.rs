//! Subscriptions against grants, denials and the limits of roles.

use super::authority::Authority;
use super::filter::{Asked, Void};
use super::judge::Wanted;
use super::trie::Search;
use super::{Broad, Decision, Reason, Request};
use crate::mqtt::frame::QoS;

/// What the grants that cover a filter make of a subscription, together.
#[derive(Debug, Default)]
struct Offer {
    /// One permits it as it is asked for.
    is_full: bool,
    /// The highest QoS of those that permit it with less, and the first of them.
    less: Option<(QoS, u32)>,
    /// The first that covers it.
    first: Option<u32>,
}

impl Authority {
    pub(super) fn subscribe(&self, request: &Request<'_>, wanted: &Wanted<'_>) -> Decision {
        let asked = self.index().asked(wanted.filter);
        let is_broad = self.takes_broad(wanted);
        let mut decision = Decision::Allow;
        let deny = self.first_denial(&asked, wanted.filter, is_broad);
        if let Some(deny) = deny.and_then(|rule| self.index().denies.get(rule as usize)) {
            decision = self.refuse(deny.refuses(Reason::NotAuthorized), decision);
        }
        decision = self.withhold(request, decision);
        if matches!(decision, Decision::Deny(_)) {
            return decision;
        }
        if !self.index().permits_all {
            decision = self.grant(wanted, &asked, is_broad, decision);
        }
        self.cap(wanted.qos, decision)
    }

    /// Whether deliveries are kept back rather than this subscription.
    pub(super) fn takes_broad(&self, wanted: &Wanted<'_>) -> bool {
        wanted.can_be_broad() && self.named_roles().any(|role| role.broad == Broad::Filter)
    }

    /// The first denial that refuses a Topic Filter.
    ///
    /// One is enough that overlaps it. Where deliveries are filtered, only one that leaves nothing of it.
    fn first_denial(&self, asked: &[(Asked<'_>, u32)], filter: &str, is_broad: bool) -> Option<u32> {
        let index = self.index();
        let mut first = u32::MAX;
        let found = |rule| {
            let deny = index.denies.get(rule as usize).filter(|deny| self.denies_now(deny));
            let speaks = deny.is_some_and(|deny| {
                if is_broad {
                    let leaves = |except: &super::filter::Filter| except.overlaps(filter, &self.values, Void::Nothing);
                    !deny.except.iter().any(leaves)
                } else {
                    !self.is_excepted(deny, filter)
                }
            });
            if speaks {
                first = rule;
            }
            first
        };
        let search = Search::new(&index.denied.subscribe, asked, (&self.values, Void::Anything), &self.held, found);
        if is_broad {
            search.covering();
        } else {
            search.overlapping();
        }
        (first < u32::MAX).then_some(first)
    }

    fn grant(&self, wanted: &Wanted<'_>, asked: &[(Asked<'_>, u32)], is_broad: bool, decision: Decision) -> Decision {
        let offer = self.offer(wanted, asked);
        if offer.is_full {
            return decision;
        }
        let grants = &self.index().grants;
        let first = offer.first.and_then(|rule| grants.get(rule as usize));
        if let Some(first) = first.filter(|first| !first.is_enforced) {
            let reason = first.said.refuses_subscription(wanted).unwrap_or(Reason::NotAuthorized);
            return self.refuse(first.refuses(reason), decision);
        }
        if let Some((qos, rule)) = offer.less {
            return match grants.get(rule as usize).filter(|_| self.is_monitored()) {
                Some(grant) => self.refuse(grant.refuses(Reason::Qos), decision),
                None => cap(decision, qos),
            };
        }
        match first {
            Some(first) => self.refuse(first.refuses(Reason::SharedSubscription), decision),
            None if is_broad => decision,
            None => self.refuse(self.by_default(Reason::NotAuthorized), decision),
        }
    }

    fn offer(&self, wanted: &Wanted<'_>, asked: &[(Asked<'_>, u32)]) -> Offer {
        let index = self.index();
        let mut offer = Offer::default();
        let found = |rule| {
            let Some(grant) = index.grants.get(rule as usize).filter(|grant| self.permits_now(grant)) else {
                return u32::MAX;
            };
            offer.first = Some(offer.first.map_or(rule, |first: u32| first.min(rule)));
            match grant.said.refuses_subscription(wanted) {
                None => {
                    offer.is_full = true;
                    // No other could say more.
                    return 0;
                }
                Some(Reason::Qos) => {
                    let (qos, first) = offer.less.unwrap_or((grant.said.max_qos, rule));
                    let higher = if qos.value() < grant.said.max_qos.value() { grant.said.max_qos } else { qos };
                    offer.less = Some((higher, first.min(rule)));
                }
                Some(_) => {}
            }
            u32::MAX
        };
        Search::new(&index.granted.subscribe, asked, (&self.values, Void::Nothing), &self.held, found).covering();
        offer
    }
}

/// As decided, at this QoS.
fn cap(decision: Decision, qos: QoS) -> Decision {
    match decision {
        Decision::Allow => Decision::AllowUpTo(qos),
        Decision::Observe(denial, _) => Decision::Observe(denial, Some(qos)),
        Decision::AllowUpTo(_) | Decision::Deny(_) => decision,
    }
}
