//! The file of Mosquitto's dynamic security plugin.
//!
//! Entries that the plugin passes over in silence are passed over and told. What it takes in an order that depends on its
//! hash table, the same name twice, is refused. Read [`Dynsec`] first.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::json::{self, Node, Value};
use super::password_file;
use super::report::{Kind, Mistake, Place, Report};

/// Priority of what has none.
const NO_PRIORITY: i32 = -1;

/// What may be asked of the plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum AclType {
    PublishClientSend,
    PublishClientReceive,
    SubscribeLiteral,
    SubscribePattern,
    Unsubscribe,
}

impl AclType {
    fn named(name: &str) -> Option<Self> {
        let known = [
            ("publishClientSend", Self::PublishClientSend),
            ("publishClientReceive", Self::PublishClientReceive),
            ("subscribeLiteral", Self::SubscribeLiteral),
            ("subscribePattern", Self::SubscribePattern),
            ("unsubscribeLiteral", Self::Unsubscribe),
            ("unsubscribePattern", Self::Unsubscribe),
        ];
        known.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, kind)| kind)
    }
}

/// One entry of a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Acl {
    pub(super) kind: AclType,
    pub(super) topic: String,
    pub(super) allow: bool,
    pub(super) priority: i32,
    pub(super) place: Place,
}

/// A role; its entries in the order in which they are tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Role {
    pub(super) name: String,
    pub(super) acls: Vec<Acl>,
}

/// Names of roles, highest priority first.
type Ranked = Vec<String>;

/// A client, by its user name.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Client {
    pub(super) name: String,
    pub(super) client_id: Option<String>,
    pub(super) disabled: bool,
    /// As a password file has it.
    pub(super) digest: Option<String>,
    pub(super) roles: Ranked,
    /// Its groups with their priority in it.
    pub(super) groups: Vec<(Reverse<i32>, String)>,
    pub(super) place: Place,
}

/// What is permitted where no entry fits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Defaults {
    pub(super) publish_send: bool,
    pub(super) publish_receive: bool,
    pub(super) subscribe: bool,
    pub(super) unsubscribe: bool,
}

/// Everything that the file says.
#[derive(Clone, Default)]
pub(super) struct Dynsec {
    pub(super) defaults: Defaults,
    pub(super) roles: BTreeMap<String, Role>,
    /// The roles of each group.
    pub(super) groups: BTreeMap<String, Ranked>,
    pub(super) clients: BTreeMap<String, Client>,
    /// The group of clients without a user name.
    pub(super) anonymous_group: Option<String>,
}

/// Reads a whole file; every mistake in it.
pub(super) fn parse(bytes: &[u8], file: &Arc<str>, report: &mut Report) -> Result<Dynsec, Vec<Mistake>> {
    let whole = |what: &str| vec![Mistake { place: Place::whole(file), what: what.to_owned() }];
    let text = std::str::from_utf8(bytes).map_err(|_| whole("not UTF-8"))?;
    let document = json::parse(text, file).map_err(|mistake| vec![mistake])?;
    if !matches!(document.value, Value::Object(_)) {
        return Err(whole("not an object: not a file of the dynamic security plugin"));
    }
    let mut reading = Reading { file, found: Dynsec::default(), mistakes: Vec::new(), report };
    reading.defaults(&document);
    document.list("roles").iter().for_each(|node| reading.role(node));
    document.list("clients").iter().for_each(|node| reading.client(node));
    document.list("groups").iter().for_each(|node| reading.group(node));
    reading.anonymous_group(&document);
    if reading.mistakes.is_empty() { Ok(reading.found) } else { Err(reading.mistakes) }
}

struct Reading<'r> {
    file: &'r Arc<str>,
    found: Dynsec,
    mistakes: Vec<Mistake>,
    report: &'r mut Report,
}

impl Reading<'_> {
    fn place(&self, node: &Node) -> Place {
        Place::new(self.file, node.line)
    }

    fn passed_over(&mut self, node: &Node, text: &str) {
        let place = self.place(node);
        self.report.add(Kind::NoEffect, Some(&place), text);
    }

    /// The name of an entry; none, and told, where it has none.
    fn name(&mut self, node: &Node, key: &str) -> Option<String> {
        let name = node.text(key).map(str::to_owned);
        if name.is_none() {
            self.passed_over(node, &format!("an entry without `{key}` is passed over"));
        }
        name
    }

    fn twice(&mut self, node: &Node, name: &str) {
        self.mistakes.push(Mistake { place: self.place(node), what: format!("`{name}` for the second time") });
    }

    fn defaults(&mut self, document: &Node) {
        let Some(node) = document.get("defaultACLAccess") else { return };
        let flag = |key| node.flag(key).unwrap_or(false);
        self.found.defaults = Defaults {
            publish_send: flag("publishClientSend"),
            publish_receive: flag("publishClientReceive"),
            subscribe: flag("subscribe"),
            unsubscribe: flag("unsubscribe"),
        };
        if !self.found.defaults.unsubscribe {
            let place = self.place(node);
            self.report.add(Kind::Unsubscribe, Some(&place), "`unsubscribe` is denied; here UNSUBSCRIBE always passes");
        }
    }

    fn role(&mut self, node: &Node) {
        let Some(name) = self.name(node, "rolename") else { return };
        let mut acls: Vec<Acl> = node.list("acls").iter().filter_map(|node| self.acl(node)).collect();
        // The plugin looks at literals first. Among equals the first in the file goes first.
        acls.sort_by_key(|acl| (acl.kind, Reverse(acl.priority)));
        self.literals_once(&mut acls);
        let role = Role { name: name.clone(), acls };
        if self.found.roles.insert(name.clone(), role).is_some() {
            self.twice(node, &name);
        }
    }

    fn acl(&mut self, node: &Node) -> Option<Acl> {
        let named = self.name(node, "acltype")?;
        let Some(kind) = AclType::named(&named) else {
            self.passed_over(node, &format!("`{named}` is no kind of entry, and is passed over"));
            return None;
        };
        let topic = self.name(node, "topic")?;
        let (allow, priority) = (node.flag("allow").unwrap_or(false), node.number("priority").unwrap_or(0));
        Some(Acl { kind, topic, allow, priority, place: self.place(node) })
    }

    /// Of literals for the same filter the plugin finds one or the other, whatever their priority: taking goes first.
    fn literals_once(&mut self, acls: &mut Vec<Acl>) {
        let is_literal = |acl: &Acl| acl.kind == AclType::SubscribeLiteral;
        let denied: Vec<String> =
            acls.iter().filter(|acl| is_literal(acl) && !acl.allow).map(|acl| acl.topic.clone()).collect();
        for acl in acls.iter().filter(|acl| is_literal(acl) && acl.allow && denied.contains(&acl.topic)) {
            let text = format!("`{}` is allowed and denied in one role: it is denied", acl.topic);
            self.report.add(Kind::SubscribeDeny, Some(&acl.place), text);
        }
        acls.retain(|acl| !(is_literal(acl) && acl.allow && denied.contains(&acl.topic)));
    }

    /// The names below `key`, highest priority first, among equals by name.
    fn ranked(&mut self, node: &Node, key: &str, name: &str) -> Ranked {
        let mut ranked: Vec<(Reverse<i32>, String)> = Vec::new();
        for entry in node.list(key) {
            let Some(named) = self.name(entry, name) else { continue };
            if !self.found.roles.contains_key(&named) {
                self.passed_over(entry, &format!("there is no role `{named}`"));
            } else if ranked.iter().any(|(_, known)| *known == named) {
                self.passed_over(entry, &format!("`{named}` for the second time: the first counts"));
            } else {
                ranked.push((Reverse(entry.number("priority").unwrap_or(NO_PRIORITY)), named));
            }
        }
        ranked.sort();
        ranked.into_iter().map(|(_, name)| name).collect()
    }

    fn client(&mut self, node: &Node) {
        let Some(name) = self.name(node, "username") else { return };
        let Some(digest) = self.digest(node, &name) else { return };
        let client = Client {
            name: name.clone(),
            client_id: node.text("clientid").map(str::to_owned),
            disabled: node.flag("disabled").unwrap_or(false),
            digest,
            roles: self.ranked(node, "roles", "rolename"),
            groups: Vec::new(),
            place: self.place(node),
        };
        if self.found.clients.insert(name.clone(), client).is_some() {
            self.twice(node, &name);
        }
    }

    /// What a client's password is checked against, where it has one; none where the plugin leaves the client out for it.
    fn digest(&mut self, node: &Node, name: &str) -> Option<Option<String>> {
        let parts = (node.number("iterations"), node.text("salt"), node.text("password"));
        let digest = match (node.text("encoded_password"), parts) {
            (Some(encoded), _) => encoded.to_owned(),
            (None, (Some(rounds), Some(salt), Some(digest))) => password_file::of_parts(rounds, salt, digest),
            (None, _) => return Some(None),
        };
        let Err((kind, text)) = password_file::judge(name, &digest) else { return Some(Some(digest)) };
        let place = self.place(node);
        self.report.add(kind, Some(&place), text);
        (kind == Kind::User).then_some(None)
    }

    fn group(&mut self, node: &Node) {
        let Some(name) = self.name(node, "groupname") else { return };
        let roles = self.ranked(node, "roles", "rolename");
        if self.found.groups.insert(name.clone(), roles).is_some() {
            self.twice(node, &name);
        }
        for entry in node.list("clients") {
            let Some(user) = self.name(entry, "username") else { continue };
            let priority = entry.number("priority").unwrap_or(NO_PRIORITY);
            match self.found.clients.get_mut(&user) {
                Some(client) if client.groups.iter().any(|(_, known)| *known == name) => {}
                Some(client) => client.groups.push((Reverse(priority), name.clone())),
                None => self.passed_over(entry, &format!("there is no client `{user}`")),
            }
        }
    }

    fn anonymous_group(&mut self, document: &Node) {
        let Some(name) = document.text("anonymousGroup") else { return };
        if self.found.groups.contains_key(name) {
            self.found.anonymous_group = Some(name.to_owned());
        } else if let Some(node) = document.get("anonymousGroup") {
            self.passed_over(node, &format!("there is no group `{name}`"));
        }
    }
}

impl Dynsec {
    /// The roles of a client in the order in which they are tried: its own, then those of its groups.
    pub(super) fn roles_of<'d>(&'d self, client: &'d Client) -> Vec<&'d str> {
        let mut groups: Vec<_> = client.groups.iter().collect();
        groups.sort();
        let of_groups = groups.into_iter().filter_map(|(_, group)| self.groups.get(group)).flatten();
        once_each(client.roles.iter().chain(of_groups))
    }

    /// Those of clients without a user name.
    pub(super) fn roles_of_anonymous(&self) -> Vec<&str> {
        once_each(self.anonymous_group.iter().filter_map(|group| self.groups.get(group)).flatten())
    }
}

fn once_each<'n>(names: impl Iterator<Item = &'n String>) -> Vec<&'n str> {
    let mut seen: Vec<&str> = Vec::new();
    for name in names {
        if !seen.contains(&name.as_str()) {
            seen.push(name);
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Dynsec, Report) {
        let mut report = Report::default();
        let read = parse(text.as_bytes(), &"d.json".into(), &mut report);
        (read.unwrap_or_else(|mistakes| panic!("{mistakes:?}")), report)
    }

    #[test]
    fn roles_are_tried_by_priority_and_then_by_name_the_client_s_own_first() {
        let (found, _) = read(
            r#"{
            "roles": [{"rolename": "a"}, {"rolename": "b"}, {"rolename": "c"}, {"rolename": "d"}],
            "clients": [{"username": "u", "roles": [{"rolename": "b"}, {"rolename": "a"}, {"rolename": "x"}, {"rolename": "b", "priority": 9}]}],
            "groups": [
                {"groupname": "low", "roles": [{"rolename": "d"}], "clients": [{"username": "u"}, {"username": "nobody"}]},
                {"groupname": "high", "roles": [{"rolename": "a"}, {"rolename": "c", "priority": -2}], "clients": [{"username": "u", "priority": 1}]}
            ],
            "anonymousGroup": "low"}"#,
        );
        assert_eq!(found.roles_of(&found.clients["u"]), ["a", "b", "c", "d"]);
        assert_eq!(found.roles_of_anonymous(), ["d"]);
    }

    #[test]
    fn entries_are_tried_by_priority_and_then_in_the_order_of_the_file_literals_first() {
        let acl = |kind: &str, topic: &str, priority: i32, allow: bool| {
            format!(r#"{{"acltype": "{kind}", "topic": "{topic}", "priority": {priority}, "allow": {allow}}}"#)
        };
        let acls = [
            acl("subscribePattern", "p", 99, true),
            acl("PUBLISHCLIENTSEND", "a", 1, true),
            acl("publishClientSend", "b", 2, true),
            acl("publishClientSend", "c", 1, false),
            acl("subscribeLiteral", "l", -5, true),
            acl("subscribeLiteral", "m", 5, true),
            acl("subscribeLiteral", "m", 1, false),
            acl("nonsense", "n", 1, false),
        ];
        let (found, report) = read(&format!(r#"{{"roles": [{{"rolename": "r", "acls": [{}]}}]}}"#, acls.join(",")));
        let topics: Vec<&str> = found.roles["r"].acls.iter().map(|acl| acl.topic.as_str()).collect();
        assert_eq!(topics, ["b", "a", "c", "m", "l", "p"]);
        assert!(report.tells(Kind::SubscribeDeny) && report.tells(Kind::NoEffect));
    }

    #[test]
    fn what_depends_on_a_hash_table_is_refused_with_its_line() {
        let text = "{\"roles\": [{\"rolename\": \"r\"},\n{\"rolename\": \"r\"}],\n\"clients\": [{\"username\": \"u\"},\n{\"username\": \"u\"}]}";
        let mistakes = parse(text.as_bytes(), &"d.json".into(), &mut Report::default()).err().unwrap_or_default();
        assert_eq!(
            mistakes.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["d.json:2: `r` for the second time", "d.json:4: `u` for the second time"]
        );
        for text in [b"[]".as_slice(), b"\xff", b"{"] {
            assert!(parse(text, &"d.json".into(), &mut Report::default()).is_err());
        }
    }

    #[test]
    fn a_client_whose_password_the_plugin_can_t_read_is_left_out() {
        let (found, report) = read(
            r#"{"clients": [
            {"username": "none"},
            {"username": "broken", "salt": "AAAA", "password": "AAAA", "iterations": 101},
            {"username": "zero", "salt": "AAAA", "password": "AAAA", "iterations": 0}]}"#,
        );
        assert_eq!(found.clients.keys().collect::<Vec<_>>(), ["none"]);
        assert!(report.tells(Kind::NoEffect));
    }
}
