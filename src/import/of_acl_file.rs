//! An `acl_file` as ordered lists.
//!
//! A user's own lines go before the patterns, and in both what takes goes before what gives. Subscriptions are not judged.
//! Read [`sheet`] first.

use std::collections::{BTreeMap, HashMap};

use super::acl_file::{Access, AclFile, Entry};
use super::filter::{Level, Said, first_level, publishable, said};
use super::report::{Kind, Report};
use super::sheet::{Line, List, Sheet, Strange, Subject, Who};

/// Lines that patterns may become by being written out for each user.
const MAX_WRITTEN_OUT: usize = 20_000;

const CLIENT: &str = "${client_id}";

/// Who may turn up beside those that the file names.
pub(super) struct Crowd<'a> {
    /// Users who can log in, whether the file names them or not.
    pub(super) users: &'a [String],
    /// Whether others may that are known nowhere.
    pub(super) others: bool,
    /// Whether clients without a user name may.
    pub(super) anonymous: bool,
    /// Whether nothing proves user names: then it can't be told who has none.
    pub(super) is_unproven: bool,
}

impl Crowd<'_> {
    /// What `%u` becomes.
    const fn user(&self) -> &'static str {
        if self.is_unproven { "${username}" } else { "${identity}" }
    }
}

/// Puts the file into lists.
pub(super) fn sheet(acl: &AclFile, crowd: &Crowd<'_>, report: &mut Report) -> Sheet {
    let of_user = |entry: &&Entry| entry.filter.contains("%u");
    let writing = acl.patterns.iter().filter(of_user).count().saturating_mul(crowd.users.len());
    let can_write_out = !crowd.others && writing <= MAX_WRITTEN_OUT;
    let mut making = Making { sheet: Sheet::default(), crowd, can_write_out, report };
    let own = making.users(acl);
    let takes = |takes: bool| acl.patterns.iter().filter(move |entry| (entry.access == Access::Deny) == takes);
    let shared = takes(true).chain(takes(false)).filter(|entry| !of_user(entry));
    let shared = making.patterns("patterns", "patterns", shared);
    let taken = making.patterns("patterns-of-users", "patterns with `%u`", takes(true).filter(of_user));
    let given = making.patterns("patterns-of-users", "patterns with `%u`", takes(false).filter(of_user));
    let names = making.names(acl);
    let nameless =
        if crowd.anonymous { making.own("anonymous", "lines before any user", &acl.anonymous) } else { None };
    // Where it can't be told who has no user name, all are given what those have, and whoever has one is denied it.
    let (not_theirs, nameless_too) = if crowd.is_unproven { (making.denied(nameless), nameless) } else { (None, None) };
    for name in names {
        let (own, also_taken) = (own.get(&name).copied(), making.written_out(&name, takes(true)));
        let also_given = making.written_out(&name, takes(false));
        making.subject(Who::User(name), [own, also_taken, taken, shared, given, also_given, not_theirs, nameless_too]);
    }
    if crowd.anonymous {
        making.subject(Who::Anonymous, [nameless, None, None, shared, None, None, None, None]);
    }
    if crowd.others {
        making.subject(Who::Others, [None, None, taken, shared, given, None, not_theirs, nameless_too]);
    }
    making.strangers(acl);
    making.sheet
}

struct Making<'r> {
    sheet: Sheet,
    crowd: &'r Crowd<'r>,
    /// Whether patterns of users become lines of each.
    can_write_out: bool,
    report: &'r mut Report,
}

impl Making<'_> {
    fn list(&mut self, list: List) -> Option<usize> {
        if list.is_empty() {
            return None;
        }
        self.sheet.lists.push(list);
        Some(self.sheet.lists.len() - 1)
    }

    fn subject(&mut self, who: Who, lists: [Option<usize>; 8]) {
        self.sheet.subjects.push(Subject { who, lists: lists.into_iter().flatten().collect() });
    }

    /// A list that takes what another gives.
    fn denied(&mut self, given: Option<usize>) -> Option<usize> {
        let given = self.sheet.lists.get(given?)?;
        let take = |lines: &[Line]| {
            let all = lines.iter().filter(|line| line.allow);
            all.map(|line| Line { allow: false, ..line.clone() }).collect::<Vec<_>>()
        };
        let list = List {
            id: "not-anonymous".to_owned(),
            is_for_all: true,
            name: "what clients without a user name alone may do".to_owned(),
            publish: take(&given.publish),
            receive: take(&given.receive),
            ..List::default()
        };
        self.list(list)
    }

    /// Every user by name, in order.
    fn names(&mut self, acl: &AclFile) -> Vec<String> {
        let mut names = self.crowd.users.to_vec();
        names.sort_unstable();
        for (name, entries) in &acl.users {
            if self.crowd.is_unproven && name.contains("${") {
                let place = entries.first().map(|entry| &entry.place);
                self.report.add(
                    Kind::Text,
                    place,
                    format!("`{name}` can't be written as a user name: its lines are left out"),
                );
            } else if self.crowd.others {
                names.push(name.clone());
            } else if let (Err(_), Some(entry)) = (names.binary_search(name), entries.first()) {
                let text = format!("nobody can log in as `{name}`: its lines are left out");
                self.report.add(Kind::NoEffect, Some(&entry.place), text);
            }
        }
        names.sort_unstable();
        names.dedup();
        names
    }

    /// A list of one's own lines: those that take before those that give.
    fn own(&mut self, id: &str, name: &str, entries: &[Entry]) -> Option<usize> {
        let mut list = List { id: id.to_owned(), name: name.to_owned(), ..List::default() };
        for takes in [true, false] {
            for entry in entries.iter().filter(|entry| (entry.access == Access::Deny) == takes) {
                let levels = entry.filter.split('/').map(Level::text).collect();
                if let Some(filter) = self.written(entry, levels) {
                    push(&mut list, entry, &filter);
                }
            }
        }
        self.list(list)
    }

    /// The lines of a user; of one whose name would be read as a pattern, what they take alone.
    fn own_of(&mut self, id: &str, title: &str, name: &str, entries: &[Entry]) -> Option<usize> {
        if !(self.crowd.is_unproven && name.contains('*')) {
            return self.own(id, title, entries);
        }
        if let Some(entry) = entries.first() {
            let text = format!("`{name}` would be read as a pattern: its lines are not granted");
            self.report.add(Kind::Text, Some(&entry.place), text);
        }
        let entries: Vec<Entry> = entries.iter().filter(|entry| entry.access == Access::Deny).cloned().collect();
        self.own(id, title, &entries)
    }

    /// The lists of the users that the file names: one for all who have the same lines.
    fn users(&mut self, acl: &AclFile) -> HashMap<String, usize> {
        let mut known = self.crowd.users.to_vec();
        known.sort_unstable();
        let mut alike: BTreeMap<Vec<(Access, &str)>, Vec<usize>> = BTreeMap::new();
        for (at, (name, entries)) in acl.users.iter().enumerate() {
            if self.crowd.others || known.binary_search(name).is_ok() {
                let mut lines: Vec<_> = entries.iter().map(|entry| (entry.access, entry.filter.as_str())).collect();
                lines.sort_unstable();
                if self.crowd.is_unproven && name.contains('*') {
                    // Alone, so that its name widens no other's role.
                    lines.push((Access::Read, name));
                }
                alike.entry(lines).or_default().push(at);
            }
        }
        let mut groups: Vec<Vec<usize>> = alike.into_values().collect();
        groups.sort_unstable();
        let mut lists = HashMap::new();
        for group in groups {
            let users: Vec<&(String, Vec<Entry>)> = group.iter().filter_map(|at| acl.users.get(*at)).collect();
            let Some((first, entries)) = users.first() else { continue };
            let (id, name) = match users.len() {
                1 => (format!("user-{first}"), format!("user `{first}`")),
                more => (format!("users-like-{first}"), format!("user `{first}` and {} with the same lines", more - 1)),
            };
            if let Some(list) = self.own_of(&id, &name, first, entries) {
                lists.extend(users.iter().map(|(name, _)| (name.clone(), list)));
            }
        }
        lists
    }

    /// Patterns as they are for everybody.
    fn patterns<'e>(&mut self, id: &str, name: &str, entries: impl Iterator<Item = &'e Entry>) -> Option<usize> {
        let mut list = List { id: id.to_owned(), name: name.to_owned(), is_for_all: true, ..List::default() };
        for entry in entries {
            if let Some(filter) = self.pattern(entry) {
                push(&mut list, entry, &filter);
            }
        }
        self.list(list)
    }

    /// A pattern with variables for `%c` and `%u`, where those are whole levels.
    fn pattern(&mut self, entry: &Entry) -> Option<String> {
        let levels: Vec<Level> = entry.filter.split('/').map(|level| self.level(level)).collect();
        let is_part = |level: &Level| !level.is_variable && holds(&level.text);
        if !levels.iter().any(is_part) || fits_nothing(entry) {
            return self.written(entry, levels);
        }
        if self.can_write_out && can_be_written_out(&entry.filter) {
            return None;
        }
        let levels = levels.into_iter().map(|level| if is_part(&level) { Level::text("+") } else { level }).collect();
        self.instead(entry, Kind::PartOfALevel, "a variable is a whole level or none", widened(levels))
    }

    fn level(&self, text: &str) -> Level {
        match text {
            "%c" => Level::variable(CLIENT),
            "%u" => Level::variable(self.crowd.user()),
            text => Level::text(text),
        }
    }

    /// The patterns that this user needs spelled out: the name is a part of a level, or more than one.
    fn written_out<'e>(&mut self, name: &str, entries: impl Iterator<Item = &'e Entry>) -> Option<usize> {
        if !self.can_write_out || name.contains(['+', '#']) {
            return None;
        }
        let is_plain = !name.contains('/') && !name.starts_with('$');
        let mut list =
            List { id: format!("patterns-{name}"), name: format!("patterns, for `{name}`"), ..List::default() };
        for entry in entries.filter(|entry| entry.filter.contains("%u") && can_be_written_out(&entry.filter)) {
            let is_whole = !entry.filter.split('/').any(|level| level != "%u" && level.contains("%u"));
            if is_whole && is_plain {
                continue;
            }
            let spelled = |level: &str| match level {
                "%c" => Level::variable(CLIENT),
                level => Level::text(&level.replace("%u", name)),
            };
            if let Some(filter) = self.written(entry, entry.filter.split('/').map(spelled).collect()) {
                push(&mut list, entry, &filter);
            }
        }
        self.list(list)
    }

    /// A filter as a policy can say it.
    fn written(&mut self, entry: &Entry, levels: Vec<Level>) -> Option<String> {
        let said = said(levels);
        let (Said::Same(filter) | Said::Wider(filter)) = &said;
        if fits_nothing(entry) || first_level(filter) == "$share" {
            let text = format!("`{}`: no message has such a topic", entry.filter);
            self.report.add(Kind::NoEffect, Some(&entry.place), text);
            return None;
        }
        match said {
            Said::Same(filter) => Some(filter),
            Said::Wider(filter) => self.instead(entry, Kind::Text, "can't be said in a policy", filter),
        }
    }

    /// What becomes of a line that can't be kept: what it gives is not given, what it takes is taken with more.
    fn instead(&mut self, entry: &Entry, kind: Kind, why: &str, wider: String) -> Option<String> {
        let takes = entry.access == Access::Deny;
        let instead = if takes { format!("all of `{wider}` is denied") } else { "it is not granted".to_owned() };
        self.report.add(kind, Some(&entry.place), format!("`{}`: {why}; {instead}", entry.filter));
        takes.then_some(wider)
    }

    /// Clients with names that Mosquitto lets have nothing of a pattern, and names that are more than one level.
    fn strangers(&mut self, acl: &AclFile) {
        let names_occur = |text: &str| self.crowd.others || self.crowd.users.iter().any(|user| user.contains(text));
        let has_wildcards = names_occur("+") || names_occur("#");
        let by_user = self.crowd.user().trim_start_matches("${").trim_end_matches('}').to_owned();
        let mut wild = [("client_id", "%c", true), (by_user.as_str(), "%u", has_wildcards)]
            .map(|(attribute, variable, occurs)| (Strange::new(attribute, &["*+*", "*#*"]), variable, occurs));
        let mut deep = [("client_id", "%c", true), (by_user.as_str(), "%u", self.crowd.others)]
            .map(|(attribute, variable, occurs)| (Strange::new(attribute, &["*/*"]), variable, occurs));
        for entry in acl.patterns.iter().filter(|entry| !fits_nothing(entry)) {
            let texts = entry.filter.split('/').map(|level| if holds(level) { "+" } else { level });
            let filter = widened(texts.map(Level::text).collect());
            if entry.access == Access::Deny {
                for (strange, variable, _) in &mut deep {
                    // More levels than one stand where the variable does.
                    if let Some(at) = entry.filter.split('/').position(|level| level.contains(*variable)) {
                        let before =
                            entry.filter.split('/').take(at).map(|level| if holds(level) { "+" } else { level });
                        let filter = widened(before.chain(["#"]).map(Level::text).collect());
                        strange.add(&filter, true, true);
                    }
                }
            } else {
                for (strange, variable, _) in &mut wild {
                    if !entry.filter.contains(*variable) {
                        strange.add(&filter, entry.access.writes(), entry.access.reads());
                    }
                }
            }
        }
        let all = wild.into_iter().chain(deep).filter(|(strange, _, occurs)| *occurs && !strange.is_empty());
        self.sheet.strange = all.map(|(strange, _, _)| strange).collect();
    }
}

/// Whether `%c`, which is known of nobody beforehand, is a whole level wherever it stands.
fn can_be_written_out(filter: &str) -> bool {
    !filter.split('/').any(|level| level != "%c" && level.contains("%c"))
}

fn holds(level: &str) -> bool {
    level.contains("%c") || level.contains("%u")
}

/// Whether no message has such a topic.
fn fits_nothing(entry: &Entry) -> bool {
    first_level(&entry.filter) == "$share"
}

/// What can be said that holds all of it.
fn widened(levels: Vec<Level>) -> String {
    let (Said::Same(filter) | Said::Wider(filter)) = said(levels);
    filter
}

fn push(list: &mut List, entry: &Entry, filter: &str) {
    let line = |filter: String, allow: bool| Line::new(vec![filter], allow, &entry.place);
    if entry.access == Access::Deny {
        list.publish.push(line(filter.to_owned(), false));
        list.receive.push(line(filter.to_owned(), false));
        return;
    }
    if entry.access.writes() {
        list.publish.extend(publishable(filter).map(|filter| line(filter, true)));
    }
    if entry.access.reads() {
        list.receive.push(line(filter.to_owned(), true));
    }
}
