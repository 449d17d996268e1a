//! Ordered lists to rules without an order.
//!
//! Whatever a list gives is a grant. A line that takes is a denial, except for what the lines before it give, in this list and
//! in those that the same clients go through before: then the denial speaks exactly where the line would have been the first
//! that fits. Clients who come to a list from different ones before it get a denial each.
//! Read [`Rules::add`] first.

use std::collections::{BTreeMap, HashMap};

use super::names::Names;
use super::report::{Kind, Place, Report};
use super::sheet::{Action, Line, List, Sheet, Strange, Subject, Who, widest};
use crate::identity::{Attribute, Method, Pattern};
use crate::mqtt::topic;
use crate::policy::{Broad, Condition, Deny, Draft, Grant, Role};

/// Lines named in one remark; what is more is counted.
const MAX_PLACES: usize = 8;

/// The policy that is made, and where each part of it comes from.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) draft: Draft,
    /// Remarks by name of a role or id of a rule.
    pub(super) notes: BTreeMap<String, String>,
    pub(super) names: Names,
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

/// Clients that a rule is for; the users in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Class {
    users: Vec<String>,
    anonymous: bool,
    others: bool,
}

impl Class {
    fn add(&mut self, who: &Who) {
        match who {
            Who::User(name) => self.users.push(name.clone()),
            Who::Anonymous => self.anonymous = true,
            Who::Others => self.others = true,
        }
    }

    fn of<'s>(subjects: impl Iterator<Item = &'s Subject>) -> Self {
        let mut class = Self::default();
        subjects.for_each(|subject| class.add(&subject.who));
        class.users.sort_unstable();
        class
    }
}

/// What roles are wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Grant,
    Deny,
}

/// A denial that is being put together.
#[derive(Default)]
struct Taken {
    filters: BTreeMap<Action, Vec<String>>,
    places: Vec<Place>,
}

impl Rules {
    pub(super) fn new(version: &str) -> Self {
        Self { draft: Draft::new(version), notes: BTreeMap::new(), names: Names::default() }
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

    /// A role of those whom nothing tells apart, within a realm; none where there is one realm alone.
    fn base(&mut self, realm: &Realm) -> Option<String> {
        (!realm.listeners.is_empty()).then(|| {
            let name = format!("{}clients", realm.prefix);
            if !self.draft.roles.iter().any(|role| role.name == name) {
                let role = Role { conditions: conditions(realm), ..Role::new(&name) };
                self.draft.roles.push(role);
            }
            name
        })
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

/// What must hold of every client of a realm.
fn conditions(realm: &Realm) -> Vec<Condition> {
    if realm.listeners.is_empty() {
        return Vec::new();
    }
    let any = realm.listeners.iter().map(|name| Pattern::new(name)).collect();
    vec![Condition::Text { attribute: Attribute::Listener, any }]
}

struct Adding<'a> {
    rules: &'a mut Rules,
    sheet: &'a Sheet,
    realm: &'a Realm,
    report: &'a mut Report,
    /// Roles that were made, by whom they are for.
    roles: HashMap<Vec<String>, String>,
    anonymous: Option<String>,
    named: Option<String>,
    bound: HashMap<String, String>,
    everyone: Class,
}

impl<'a> Adding<'a> {
    fn new(rules: &'a mut Rules, sheet: &'a Sheet, realm: &'a Realm, report: &'a mut Report) -> Self {
        let everyone = Class::of(sheet.subjects.iter());
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
        }
    }

    /// The names of roles that make up a class; for a denial they may be more.
    fn roles(&mut self, class: &Class, purpose: Purpose, list: &List) -> Vec<String> {
        // Whoever has a grant may connect, so a grant to all would let the bound in under any Client Identifier.
        let tells_apart = purpose == Purpose::Grant && !self.realm.bound.is_empty();
        if !tells_apart && *class == self.everyone {
            return self.rules.all(self.realm);
        }
        let are_all = class.users == self.everyone.users && class.others == self.everyone.others;
        if !tells_apart && !class.anonymous && (are_all || class.others) {
            return vec![self.named()];
        }
        if class.others {
            return self.rules.all(self.realm);
        }
        let (bound, free): (Vec<String>, Vec<String>) =
            class.users.iter().cloned().partition(|user| tells_apart && self.realm.bound.contains_key(user));
        let mut names = Vec::new();
        if !free.is_empty() {
            names.push(match self.roles.get(&free) {
                Some(name) => name.clone(),
                None => self.role(free, list),
            });
        }
        names.extend(bound.iter().map(|user| self.bound(user)));
        if class.anonymous {
            names.push(self.anonymous());
        }
        names
    }

    /// A user with its one Client Identifier.
    fn bound(&mut self, user: &str) -> String {
        if let Some(name) = self.bound.get(user) {
            return name.clone();
        }
        let name = self.rules.names.fresh(&format!("{}client-{user}", self.realm.prefix));
        let mut conditions = conditions(self.realm);
        let client_id = self.realm.bound.get(user).map(String::as_str).unwrap_or_default();
        conditions.push(Condition::Text { attribute: Attribute::ClientId, any: vec![Pattern::new(client_id)] });
        let members = Some([user.into()].into());
        self.rules.draft.roles.push(Role { conditions, members, ..Role::new(&name) });
        self.rules.notes.insert(name.clone(), format!("`{user}`, with the one Client Identifier that it may have"));
        self.bound.insert(user.to_owned(), name.clone());
        name
    }

    /// Whoever is known may connect, whatever else is granted.
    fn connect(&mut self) {
        if self.everyone == Class::default() {
            return;
        }
        let list = List { id: "known".to_owned(), name: "whoever may connect".to_owned(), ..List::default() };
        let roles = self.roles(&self.everyone.clone(), Purpose::Grant, &list);
        let id = self.rules.names.fresh(&format!("{}connect", self.realm.prefix));
        self.rules.notes.insert(id.clone(), "whoever is known may connect, and be granted nothing else".to_owned());
        self.rules.draft.grants.push(Grant { roles, ..Grant::new(&id, &[]) });
    }

    /// Clients with a name that rules can't be put right for.
    fn strange(&mut self, strange: &Strange) {
        let Some(attribute) = Attribute::parse(&strange.attribute) else { return };
        let any = strange.globs.iter().map(|glob| Pattern::new(glob)).collect();
        let mut conditions = conditions(self.realm);
        conditions.push(Condition::Text { attribute, any });
        let plain = strange.attribute.replace('_', "-");
        let name = self.rules.names.fresh(&format!("{}strange-{plain}", self.realm.prefix));
        self.rules.notes.insert(name.clone(), format!("a `{}` that holds a wildcard or a `/`", strange.attribute));
        self.rules.draft.roles.push(Role { conditions, ..Role::new(&name) });
        let id = self.rules.names.fresh(&format!("{name}-deny"));
        self.rules.notes.insert(id.clone(), "patterns give such clients nothing".to_owned());
        let deny = Deny {
            roles: vec![name],
            publish: strange.publish.clone(),
            receive: strange.receive.clone(),
            ..Deny::new(&id)
        };
        self.rules.draft.denies.push(deny);
    }

    /// Everybody with a user name.
    fn named(&mut self) -> String {
        if let Some(name) = &self.named {
            return name.clone();
        }
        let name = self.rules.names.fresh(&format!("{}named", self.realm.prefix));
        let mut conditions = conditions(self.realm);
        let attribute = if self.realm.is_unproven { Attribute::Username } else { Attribute::Identity };
        conditions.push(Condition::Text { attribute, any: vec![Pattern::new("*")] });
        self.rules.draft.roles.push(Role { conditions, ..Role::new(&name) });
        self.rules.notes.insert(name.clone(), "clients with a user name".to_owned());
        self.named = Some(name.clone());
        name
    }

    fn role(&mut self, users: Vec<String>, list: &List) -> String {
        let name = self.rules.names.fresh(&format!("{}{}", self.realm.prefix, list.id));
        let mut role = Role { conditions: conditions(self.realm), ..Role::new(&name) };
        if self.realm.is_unproven {
            let any = users.iter().map(|user| Pattern::new(user)).collect();
            role.conditions.push(Condition::Text { attribute: Attribute::Username, any });
        } else {
            role.members = Some(users.iter().map(|user| user.as_str().into()).collect());
        }
        self.rules.notes.insert(name.clone(), list.name.clone());
        self.rules.draft.roles.push(role);
        self.roles.insert(users, name.clone());
        name
    }

    fn anonymous(&mut self) -> String {
        if let Some(name) = &self.anonymous {
            return name.clone();
        }
        let name = self.rules.names.fresh(&format!("{}anonymous", self.realm.prefix));
        let mut conditions = conditions(self.realm);
        let any = vec![Pattern::new(Method::Anonymous.label())];
        conditions.push(Condition::Text { attribute: Attribute::Method, any });
        self.rules.draft.roles.push(Role { conditions, ..Role::new(&name) });
        self.rules.notes.insert(name.clone(), "clients without a user name".to_owned());
        self.anonymous = Some(name.clone());
        name
    }

    fn grants(&mut self, at: usize, list: &List) {
        let class = Class::of(self.sheet.holders(at));
        if class == Class::default() || Action::ALL.iter().all(|action| list.given(*action).next().is_none()) {
            return;
        }
        let roles = self.roles(&class, Purpose::Grant, list);
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

    fn denies(&mut self, at: usize, list: &List) {
        let mut taken: BTreeMap<(Class, Vec<String>), Taken> = BTreeMap::new();
        for action in Action::ALL {
            for (index, line) in list.lines(action).iter().enumerate().filter(|(_, line)| !line.allow) {
                for filter in &line.filters {
                    let classes = self.classes(at, |before| {
                        let own = list.lines(action).iter().take(index).filter(|line| line.allow);
                        let own = own.flat_map(|line| line.filters.iter().map(String::as_str));
                        let before = before.iter().flat_map(|list| list.given(action));
                        excepted(filter, before.chain(own), &line.except)
                    });
                    take(&mut taken, classes, action, filter, &line.place);
                }
            }
        }
        if self.sheet.judges_subscriptions {
            self.undelivered(at, list, &mut taken);
        }
        self.tell_of_others(&taken);
        for ((class, except), what) in taken {
            let roles = self.roles(&class, Purpose::Deny, list);
            let id = self.rules.names.fresh(&format!("{}{}-deny", self.realm.prefix, list.id));
            let mut deny = Deny { except, ..Deny::new(&id) };
            if roles != [Role::EVERYONE] {
                deny.roles = roles;
            }
            self.rules.notes.insert(id, listed(&what.places));
            let mut filters = what.filters;
            deny.publish = filters.remove(&Action::Publish).unwrap_or_default();
            deny.subscribe = filters.remove(&Action::Subscribe).unwrap_or_default();
            deny.receive = filters.remove(&Action::Receive).unwrap_or_default();
            self.rules.draft.denies.push(deny);
        }
    }

    /// A subscription that is granted brings its deliveries with it: what is not given to be received is denied again.
    fn undelivered(&mut self, at: usize, list: &List, taken: &mut BTreeMap<(Class, Vec<String>), Taken>) {
        for line in list.subscribe.iter().filter(|line| line.allow) {
            for filter in &line.filters {
                let mut classes: BTreeMap<Vec<String>, Class> = BTreeMap::new();
                for subject in self.sheet.holders(at) {
                    let all = subject.lists.iter().filter_map(|list| self.sheet.lists.get(*list));
                    let received = all.flat_map(|list| list.given(Action::Receive));
                    if let Some(except) = excepted(filter, received, &[]) {
                        classes.entry(except).or_default().add(&subject.who);
                    }
                }
                take(taken, classes, Action::Receive, filter, &line.place);
            }
        }
    }

    /// Who comes to a list from which lists, told apart by what `except` makes of those; none of it says nothing.
    fn classes(&self, at: usize, except: impl Fn(&[&List]) -> Option<Vec<String>>) -> BTreeMap<Vec<String>, Class> {
        let mut known: HashMap<&[usize], Option<Vec<String>>> = HashMap::new();
        let mut classes: BTreeMap<Vec<String>, Class> = BTreeMap::new();
        for subject in self.sheet.holders(at) {
            let before = subject.lists.split(|list| *list == at).next().unwrap_or_default();
            let except = known.entry(before).or_insert_with(|| {
                let lists: Vec<&List> = before.iter().filter_map(|list| self.sheet.lists.get(*list)).collect();
                except(&lists)
            });
            if let Some(except) = except {
                classes.entry(except.clone()).or_default().add(&subject.who);
            }
        }
        classes
    }

    /// A role can't be "all but these": where a denial is for those who are named nowhere, it is for all.
    fn tell_of_others(&mut self, taken: &BTreeMap<(Class, Vec<String>), Taken>) {
        for ((class, except), what) in taken.iter().filter(|((class, _), _)| class.others && *class != self.everyone) {
            let users = self.everyone.users.iter().filter(|user| class.users.binary_search(user).is_err());
            let users: Vec<String> = users.cloned().collect();
            let users = named(&users, self.everyone.anonymous && !class.anonymous);
            let but = if except.is_empty() { String::new() } else { format!(", but for `{}`", except.join("`, `")) };
            for place in &what.places {
                let text = format!("denied to all{but}: {users} can't be left out, who had more before this line");
                self.report.add(Kind::Precedence, Some(place), text);
            }
        }
    }
}

fn take(
    taken: &mut BTreeMap<(Class, Vec<String>), Taken>,
    classes: BTreeMap<Vec<String>, Class>,
    action: Action,
    filter: &str,
    place: &Place,
) {
    for (except, class) in classes {
        let what = taken.entry((class, except)).or_default();
        let filters = what.filters.entry(action).or_default();
        if !filters.iter().any(|known| known == filter) {
            filters.push(filter.to_owned());
        }
        if !what.places.contains(place) {
            what.places.push(place.clone());
        }
    }
}

/// What a denial of `filter` leaves alone: of what is given, all that touches it. None where that is all of it.
fn excepted<'f>(filter: &str, given: impl Iterator<Item = &'f str>, own: &[String]) -> Option<Vec<String>> {
    let wide = widest(filter);
    let mut except: Vec<String> = own.to_vec();
    for other in given {
        let is_fixed = !other.contains("${");
        if is_fixed && topic::covers(other, &wide) {
            return None;
        }
        if topic::overlaps(&widest(other), &wide) && !except.iter().any(|known| known == other) {
            except.push(other.to_owned());
        }
    }
    except.sort_unstable();
    Some(except)
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

/// Places, as a remark names them.
fn listed(places: &[Place]) -> String {
    let mut named: Vec<String> = places.iter().take(MAX_PLACES).map(ToString::to_string).collect();
    if let Some(more) = places.len().checked_sub(MAX_PLACES).filter(|more| *more > 0) {
        named.push(format!("and {more} more"));
    }
    named.join(", ")
}

fn named(users: &[String], anonymous: bool) -> String {
    match (users, anonymous) {
        ([], _) => "clients without a user name".to_owned(),
        ([one], _) => format!("`{one}`"),
        ([one, more @ ..], _) => format!("`{one}` and {} more", more.len()),
    }
}
