//! Who has which roles.
//!
//! Most roles of a large policy are for one client, by its name: those are looked up. Only roles that can't be found by
//! a name, because they ask for a pattern or an address, are gone through one by one. Read [`Roles::of`] first.

use std::borrow::Cow;
use std::collections::HashMap;
use std::mem;
use std::time::Duration;

use super::number;
use super::{Broad, Condition, Features, Mode, Priority, Role};
use crate::identity::{Attribute, Identity, Pattern, Prefix};
use crate::mqtt::frame::QoS;

/// Every role of a policy.
#[derive(Debug, Default)]
pub(super) struct Roles {
    /// By number; the first is everyone's.
    roles: Vec<Held>,
    /// What roles ask for.
    attributes: Vec<Attribute>,
    by_member: HashMap<Box<str>, Numbers>,
    /// For an attribute, by its value.
    by_value: HashMap<usize, HashMap<Box<str>, Numbers>>,
    /// Those that are found in no other way.
    others: Vec<u32>,
}

/// One role, and what it means to those who have it.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) name: Box<str>,
    /// What must hold beside what it is found by.
    tests: Box<[Test]>,
    pub(super) mode: Mode,
    pub(super) broad: Broad,
    pub(super) max_lifetime: Option<Duration>,
    pub(super) priority: Priority,
    pub(super) features: Features,
    /// Whether some grant is for it.
    pub(super) is_granted: bool,
    /// The most that its grants let be published, as QoS and RETAIN; none where they let nothing be.
    pub(super) publishes: Option<(QoS, bool)>,
    /// Denials that refuse the connection, ascending.
    pub(super) connect_denies: Vec<u32>,
    /// Windows of its rules.
    pub(super) windows: Vec<u32>,
}

#[derive(Debug)]
enum Test {
    /// Some value of the attribute is one of these, or matches.
    Text { attribute: usize, exact: Box<[Box<str>]>, globs: Box<[Pattern]> },
    /// The address is in one of these.
    Address(Box<[Prefix]>),
}

/// A few numbers of roles; one, mostly.
#[derive(Debug)]
enum Numbers {
    One(u32),
    Many(Vec<u32>),
}

impl Numbers {
    fn add(&mut self, role: u32) {
        match self {
            Self::One(first) => *self = Self::Many(vec![*first, role]),
            Self::Many(roles) => roles.push(role),
        }
    }

    fn as_slice(&self) -> &[u32] {
        match self {
            Self::One(role) => std::slice::from_ref(role),
            Self::Many(roles) => roles,
        }
    }
}

fn add(map: &mut HashMap<Box<str>, Numbers>, key: Box<str>, role: u32) {
    map.entry(key).and_modify(|numbers| numbers.add(role)).or_insert(Numbers::One(role));
}

impl Held {
    fn new(role: &Role) -> Self {
        Self {
            name: role.name.as_str().into(),
            tests: Box::default(),
            mode: role.mode,
            broad: role.on_broad_subscription,
            max_lifetime: role.max_lifetime,
            priority: role.priority,
            features: role.features.clone(),
            is_granted: false,
            publishes: None,
            connect_denies: Vec::new(),
            windows: Vec::new(),
        }
    }
}

impl Roles {
    /// The number of the role that everyone has.
    pub(super) const EVERYONE: u32 = 0;

    /// Takes roles in; the number of each is its place here, counted from 1.
    pub(super) fn new(roles: Vec<Role>) -> Self {
        let mut own = Self { roles: vec![Held::new(&Role::new(Role::EVERYONE))], ..Self::default() };
        let frequent = frequencies(&roles);
        for mut role in roles {
            let number = number(own.roles.len());
            let mut held = Held::new(&role);
            let members = role.members.take();
            let key = if members.is_some() { None } else { key(&role.conditions, &frequent) };
            if members.is_none() && key.is_none() {
                own.others.push(number);
            }
            for name in members.into_iter().flatten() {
                add(&mut own.by_member, name, number);
            }
            let mut tests = Vec::new();
            for (at, condition) in role.conditions.into_iter().enumerate() {
                match &condition {
                    Condition::Text { attribute, any } if key == Some(at) => own.find_by(attribute, any, number),
                    Condition::Text { .. } | Condition::Address(_) => tests.push(own.test(condition)),
                }
            }
            held.tests = tests.into();
            own.roles.push(held);
        }
        own
    }

    fn find_by(&mut self, attribute: &Attribute, any: &[Pattern], role: u32) {
        let attribute = self.attribute(attribute);
        let values = self.by_value.entry(attribute).or_default();
        let mut any: Vec<Box<str>> = any.iter().map(|pattern| pattern.as_str().into()).collect();
        any.sort_unstable();
        any.dedup();
        any.into_iter().for_each(|value| add(values, value, role));
    }

    fn test(&mut self, condition: Condition) -> Test {
        match condition {
            Condition::Address(prefixes) => Test::Address(prefixes.into()),
            Condition::Text { attribute, any } => {
                let (exact, globs): (Vec<_>, Vec<_>) = any.into_iter().partition(|one| one.literal().is_some());
                let mut exact: Box<[Box<str>]> = exact.iter().map(|one| one.as_str().into()).collect();
                exact.sort_unstable();
                Test::Text { attribute: self.attribute(&attribute), exact, globs: globs.into() }
            }
        }
    }

    fn attribute(&mut self, attribute: &Attribute) -> usize {
        self.attributes.iter().position(|known| known == attribute).unwrap_or_else(|| {
            self.attributes.push(attribute.clone());
            self.attributes.len() - 1
        })
    }

    /// The numbers of the roles that a client has, ascending; everyone's is the first.
    pub(super) fn of(&self, identity: &Identity) -> Box<[u32]> {
        let known: Vec<Vec<Cow<'_, str>>> = self.attributes.iter().map(|one| one.values(identity)).collect();
        let mut found: Vec<u32> = Vec::new();
        if let Some(roles) = identity.name.as_deref().and_then(|name| self.by_member.get(name)) {
            found.extend(roles.as_slice());
        }
        for (attribute, values) in &self.by_value {
            for value in known.get(*attribute).into_iter().flatten() {
                found.extend(values.get(&**value).map(Numbers::as_slice).unwrap_or_default());
            }
        }
        found.extend(&self.others);
        found.retain(|role| {
            self.get(*role).is_some_and(|role| role.tests.iter().all(|test| test.holds(identity, &known)))
        });
        found.push(Self::EVERYONE);
        found.sort_unstable();
        found.dedup();
        found.into()
    }

    pub(super) fn get(&self, role: u32) -> Option<&Held> {
        self.roles.get(role as usize)
    }

    pub(super) fn get_mut(&mut self, role: u32) -> Option<&mut Held> {
        self.roles.get_mut(role as usize)
    }
}

impl Test {
    fn holds(&self, identity: &Identity, known: &[Vec<Cow<'_, str>>]) -> bool {
        match self {
            Self::Address(prefixes) => prefixes.iter().any(|prefix| prefix.contains(identity.source.ip())),
            Self::Text { attribute, exact, globs } => known.get(*attribute).into_iter().flatten().any(|value| {
                exact.binary_search_by(|one| (**one).cmp(&**value)).is_ok()
                    || globs.iter().any(|glob| glob.matches(value))
            }),
        }
    }
}

/// How often roles ask for the same: found by what many ask for, many would be looked at.
fn frequencies(roles: &[Role]) -> HashMap<(Attribute, Box<str>), usize> {
    let mut counts = HashMap::new();
    for condition in roles.iter().filter(|role| role.members.is_none()).flat_map(|role| &role.conditions) {
        if let Condition::Text { attribute, any } = condition {
            for pattern in any {
                *counts.entry((attribute.clone(), pattern.as_str().into())).or_default() += 1;
            }
        }
    }
    counts
}

/// The condition that a role is best found by, if there is one.
fn key(conditions: &[Condition], counts: &HashMap<(Attribute, Box<str>), usize>) -> Option<usize> {
    let rank = |condition: &Condition| match condition {
        Condition::Text { attribute, any } if any.iter().all(|pattern| pattern.literal().is_some()) => {
            let count = |one: &Pattern| counts.get(&(attribute.clone(), one.as_str().into())).copied().unwrap_or(0);
            Some(any.iter().map(count).max().unwrap_or(0))
        }
        Condition::Text { .. } | Condition::Address(_) => None,
    };
    let ranked = conditions.iter().enumerate().filter_map(|(at, condition)| Some((rank(condition)?, at)));
    ranked.min().map(|(_, at)| at)
}

impl Held {
    /// A grant is for it: `publishes` is the most that it lets be published.
    pub(super) fn grant(&mut self, publishes: Option<(QoS, bool)>) {
        self.is_granted = true;
        self.publishes = match (self.publishes, publishes) {
            (Some((one, first)), Some((other, second))) => {
                let qos = if one.value() < other.value() { other } else { one };
                Some((qos, first || second))
            }
            (one, other) => one.or(other),
        };
    }

    /// Lets go of what was only needed to grow.
    pub(super) fn settle(&mut self) {
        self.connect_denies.sort_unstable();
        self.windows.sort_unstable();
        self.windows.dedup();
        for list in [&mut self.connect_denies, &mut self.windows] {
            *list = mem::take(list).into_boxed_slice().into_vec();
        }
    }
}
