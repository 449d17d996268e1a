//! A [`Draft`] made ready: rules in the order of their weight, found by tree, shared by all connections.

use std::collections::{HashMap, HashSet};
use std::mem;
use std::sync::Arc;

use super::error::DraftError;
use super::filter::{self, Asked, Filter, Level, Symbols};
use super::inspect::Plan;
use super::number;
use super::rates;
use super::roles::Roles;
use super::trie::{Builder, Trie};
use super::window::Windows;
use super::{Deny, Draft, Grant, Mode, OnDeny, Policy, Role};
use crate::identity::Attribute;
use crate::mqtt::frame::QoS;
use crate::mqtt::{Limits, topic};

/// Everything that a policy says.
#[derive(Debug)]
pub(super) struct Index {
    pub(super) is_monitored: bool,
    pub(super) permits_all: bool,
    /// Nothing is refused that is not a subscription.
    pub(super) is_open: bool,
    pub(super) on_deny: OnDeny,
    pub(super) quarantine_topic: String,
    /// Whether any rule quarantines.
    pub(super) quarantines: bool,
    pub(super) roles: Roles,
    /// Those whose limits are not enforced first, then the strictest: the first that speaks is the one that is named.
    pub(super) grants: Vec<Ruling<Grant>>,
    /// Those that are enforced first, then the strictest.
    pub(super) denies: Vec<Ruling<Deny>>,
    pub(super) variables: Vec<Attribute>,
    pub(super) windows: Windows,
    pub(super) symbols: Symbols,
    pub(super) granted: Tries,
    pub(super) denied: Tries,
    /// Rules about messages.
    pub(super) plan: Plan,
    /// Rules about rates.
    pub(super) rates: rates::Plan,
}

/// A rule. What has a form of its own here is taken out of `said`: id, roles, window.
#[derive(Debug)]
pub(super) struct Ruling<R> {
    pub(super) id: Arc<str>,
    /// Numbers of roles.
    pub(super) roles: Box<[u32]>,
    pub(super) window: Option<u32>,
    pub(super) is_enforced: bool,
    pub(super) on_deny: OnDeny,
    /// What a denial leaves alone.
    pub(super) except: Box<[Filter]>,
    pub(super) said: R,
}

/// The filters of all grants, or all denials, by what they are asked about.
#[derive(Debug)]
pub(super) struct Tries {
    pub(super) publish: Trie,
    pub(super) subscribe: Trie,
    /// What is subscribed is received, too.
    pub(super) receive: Trie,
}

impl Index {
    /// An index of a policy without rules.
    pub(super) fn empty(draft: &Draft) -> Self {
        Self {
            is_monitored: draft.mode == Mode::Monitor,
            permits_all: draft.permit_all,
            is_open: draft.permit_all && draft.denies.is_empty(),
            on_deny: draft.on_deny,
            quarantine_topic: draft.quarantine_topic.clone(),
            quarantines: draft.quarantines(),
            roles: Roles::new(Vec::new()),
            grants: Vec::new(),
            denies: Vec::new(),
            variables: Vec::new(),
            windows: Windows::default(),
            symbols: Symbols::default(),
            granted: Tries::grow([Builder::new(), Builder::new(), Builder::new()]),
            denied: Tries::grow([Builder::new(), Builder::new(), Builder::new()]),
            plan: Plan::default(),
            rates: rates::Plan::default(),
        }
    }

    /// Compiles a draft.
    pub(super) fn new(mut draft: Draft) -> Result<Self, Vec<DraftError>> {
        draft.roles.sort_by(|one, other| one.name.cmp(&other.name));
        let names = judge(&draft)?;
        let mut own = Self { roles: Roles::new(mem::take(&mut draft.roles)), ..Self::empty(&draft) };
        draft.grants.sort_by(|one, other| {
            let rank = |grant: &Grant| (is_enforced(grant.mode, grant.on_deny), strictness(grant.on_deny));
            rank(one).cmp(&rank(other)).then_with(|| one.id.cmp(&other.id))
        });
        draft.denies.sort_by(|one, other| {
            let rank = |deny: &Deny| rank(deny.mode, deny.on_deny);
            rank(one).cmp(&rank(other)).then_with(|| one.id.cmp(&other.id))
        });
        own.take_grants(draft.grants, &names)?;
        own.take_denies(draft.denies, &names)?;
        own.take_messages(draft.payloads, draft.signatures, &names)?;
        own.take_rates(draft.rates, &names)?;
        for role in 0..=number(names.len()) {
            own.roles.get_mut(role).into_iter().for_each(|role| role.settle());
        }
        Ok(own)
    }

    fn take_grants(&mut self, grants: Vec<Grant>, names: &Names) -> Result<(), Vec<DraftError>> {
        let mut tries = [Builder::new(), Builder::new(), Builder::new()];
        for (at, mut grant) in grants.into_iter().enumerate() {
            let roles = numbers(&mem::take(&mut grant.roles), names);
            let filters = [&grant.publish[..], &grant.subscribe, &grant.receive];
            self.plant(&mut tries, filters, (number(at), &grant.id), &roles)?;
            let window = grant.when.take().map(|window| self.windows.take(window));
            let (is_enforced, on_deny) = (is_enforced(grant.mode, grant.on_deny), grant.on_deny);
            let most = if is_enforced { (grant.max_qos, grant.retain) } else { (QoS::Two, true) };
            let publishes = (!grant.publish.is_empty()).then_some(most);
            for role in &roles {
                let Some(role) = self.roles.get_mut(*role) else { continue };
                role.grant(publishes);
                role.windows.extend(window);
            }
            let id = mem::take(&mut grant.id).into();
            let except = Box::default();
            self.grants.push(Ruling { id, roles, window, is_enforced, on_deny, except, said: grant });
        }
        self.granted = Tries::grow(tries);
        Ok(())
    }

    fn take_denies(&mut self, denies: Vec<Deny>, names: &Names) -> Result<(), Vec<DraftError>> {
        let mut tries = [Builder::new(), Builder::new(), Builder::new()];
        for (at, mut deny) in denies.into_iter().enumerate() {
            let roles = mem::take(&mut deny.roles);
            let roles = if roles.is_empty() { [Roles::EVERYONE].into() } else { numbers(&roles, names) };
            let filters = [&deny.publish[..], &deny.subscribe, &deny.receive];
            self.plant(&mut tries, filters, (number(at), &deny.id), &roles)?;
            let window = deny.when.take().map(|window| self.windows.take(window));
            for role in &roles {
                let Some(role) = self.roles.get_mut(*role) else { continue };
                if deny.connect {
                    role.connect_denies.push(number(at));
                }
                role.windows.extend(window);
            }
            let mut except = Vec::with_capacity(deny.except.len());
            for filter in &deny.except {
                let levels = filter::parse(filter).map_err(|why| vec![wrong(&deny.id, filter, why)])?;
                except.push(Filter::new(&levels, |attribute| variable(&mut self.variables, attribute)));
            }
            let (is_enforced, on_deny) = (is_enforced(deny.mode, deny.on_deny), deny.on_deny);
            let id = mem::take(&mut deny.id).into();
            self.denies.push(Ruling { id, roles, window, is_enforced, on_deny, except: except.into(), said: deny });
        }
        self.denied = Tries::grow(tries);
        Ok(())
    }

    /// Puts the filters of a rule into the trees: for publish, subscribe and receive.
    pub(super) fn plant(
        &mut self,
        [publish, subscribe, receive]: &mut [Builder; 3],
        [published, subscribed, received]: [&[String]; 3],
        (rule, id): (u32, &str),
        roles: &[u32],
    ) -> Result<(), Vec<DraftError>> {
        let planted =
            [(publish, published, &[][..]), (subscribe, subscribed, &[][..]), (receive, received, subscribed)];
        for (trie, filters, more) in planted {
            for filter in filters.iter().chain(more) {
                let levels = filter::parse(filter).map_err(|why| vec![wrong(id, filter, why)])?;
                let levels: Vec<Level<u32, u32>> = levels.iter().map(|level| self.shared(level)).collect();
                trie.add(&levels, rule, roles);
            }
        }
        Ok(())
    }

    pub(super) fn shared(&mut self, level: &Level<&str, Attribute>) -> Level<u32, u32> {
        match level {
            Level::Exact(text) => Level::Exact(self.symbols.take(text)),
            Level::One => Level::One,
            Level::Rest => Level::Rest,
            Level::Variable(attribute) => Level::Variable(variable(&mut self.variables, attribute)),
        }
    }

    /// The levels of a Topic Name or Topic Filter, as the trees know them.
    pub(super) fn asked<'a>(&self, text: &'a str) -> Vec<(Asked<'a>, u32)> {
        Asked::levels(text).map(|level| (level, self.symbols.find(level.text))).collect()
    }
}

impl Tries {
    fn grow([publish, subscribe, receive]: [Builder; 3]) -> Self {
        Self { publish: publish.finish(), subscribe: subscribe.finish(), receive: receive.finish() }
    }
}

fn variable(variables: &mut Vec<Attribute>, attribute: &Attribute) -> u32 {
    number(variables.iter().position(|known| known == attribute).unwrap_or_else(|| {
        variables.push(attribute.clone());
        variables.len() - 1
    }))
}

pub(super) fn is_enforced(mode: Mode, on_deny: OnDeny) -> bool {
    mode == Mode::Enforce && on_deny != OnDeny::Monitor
}

/// What is enforced comes first, then the strictest.
pub(super) fn rank(mode: Mode, on_deny: OnDeny) -> (bool, u8) {
    (!is_enforced(mode, on_deny), strictness(on_deny))
}

/// The strictest first.
const fn strictness(on_deny: OnDeny) -> u8 {
    match on_deny {
        OnDeny::Disconnect => 0,
        OnDeny::Quarantine => 1,
        OnDeny::Reject => 2,
        OnDeny::Acknowledge => 3,
        OnDeny::Monitor => 4,
    }
}

/// The numbers of roles, by name.
pub(super) type Names = HashMap<String, u32>;

pub(super) fn numbers(roles: &[String], names: &Names) -> Box<[u32]> {
    let number = |role: &String| if role == Role::EVERYONE { Some(Roles::EVERYONE) } else { names.get(role).copied() };
    let mut numbers: Vec<u32> = roles.iter().filter_map(number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers.into()
}

fn wrong(rule: &str, filter: &str, why: String) -> DraftError {
    DraftError::Filter { rule: rule.to_owned(), filter: filter.to_owned(), why }
}

/// Finds everything that is wrong with a draft.
fn judge(draft: &Draft) -> Result<Names, Vec<DraftError>> {
    let mut errors = Vec::new();
    let mut names = Names::new();
    for (at, role) in draft.roles.iter().enumerate() {
        let is_taken = role.name == Role::EVERYONE || names.insert(role.name.clone(), number(at + 1)).is_some();
        if is_taken {
            errors.push(DraftError::DuplicateRole(role.name.clone()));
        }
    }
    let mut ids = HashSet::from([Policy::DEFAULT_RULE]);
    for grant in &draft.grants {
        if grant.roles.is_empty() {
            errors.push(DraftError::NoRole(grant.id.clone()));
        }
        judge_rule(
            &grant.id,
            &grant.roles,
            [&grant.publish, &grant.subscribe, &grant.receive, &[]],
            &names,
            &mut errors,
        );
    }
    for deny in &draft.denies {
        let filters = [&deny.publish[..], &deny.subscribe, &deny.receive, &deny.except];
        judge_rule(&deny.id, &deny.roles, filters, &names, &mut errors);
    }
    let messages = draft.payloads.iter().map(|rule| &rule.rule).chain(draft.signatures.iter().map(|rule| &rule.rule));
    for rule in messages.clone() {
        judge_rule(&rule.id, &rule.roles, [&rule.publish, &rule.receive, &[], &[]], &names, &mut errors);
    }
    for rate in &draft.rates {
        judge_rule(&rate.id, &rate.roles, [&rate.publish, &rate.receive, &[], &[]], &names, &mut errors);
        let shares: Vec<String> = rate.shares.iter().map(|share| share.role.clone()).collect();
        judge_rule(&rate.id, &shares, [&[], &[], &[], &[]], &names, &mut errors);
    }
    let rules = draft.grants.iter().map(|grant| &grant.id).chain(draft.denies.iter().map(|deny| &deny.id));
    let rules = rules.chain(messages.map(|rule| &rule.id)).chain(draft.rates.iter().map(|rate| &rate.id));
    for id in rules {
        if id.is_empty() || id.contains(char::is_control) {
            errors.push(DraftError::Id(id.clone()));
        } else if !ids.insert(id) {
            errors.push(DraftError::DuplicateId(id.clone()));
        }
    }
    if let Err(error) = topic::check_name(&draft.quarantine_topic, &Limits::default()) {
        errors.push(DraftError::QuarantineTopic { topic: draft.quarantine_topic.clone(), why: error.to_string() });
    }
    if errors.is_empty() { Ok(names) } else { Err(errors) }
}

fn judge_rule(id: &str, roles: &[String], filters: [&[String]; 4], names: &Names, errors: &mut Vec<DraftError>) {
    for role in roles.iter().filter(|role| *role != Role::EVERYONE && !names.contains_key(*role)) {
        errors.push(DraftError::UnknownRole { rule: id.to_owned(), role: role.clone() });
    }
    for filter in filters.into_iter().flatten() {
        if let Err(why) = filter::parse(filter) {
            errors.push(wrong(id, filter, why));
        }
    }
}
