//! Rules about rates made ready: what each of them counts, and where it is found.

use std::mem;
use std::sync::Arc;

use super::rule::{Excess, Per, RateRule, Share, Unit};
use crate::policy::compile::{Index, Names, Ruling, is_enforced, numbers};
use crate::policy::error::DraftError;
use crate::policy::roles::Roles;
use crate::policy::trie::{Builder, Trie};
use crate::policy::{OnDeny, number};
use crate::rate::Rate;

/// All rules about rates of a policy.
#[derive(Debug)]
pub(in crate::policy) struct Plan {
    pub(super) rules: Vec<Ruling<Said>>,
    /// What rules count, those of one rule next to each other.
    pub(super) limits: Vec<Limit>,
    /// Role and rule, ascending.
    by_role: Vec<(u32, u32)>,
    pub(super) published: Trie,
    pub(super) received: Trie,
}

/// What has a form of its own in a rule about rates.
#[derive(Debug)]
pub(in crate::policy) struct Said {
    pub(super) rule: RateRule,
    /// Place of its first limit.
    pub(super) first: u32,
    /// The parts of its rate that are kept for roles, the largest first.
    pub(super) shares: Box<[(u32, Share)]>,
}

/// One thing that a rule counts.
#[derive(Debug)]
pub(super) struct Limit {
    /// The place of its rule.
    pub(super) rule: u32,
    pub(super) unit: Unit,
    pub(super) rate: Rate,
    /// A message counts once for each so many bytes; zero is once.
    pub(super) weigh: u64,
    pub(super) on_excess: Excess,
    pub(super) per: Per,
    /// Whether it holds at some hours alone.
    pub(super) has_window: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            rules: Vec::new(),
            limits: Vec::new(),
            by_role: Vec::new(),
            published: Builder::new().finish(),
            received: Builder::new().finish(),
        }
    }
}

impl Plan {
    /// The rules that are for one of these roles, ascending.
    pub(super) fn of(&self, held: &[u32]) -> Vec<u32> {
        let mut rules: Vec<u32> = Vec::new();
        for role in held {
            let first = self.by_role.partition_point(|(other, _)| other < role);
            let own = self.by_role.get(first..).unwrap_or_default().iter().take_while(|(other, _)| other == role);
            rules.extend(own.map(|(_, rule)| rule));
        }
        rules.sort_unstable();
        rules.dedup();
        rules
    }

    pub(in crate::policy) fn ids(&self) -> impl Iterator<Item = &Arc<str>> {
        self.rules.iter().map(|rule| &rule.id)
    }

    pub(super) fn limit(&self, place: u32) -> Option<&Limit> {
        self.limits.get(place as usize)
    }

    pub(super) fn rule(&self, place: u32) -> Option<&Ruling<Said>> {
        self.rules.get(place as usize)
    }
}

impl Ruling<Said> {
    /// What it counts, each with its place.
    pub(super) fn limits<'p>(&self, plan: &'p Plan) -> impl Iterator<Item = (u32, &'p Limit)> {
        let first = self.said.first as usize;
        let limits = plan.limits.get(first..).unwrap_or_default().iter().take(self.said.rule.limits.len());
        (self.said.first..).zip(limits)
    }

    /// Whether it is about messages of some topics alone.
    pub(super) fn is_filtered(&self) -> bool {
        !self.said.rule.publish.is_empty() || !self.said.rule.receive.is_empty()
    }
}

impl Limit {
    /// The part of its rate that is a share, and of its burst.
    pub(super) fn share(&self, share: &Share) -> Rate {
        let thousandths = u64::from(share.thousandths);
        let burst = self.rate.burst().saturating_mul(thousandths) / 1000;
        Rate::new(self.rate.tokens().saturating_mul(thousandths), self.rate.per().saturating_mul(1000))
            .with_burst(burst)
    }
}

impl Index {
    /// Takes rules about rates in.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub(in crate::policy) fn take_rates(
        &mut self,
        mut rules: Vec<RateRule>,
        names: &Names,
    ) -> Result<(), Vec<DraftError>> {
        rules.sort_by(|one, other| one.id.cmp(&other.id));
        let errors: Vec<DraftError> = rules.iter().filter_map(|rule| judge(rule).err()).collect();
        if !errors.is_empty() {
            return Err(errors);
        }
        let mut plan = Plan::default();
        let mut tries = [Builder::new(), Builder::new(), Builder::new()];
        for mut rule in rules {
            let place = number(plan.rules.len());
            let roles = if rule.roles.is_empty() { [Roles::EVERYONE].into() } else { numbers(&rule.roles, names) };
            self.plant(&mut tries, [&rule.publish, &[], &rule.receive], (place, &rule.id), &roles)?;
            plan.by_role.extend(roles.iter().map(|role| (*role, place)));
            let window = rule.when.take().map(|window| self.windows.take(window));
            for role in &roles {
                self.roles.get_mut(*role).into_iter().for_each(|role| role.windows.extend(window));
            }
            let first = number(plan.limits.len());
            plan.limits.extend(rule.limits.iter().map(|(unit, rate)| Limit {
                rule: place,
                unit: *unit,
                rate: *rate,
                weigh: if *unit == Unit::Messages { rule.weigh.unwrap_or(0) } else { 0 },
                on_excess: rule.on_excess.unwrap_or(if unit.can_wait() { Excess::Throttle } else { Excess::Reject }),
                per: rule.per,
                has_window: window.is_some(),
            }));
            let mut shares: Vec<(u32, Share)> = mem::take(&mut rule.shares)
                .into_iter()
                .flat_map(|share| {
                    numbers(std::slice::from_ref(&share.role), names).into_iter().map(move |role| (role, share.clone()))
                })
                .collect();
            shares.sort_by_key(|(role, share)| (std::cmp::Reverse(share.thousandths), *role));
            plan.rules.push(Ruling {
                id: rule.id.as_str().into(),
                roles,
                window,
                is_enforced: is_enforced(rule.mode, OnDeny::Reject),
                on_deny: OnDeny::Reject,
                except: Box::default(),
                said: Said { rule, first, shares: shares.into() },
            });
        }
        plan.by_role.sort_unstable();
        let [published, _, received] = tries;
        (plan.published, plan.received) = (published.finish(), received.finish());
        self.rates = plan;
        Ok(())
    }
}

/// What can't be followed, or would never let anything through.
fn judge(rule: &RateRule) -> Result<(), DraftError> {
    let wrong = |why: &str| Err(DraftError::Rate { rule: rule.id.clone(), why: why.to_owned() });
    let units: Vec<Unit> = rule.limits.iter().map(|(unit, _)| *unit).collect();
    let counts = |unit: Unit| units.contains(&unit);
    if units.is_empty() {
        return wrong("it counts nothing");
    }
    if units.iter().enumerate().any(|(at, unit)| units.iter().take(at).any(|other| other == unit)) {
        return wrong("it counts something twice");
    }
    if rule.on_excess == Some(Excess::Throttle) && units.iter().any(|unit| !unit.can_wait()) {
        return wrong("connections and subscriptions can't wait");
    }
    let is_filtered = !rule.publish.is_empty() || !rule.receive.is_empty();
    if (is_filtered || rule.per == Per::Topic) && units.iter().any(|unit| !unit.is_of_messages()) {
        return wrong("only messages and their bytes have topics");
    }
    if rule.weigh == Some(0) || rule.weigh.is_some() && !counts(Unit::Messages) {
        return wrong("only messages are weighed, and not by nothing");
    }
    if let Per::Prefix { ipv4, ipv6 } = rule.per
        && (!(1..=32).contains(&ipv4) || !(1..=64).contains(&ipv6))
    {
        return wrong("a prefix is of 1 to 32 bits of IPv4, and of 1 to 64 of IPv6");
    }
    if rule.on_excess == Some(Excess::Ban) && (!rule.per.is_of_one_client() || !rule.receive.is_empty()) {
        return wrong("clients would be banned for what others do");
    }
    if rule.shares.is_empty() {
        return Ok(());
    }
    let is_mild = matches!(rule.on_excess, None | Some(Excess::Throttle | Excess::Reject));
    if !matches!(rule.per, Per::Listener | Per::Gateway) || !is_mild {
        return wrong("only what clients have together is shared, and whose share is used up waits or is refused");
    }
    let sum: u32 = rule.shares.iter().map(|share| u32::from(share.thousandths)).sum();
    if sum > 1000 || rule.shares.iter().any(|share| share.thousandths == 0) {
        return wrong("shares are more than nothing, and together not more than the whole");
    }
    let names: Vec<&str> = rule.shares.iter().map(|share| share.role.as_str()).collect();
    if names.iter().enumerate().any(|(at, name)| names.iter().take(at).any(|other| other == name)) {
        return wrong("a role has two shares");
    }
    Ok(())
}
