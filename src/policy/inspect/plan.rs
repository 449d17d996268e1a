//! Rules about messages made ready: found by tree, as grants are, and shared by all connections.

use std::mem;
use std::sync::Arc;

use super::interlock::Source;
use super::payload::Payload;
use super::rule::{MessageRule, PayloadRule, SignatureRule};
use super::signature::Seal;
use crate::mqtt::topic;
use crate::policy::error::DraftError;

use super::super::compile::{Index, Names, Ruling, is_enforced, numbers, rank};
use super::super::filter;
use super::super::number;
use super::super::roles::Roles;
use super::super::trie::{Builder, Trie};

/// All rules about messages of a policy. They are numbered through: signatures, payloads, then where facts are learnt.
#[derive(Debug)]
pub(in crate::policy) struct Plan {
    seals: Vec<Ruling<Said<Seal>>>,
    payloads: Vec<Ruling<Said<Payload>>>,
    sources: Vec<Arc<Source>>,
    pub(in crate::policy) published: Trie,
    pub(in crate::policy) received: Trie,
    needs_time: bool,
}

/// A rule about messages, and of which it speaks.
#[derive(Debug)]
pub(in crate::policy) struct Said<R> {
    pub(in crate::policy) publish: Vec<String>,
    pub(in crate::policy) receive: Vec<String>,
    pub(in crate::policy) own: R,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            seals: Vec::new(),
            payloads: Vec::new(),
            sources: Vec::new(),
            published: Builder::new().finish(),
            received: Builder::new().finish(),
            needs_time: false,
        }
    }
}

impl Plan {
    /// Whether no message is looked into.
    #[inline]
    pub(in crate::policy) const fn is_empty(&self) -> bool {
        self.seals.is_empty() && self.payloads.is_empty()
    }

    /// Whether the time makes a difference to what rules say.
    pub(in crate::policy) const fn needs_time(&self) -> bool {
        self.needs_time
    }

    pub(in crate::policy) fn seals(&self) -> &[Ruling<Said<Seal>>] {
        &self.seals
    }

    pub(in crate::policy) fn payloads(&self) -> &[Ruling<Said<Payload>>] {
        &self.payloads
    }

    /// The rules about signatures among these.
    pub(super) fn seals_of<'s>(&'s self, rules: &'s [u32]) -> impl Iterator<Item = &'s Ruling<Said<Seal>>> {
        rules.iter().map_while(|rule| self.seals.get(*rule as usize))
    }

    /// The rules about payloads among these.
    #[inline]
    pub(super) fn payloads_of<'s>(&'s self, rules: &'s [u32]) -> impl Iterator<Item = &'s Ruling<Said<Payload>>> {
        let first = self.seals.len();
        rules.iter().filter_map(move |rule| self.payloads.get((*rule as usize).checked_sub(first)?))
    }

    /// Where something is learnt, among these.
    #[inline]
    pub(super) fn sources_of<'s>(&'s self, rules: &'s [u32]) -> impl Iterator<Item = &'s Arc<Source>> {
        let first = self.seals.len() + self.payloads.len();
        rules.iter().rev().map_while(move |rule| self.sources.get((*rule as usize).checked_sub(first)?))
    }
}

impl Index {
    /// Takes rules about messages in.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub(in crate::policy) fn take_messages(
        &mut self,
        mut payloads: Vec<PayloadRule>,
        mut signatures: Vec<SignatureRule>,
        names: &Names,
    ) -> Result<(), Vec<DraftError>> {
        payloads.sort_by(|one, other| order(&one.rule, &other.rule));
        signatures.sort_by(|one, other| order(&one.rule, &other.rule));
        let (mut errors, mut tries) = (Vec::new(), [Builder::new(), Builder::new(), Builder::new()]);
        let mut plan = Plan { needs_time: !signatures.is_empty(), ..Plan::default() };
        for mut signature in signatures {
            let rule = mem::replace(&mut signature.rule, MessageRule::new(""));
            signature.rule.id.clone_from(&rule.id);
            let made = self.take_message(rule, plan.seals.len(), &mut tries, names, || Seal::new(signature));
            made.map_or_else(|wrong| errors.extend(wrong), |seal| plan.seals.push(seal));
        }
        for mut payload in payloads {
            let rule = mem::replace(&mut payload.rule, MessageRule::new(""));
            payload.rule.id.clone_from(&rule.id);
            let place = plan.seals.len() + plan.payloads.len();
            let made = self.take_message(rule, place, &mut tries, names, || Payload::new(&payload));
            made.map_or_else(|wrong| errors.extend(wrong), |payload| plan.payloads.push(payload));
        }
        Seal::keep_for(&mut plan.seals.iter_mut().map(|rule| &mut rule.said.own).collect::<Vec<_>>());
        errors.extend(two_rewrites(&plan.seals));
        if !errors.is_empty() {
            return Err(errors);
        }
        self.take_sources(&mut plan, &mut tries);
        plan.needs_time |= plan.payloads.iter().any(|rule| rule.said.own.needs_time());
        let [published, _, received] = tries;
        (plan.published, plan.received) = (published.finish(), received.finish());
        self.plan = plan;
        Ok(())
    }

    fn take_message<R>(
        &mut self,
        mut rule: MessageRule,
        place: usize,
        tries: &mut [Builder; 3],
        names: &Names,
        make: impl FnOnce() -> Result<R, Vec<DraftError>>,
    ) -> Result<Ruling<Said<R>>, Vec<DraftError>> {
        if rule.publish.is_empty() && rule.receive.is_empty() {
            return Err(vec![DraftError::NoTopic(rule.id)]);
        }
        let own = make()?;
        let roles = if rule.roles.is_empty() { [Roles::EVERYONE].into() } else { numbers(&rule.roles, names) };
        self.plant(tries, [&rule.publish, &[], &rule.receive], (number(place), &rule.id), &roles)?;
        let window = rule.when.take().map(|window| self.windows.take(window));
        for role in &roles {
            self.roles.get_mut(*role).into_iter().for_each(|role| role.windows.extend(window));
        }
        let (is_enforced, on_deny) = (is_enforced(rule.mode, rule.on_deny), rule.on_deny);
        let said = Said { publish: rule.publish, receive: rule.receive, own };
        Ok(Ruling { id: rule.id.into(), roles, window, is_enforced, on_deny, except: Box::default(), said })
    }

    /// What interlocks ask for is learnt from everyone.
    fn take_sources(&mut self, plan: &mut Plan, [published, ..]: &mut [Builder; 3]) {
        for lock in plan.payloads.iter().flat_map(|rule| rule.said.own.locks()) {
            if !plan.sources.contains(lock.source()) {
                plan.sources.push(Arc::clone(lock.source()));
            }
        }
        let first = plan.seals.len() + plan.payloads.len();
        for (at, source) in plan.sources.iter().enumerate() {
            let levels: Vec<_> = source.levels().iter().map(|level| self.shared(level)).collect();
            published.add(&levels, number(first + at), &[Roles::EVERYONE]);
        }
    }
}

fn order(one: &MessageRule, other: &MessageRule) -> std::cmp::Ordering {
    let rank = |rule: &MessageRule| rank(rule.mode, rule.on_deny);
    rank(one).cmp(&rank(other)).then_with(|| one.id.cmp(&other.id))
}

/// Rules that would both rewrite the same message, as far as that can be told before there is one.
fn two_rewrites(seals: &[Ruling<Said<Seal>>]) -> Vec<DraftError> {
    let rewrites = |rule: &&Ruling<Said<Seal>>| rule.is_enforced && rule.window.is_none() && rule.said.own.rewrites();
    let rules: Vec<_> = seals.iter().filter(rewrites).collect();
    let mut errors = Vec::new();
    for (at, one) in rules.iter().enumerate() {
        for other in rules.iter().skip(at + 1) {
            let is_shared = |role: &u32| *role == Roles::EVERYONE || other.roles.contains(role);
            let may_be_alike = one.roles.iter().any(is_shared) || other.roles.contains(&Roles::EVERYONE);
            let meet = |one: &[String], other: &[String]| {
                one.iter().any(|one| other.iter().any(|other| topic::overlaps(&plain(one), &plain(other))))
            };
            if may_be_alike
                && (meet(&one.said.publish, &other.said.publish) || meet(&one.said.receive, &other.said.receive))
            {
                errors.push(DraftError::TwoRewrites(one.id.to_string(), other.id.to_string()));
            }
        }
    }
    errors
}

/// A filter in which a variable stands for any level.
fn plain(filter: &str) -> String {
    use filter::Level;
    let levels = filter::parse(filter).unwrap_or_default();
    let text = |level: &Level<&str, _>| match level {
        Level::Exact(text) => (*text).to_owned(),
        Level::One | Level::Variable(_) => "+".to_owned(),
        Level::Rest => "#".to_owned(),
    };
    levels.iter().map(text).collect::<Vec<_>>().join("/")
}
