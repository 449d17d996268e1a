//! Names of roles and ids of rules: each once over all files, and each that is used exists.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use super::Part;
use super::features::features;
use super::tables::{PolicyTable, RoleTable};
use crate::config::problem::{self, Source};
use crate::config::read::{Located, Reading, listed, nearest};
use crate::policy::{Broad, Mode, Policy, Priority, Role};

/// Names of roles that are looked through for the one that was meant, or shown.
const MAX_LOOKED_AT: usize = 1000;

/// Every role and every id, and where it stands first.
pub(super) struct Names {
    roles: HashMap<String, Place>,
    ids: HashMap<String, Place>,
    used: HashSet<String>,
    /// Whether every role bears a name; else nobody can say which there are.
    is_complete: bool,
}

/// A file, and a byte of it.
type Place = (Arc<Source>, usize);

/// Where a role or a rule of this name stands.
pub(super) fn place<'t>(table: &'t PolicyTable, name: &str) -> Option<&'t Range<usize>> {
    let names = table.role.iter().filter_map(|role| role.value.name.as_ref());
    table.ids().chain(names).find(|known| known.value == name).map(|known| &known.span)
}

impl Names {
    /// Reads all names; those that are there twice are problems.
    pub(super) fn gather(parts: &mut [Part]) -> Self {
        let mut names = Self { roles: HashMap::new(), ids: HashMap::new(), used: HashSet::new(), is_complete: true };
        for Part { table, reading } in parts {
            for role in &table.role {
                names.is_complete &= role.value.name.is_some();
                let Some(name) = &role.value.name else { continue };
                reserved(name, "role", Role::EVERYONE, reading);
                once(&mut names.roles, name, "roles have the name", reading);
            }
            for id in table.ids() {
                reserved(id, "rule", Policy::DEFAULT_RULE, reading);
                once(&mut names.ids, id, "rules have the id", reading);
            }
            names.used.extend(table.named_roles().map(|role| role.value.clone()));
        }
        names
    }

    /// Holds the roles that rules name against those that there are.
    pub(super) fn check(&self, parts: &mut [Part]) {
        for Part { table, reading } in parts {
            for role in table.named_roles() {
                if !reading.is_full() {
                    self.known(role, reading);
                }
            }
            for role in &table.role {
                self.unused(&role.value, reading);
            }
        }
    }

    fn known(&self, role: &Located<String>, reading: &mut Reading) {
        if !self.is_complete || role.value == Role::EVERYONE || self.roles.contains_key(&role.value) {
            return;
        }
        let names = || {
            let mut names: Vec<&str> = self.roles.keys().map(String::as_str).take(MAX_LOOKED_AT).collect();
            names.push(Role::EVERYONE);
            names.sort_unstable();
            names
        };
        let help = match nearest(&role.value, names().into_iter()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if names().len() > 20 => format!("add a `[[role]]` with `name = \"{}\"`", role.value),
            None => format!("roles: {}", listed(names().into_iter())),
        };
        let problem = reading
            .at(problem::Kind::UnknownName, &role.span, format!("no role has the name `{}`", role.value))
            .label("expected the name of a `[[role]]`")
            .help(help);
        reading.report(problem);
    }

    /// A role that no rule names, and that does nothing by itself.
    fn unused(&self, role: &RoleTable, reading: &mut Reading) {
        let Some(name) = &role.name else { return };
        let acts = role.max_lifetime.is_some()
            || role.mode.as_ref().is_some_and(|mode| mode.value == Mode::Monitor)
            || role.on_broad_subscription == Broad::Filter
            || role.priority != Priority::Normal
            || !features(role).is_all();
        if acts || self.used.contains(&name.value) {
            return;
        }
        let message = format!("no rule names the role `{}`", name.value);
        let problem = reading.at(problem::Kind::Unused, &name.span, message).warning();
        reading.report(problem);
    }
}

/// A name that means something else.
fn reserved(name: &Located<String>, what: &str, taken: &str, reading: &mut Reading) {
    if name.value == taken {
        let problem =
            reading.at(problem::Kind::Duplicate, &name.span, format!("`{taken}` is a {what} that is built in"));
        reading.report(problem);
    }
}

fn once(seen: &mut HashMap<String, Place>, name: &Located<String>, what: &str, reading: &mut Reading) {
    let Some((source, at)) = seen.get(&name.value) else {
        seen.insert(name.value.clone(), (Arc::clone(&reading.source), name.span.start));
        return;
    };
    if reading.is_full() {
        return;
    }
    let problem = reading
        .at(problem::Kind::Duplicate, &name.span, format!("two {what} `{}`", name.value))
        .label(format!("the first is on line {} of `{}`", source.line(*at), source.path.display()));
    reading.report(problem);
}
