//! Who a rule is for: roles for any set of clients.

use super::{Adding, Realm};
use crate::identity::{Attribute, Method, Pattern};
use crate::import::sheet::{List, Strange, Subject, Who};
use crate::policy::{Condition, Deny, Role};

/// Clients that a rule is for; the users in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Class {
    pub(super) users: Vec<String>,
    pub(super) anonymous: bool,
    pub(super) others: bool,
}

impl Class {
    pub(super) fn add(&mut self, who: &Who) {
        match who {
            Who::User(name) => self.users.push(name.clone()),
            Who::Anonymous => self.anonymous = true,
            Who::Others => self.others = true,
        }
    }

    pub(super) fn of<'s>(subjects: impl Iterator<Item = &'s Subject>) -> Self {
        let mut class = Self::default();
        subjects.for_each(|subject| class.add(&subject.who));
        class.users.sort_unstable();
        class
    }
}

/// What roles are wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Grant,
    Deny,
}

impl Adding<'_> {
    /// The names of roles that make up a class; for a denial they may be more.
    pub(super) fn roles(&mut self, class: &Class, purpose: Purpose, list: &List) -> Vec<String> {
        // Whoever has a grant may connect, so a grant to all would let the bound in under any Client Identifier.
        let binds = !self.realm.bound.is_empty();
        let tells_apart = purpose == Purpose::Grant && binds;
        let may_be_all = !tells_apart && (list.is_for_all || class.others);
        if may_be_all && *class == self.everyone {
            return self.rules.all(self.realm);
        }
        let are_all = class.users == self.everyone.users && class.others == self.everyone.others;
        if may_be_all && !class.anonymous && (are_all || class.others) {
            return vec![self.named()];
        }
        if self.takes_in_more(class) {
            return if purpose == Purpose::Deny { self.rules.all(self.realm) } else { Vec::new() };
        }
        let (bound, free): (Vec<String>, Vec<String>) =
            class.users.iter().cloned().partition(|user| binds && self.realm.bound.contains_key(user));
        let mut names = Vec::new();
        if !free.is_empty() {
            // The roles of a plugin stay apart, whoever has them now; the users of an `acl_file` are who they are.
            let of_list = if self.sheet.judges_subscriptions { list.id.clone() } else { String::new() };
            let key = (of_list, free);
            names.push(match self.roles.get(&key) {
                Some(name) => name.clone(),
                None => self.role(key, list),
            });
        }
        names.extend(bound.iter().map(|user| self.bound(user)));
        if class.anonymous {
            names.push(self.anonymous());
        }
        names
    }

    /// Whether a class, other than everyone, can't be told from the rest: a role can't be "all but these", and where nothing
    /// proves user names it can't be told who has none.
    pub(super) fn takes_in_more(&self, class: &Class) -> bool {
        *class != self.everyone && (class.others || (self.realm.is_unproven && class.anonymous))
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

    /// Clients with a name that rules can't be put right for.
    pub(super) fn strange(&mut self, strange: &Strange) {
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

    fn role(&mut self, key: (String, Vec<String>), list: &List) -> String {
        let users = &key.1;
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
        self.roles.insert(key, name.clone());
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
}

/// What must hold of every client of a realm.
pub(super) fn conditions(realm: &Realm) -> Vec<Condition> {
    if realm.listeners.is_empty() {
        return Vec::new();
    }
    let any = realm.listeners.iter().map(|name| Pattern::new(name)).collect();
    vec![Condition::Text { attribute: Attribute::Listener, any }]
}
