//! Ordered lists to rules without an order.
//!
//! Whatever a list gives is a grant. A line that takes is a denial, except for what the lines before it give, in this list and
//! in those that the same clients go through before: then the denial speaks exactly where the line would have been the first
//! that fits. Clients who come to a list from different ones before it get a denial each.
//! Read [`Rules::add`] first.

mod denials;
mod roles;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use self::roles::{Class, Purpose, conditions};
use super::names::Names;
use super::report::{Place, Report, listed};
use super::sheet::{Action, Line, List, Sheet, Subject};
use crate::identity::{Attribute, Method, Pattern};
use crate::policy::{Broad, Condition, Draft, Grant, Role};

/// The policy that is made, and where each part of it comes from.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) draft: Draft,
    /// Remarks by name of a role or id of a rule.
    pub(super) notes: BTreeMap<String, String>,
    pub(super) names: Names,
    /// Names of roles that are for all of a realm.
    bases: BTreeSet<String>,
}

/// The clients that a sheet is for.
#[derive(Clone, Debug, Default)]
pub(super) struct Realm {
    /// What names begin with; nothing where there is one realm alone.
    pub(super) prefix: String,
    /// The listeners; all where there is one realm alone.
    pub(super) listeners: Vec<String>,
    /// Whether user names are only claimed, and nothing proves them.
    pub(super) is_unproven: bool,
    /// Users who may have one Client Identifier alone.
    pub(super) bound: BTreeMap<String, String>,
}

impl Rules {
    pub(super) fn new(version: &str) -> Self {
        Self { draft: Draft::new(version), notes: BTreeMap::new(), names: Names::default(), bases: BTreeSet::new() }
    }

    /// Makes rules of a sheet.
    pub(super) fn add(&mut self, sheet: &Sheet, realm: &Realm, report: &mut Report) {
        let mut adding = Adding::new(self, sheet, realm, report);
        for (at, list) in sheet.lists.iter().enumerate() {
            adding.grants(at, list);
            adding.denies(at, list);
        }
        for strange in &sheet.strange {
            adding.strange(strange);
        }
        adding.connect();
        if !sheet.judges_subscriptions {
            self.let_subscribe(realm);
        }
    }

    /// Sees to a grant where nobody is let in: a policy without one is taken for a mistake.
    pub(super) fn complete(&mut self) {
        if !self.draft.grants.is_empty() {
            return;
        }
        let nobody = self.names.fresh("nobody");
        let any = vec![Pattern::new(Method::Unproven.label())];
        let conditions = vec![Condition::Text { attribute: Attribute::Method, any }];
        self.notes.insert(nobody.clone(), "the files let nobody in".to_owned());
        self.draft.roles.push(Role { conditions, ..Role::new(&nobody) });
        let id = self.names.fresh("nobody-grant");
        self.draft.grants.push(Grant::new(&id, &[&nobody]));
    }

    /// A role of those whom nothing tells apart, within a realm; none where there is one realm alone.
    fn base(&mut self, realm: &Realm) -> Option<String> {
        if realm.listeners.is_empty() {
            return None;
        }
        let name = format!("{}clients", realm.prefix);
        if self.bases.insert(name.clone()) {
            self.draft.roles.push(Role { conditions: conditions(realm), ..Role::new(&name) });
        }
        Some(name)
    }

    /// Lets the subscriptions of a realm through, so that deliveries alone are judged.
    fn let_subscribe(&mut self, realm: &Realm) {
        let name = self.base(realm).unwrap_or_else(|| {
            let name = self.names.fresh("clients");
            self.draft.roles.push(Role::new(&name));
            name
        });
        self.notes
            .insert(name.clone(), "an acl_file says nothing of subscriptions: only deliveries are judged".to_owned());
        for role in self.draft.roles.iter_mut().filter(|role| role.name == name) {
            role.on_broad_subscription = Broad::Filter;
        }
    }

    /// Names of roles for a rule that holds for all of a realm.
    fn all(&mut self, realm: &Realm) -> Vec<String> {
        vec![self.base(realm).unwrap_or_else(|| Role::EVERYONE.to_owned())]
    }
}

struct Adding<'a> {
    rules: &'a mut Rules,
    sheet: &'a Sheet,
    realm: &'a Realm,
    report: &'a mut Report,
    /// Roles that were made, by the list that they are for, where that matters, and the users in them.
    roles: HashMap<(String, Vec<String>), String>,
    anonymous: Option<String>,
    named: Option<String>,
    bound: HashMap<String, String>,
    everyone: Class,
    /// Who goes through each list, as places in the sheet.
    holders: Vec<Vec<usize>>,
}

impl<'a> Adding<'a> {
    fn new(rules: &'a mut Rules, sheet: &'a Sheet, realm: &'a Realm, report: &'a mut Report) -> Self {
        let everyone = Class::of(sheet.subjects.iter());
        let mut holders = vec![Vec::new(); sheet.lists.len()];
        for (at, subject) in sheet.subjects.iter().enumerate() {
            for list in &subject.lists {
                holders.get_mut(*list).into_iter().for_each(|holders: &mut Vec<usize>| holders.push(at));
            }
        }
        Self {
            rules,
            sheet,
            realm,
            report,
            roles: HashMap::new(),
            anonymous: None,
            named: None,
            bound: HashMap::new(),
            everyone,
            holders,
        }
    }

    /// The subjects that go through a list.
    fn holders(&self, list: usize) -> impl Iterator<Item = &'a Subject> {
        let sheet = self.sheet;
        self.holders.get(list).into_iter().flatten().filter_map(|at| sheet.subjects.get(*at))
    }

    /// Whoever is known may connect, whatever else is granted.
    fn connect(&mut self) {
        if self.everyone == Class::default() {
            return;
        }
        let list = List {
            id: "known".to_owned(),
            name: "whoever may connect".to_owned(),
            is_for_all: true,
            ..List::default()
        };
        let roles = self.roles(&self.everyone.clone(), Purpose::Grant, &list);
        let id = self.rules.names.fresh(&format!("{}connect", self.realm.prefix));
        self.rules.notes.insert(id.clone(), "whoever is known may connect, and be granted nothing else".to_owned());
        self.rules.draft.grants.push(Grant { roles, ..Grant::new(&id, &[]) });
    }

    fn grants(&mut self, at: usize, list: &List) {
        let class = Class::of(self.holders(at));
        if class == Class::default() || Action::ALL.iter().all(|action| list.given(*action).next().is_none()) {
            return;
        }
        let roles = self.roles(&class, Purpose::Grant, list);
        if roles.is_empty() {
            return;
        }
        let id = self.rules.names.fresh(&format!("{}{}-grant", self.realm.prefix, list.id));
        let note = places(Action::ALL.iter().flat_map(|action| list.lines(*action)).filter(|line| line.allow));
        let mut grant = Grant { roles: roles.clone(), ..Grant::new(&id, &[]) };
        grant.publish = filters(list.publish.iter());
        self.rules.notes.insert(id, note);
        if self.sheet.judges_subscriptions {
            grant.subscribe = filters(list.subscribe.iter().filter(|line| !line.shared));
            grant.receive = filters(list.receive.iter());
            grant.share_groups = (!grant.subscribe.is_empty()).then(Vec::new);
        } else {
            grant.subscribe = filters(list.receive.iter());
        }
        if !(grant.publish.is_empty() && grant.subscribe.is_empty() && grant.receive.is_empty()) {
            self.rules.draft.grants.push(grant);
        }
        self.shared_grant(list, roles);
    }

    /// What reaches Shared Subscriptions, which is a grant of its own.
    fn shared_grant(&mut self, list: &List, roles: Vec<String>) {
        let shared = list.subscribe.iter().filter(|line| line.shared && line.allow);
        if !self.sheet.judges_subscriptions || shared.clone().next().is_none() {
            return;
        }
        let id = self.rules.names.fresh(&format!("{}{}-subscribe", self.realm.prefix, list.id));
        self.rules.notes.insert(id.clone(), places(shared.clone()));
        self.rules.draft.grants.push(Grant { roles, subscribe: filters(shared), ..Grant::new(&id, &[]) });
    }
}

/// The filters of the lines that give, each once.
fn filters<'l>(lines: impl Iterator<Item = &'l Line>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for filter in lines.filter(|line| line.allow).flat_map(|line| &line.filters) {
        if !all.contains(filter) {
            all.push(filter.clone());
        }
    }
    all
}

fn places<'l>(lines: impl Iterator<Item = &'l Line>) -> String {
    let mut all: Vec<Place> = lines.map(|line| line.place.clone()).collect();
    all.sort_unstable();
    all.dedup();
    listed(&all)
}
