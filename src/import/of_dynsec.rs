//! A file of the dynamic security plugin as ordered lists.
//!
//! Every role is a list, and every client goes through its own roles and then through those of its groups, by priority; what
//! is permitted by default comes last. Subscriptions are judged apart from deliveries. Read [`sheet`] first.

use std::collections::{BTreeSet, HashMap};

use super::acl_file::is_filter;
use super::dynsec::{Acl, AclType, Dynsec, Role};
use super::filter::{Level, Said, Words, first_level, publishable, said};
use super::report::{Kind, Place, Report};
use super::sheet::{Line, List, Sheet, Subject, Who};
use crate::mqtt::topic;

/// Who may turn up.
pub(super) struct Crowd<'a> {
    /// The clients that may connect at all.
    pub(super) clients: &'a [String],
    /// Whether others may, who have none of this.
    pub(super) others: bool,
    /// Whether clients without a user name may.
    pub(super) anonymous: bool,
    /// The file.
    pub(super) place: Place,
}

/// Puts the file into lists.
pub(super) fn sheet(found: &Dynsec, crowd: &Crowd<'_>, report: &mut Report) -> Sheet {
    let topics = found.roles.values().flat_map(|role| &role.acls).map(|acl| acl.topic.as_str());
    let mut acls = found.roles.values().flat_map(|role| &role.acls);
    // `#` reaches `$share/…` in the plugin, and what takes from it there can't be said apart from the rest here.
    let keeps_shared = !acls.any(|acl| !acl.allow && takes_share(acl));
    let mut making = Making { words: Words::of(topics), given: Vec::new(), keeps_shared, report };
    let together = together(found, crowd);
    let mut sheet = Sheet { judges_subscriptions: true, ..Sheet::default() };
    let mut index = HashMap::new();
    for role in found.roles.values() {
        index.insert(role.name.as_str(), sheet.lists.len());
        let with = together.get(role.name.as_str()).into_iter().flatten().filter_map(|name| found.roles.get(*name));
        making.given = with.flat_map(|role| &role.acls).filter(|acl| acl.allow).collect();
        sheet.lists.push(making.role(role, found.defaults.subscribe));
    }
    sheet.lists.push(making.defaults(found, &crowd.place));
    let last = sheet.lists.len() - 1;
    let lists = |names: Vec<&str>| names.iter().filter_map(|name| index.get(name).copied()).chain([last]).collect();
    for name in crowd.clients {
        // Whoever has a password elsewhere and is not in this file may connect, and nothing else.
        let lists = found.clients.get(name).map(|client| lists(found.roles_of(client))).unwrap_or_default();
        sheet.subjects.push(Subject { who: Who::User(name.clone()), lists });
    }
    if crowd.anonymous {
        sheet.subjects.push(Subject { who: Who::Anonymous, lists: lists(found.roles_of_anonymous()) });
    }
    if crowd.others {
        sheet.subjects.push(Subject { who: Who::Others, lists: Vec::new() });
    }
    sheet
}

/// The roles that some client has beside each.
fn together<'d>(found: &'d Dynsec, crowd: &Crowd<'_>) -> HashMap<&'d str, BTreeSet<&'d str>> {
    let clients = crowd.clients.iter().filter_map(|name| found.clients.get(name));
    let sets = clients.map(|client| found.roles_of(client)).chain([found.roles_of_anonymous()]);
    let mut together: HashMap<&str, BTreeSet<&str>> = HashMap::new();
    for set in sets.collect::<BTreeSet<_>>() {
        for role in &set {
            together.entry(role).or_default().extend(&set);
        }
    }
    together
}

struct Making<'r> {
    words: Words,
    /// What roles give that some client has beside the one that is being put into a list.
    given: Vec<&'r Acl>,
    keeps_shared: bool,
    report: &'r mut Report,
}

impl Making<'_> {
    fn role(&mut self, role: &Role, by_default: bool) -> List {
        let name = format!("role `{}`", role.name);
        let mut list = List { id: format!("role-{}", role.name), name, ..List::default() };
        for acl in &role.acls {
            match acl.kind {
                AclType::PublishClientSend => list.publish.extend(self.publish(acl)),
                AclType::PublishClientReceive => list.receive.extend(self.receive(acl)),
                AclType::SubscribeLiteral => list.subscribe.extend(self.literal(acl, by_default)),
                AclType::SubscribePattern => list.subscribe.extend(self.pattern(acl, by_default)),
                AclType::Unsubscribe if acl.allow => {}
                AclType::Unsubscribe => {
                    let text = format!("UNSUBSCRIBE of `{}` is denied; here it always passes", acl.topic);
                    self.report.add(Kind::Unsubscribe, Some(&acl.place), text);
                }
            }
        }
        list
    }

    fn publish(&mut self, acl: &Acl) -> Option<Line> {
        let filter = self.written(acl)?;
        let filter = if acl.allow { publishable(&filter)? } else { filter };
        Some(Line::new(vec![filter], acl.allow, &acl.place))
    }

    fn receive(&mut self, acl: &Acl) -> Option<Line> {
        Some(Line::new(vec![self.written(acl)?], acl.allow, &acl.place))
    }

    /// A right to this very filter, or the denial of it.
    fn literal(&mut self, acl: &Acl, by_default: bool) -> Option<Line> {
        if self.is_of_share(acl) {
            return None;
        }
        let filter = self.written(acl)?;
        if !acl.allow {
            return self.denied_literal(acl, &filter, by_default);
        }
        if filter.contains(['+', '#']) {
            let text = format!("`{filter}` alone may be subscribed to; here filters within it may be, too");
            self.report.add(Kind::SubscribeLiteral, Some(&acl.place), text);
        }
        Some(Line::new(vec![filter], true, &acl.place))
    }

    fn denied_literal(&mut self, acl: &Acl, filter: &str, by_default: bool) -> Option<Line> {
        let mut line = Line::new(vec![filter.to_owned()], false, &acl.place);
        // No Topic Name is empty, so these match the same.
        let same = match filter {
            "#" => Some("+/#"),
            "/#" => Some("/+/#"),
            _ => None,
        };
        let is_given = |kind: AclType, fits: &dyn Fn(&str) -> bool| {
            self.given.iter().any(|given| given.kind == kind && fits(&given.topic))
        };
        let is_literal = is_given(AclType::SubscribeLiteral, &|topic| topic == filter);
        if let Some(same) = same.filter(|_| !is_literal) {
            if by_default || is_given(AclType::SubscribePattern, &|topic| topic::covers(topic, same)) {
                let text =
                    format!("`{filter}` is denied and `{same}`, which is the same, is not: here both may be given");
                self.report.add(Kind::Covering, Some(&acl.place), text);
            }
            return None;
        }
        self.tell_of_overlap(acl, filter);
        // What lies within is not taken.
        if let Some(before) = filter.strip_suffix("/#").filter(|before| !before.is_empty() && !before.contains('+')) {
            line.except = vec![before.to_owned(), format!("{before}/+/#")];
        }
        Some(line)
    }

    fn pattern(&mut self, acl: &Acl, by_default: bool) -> Option<Line> {
        if acl.topic.is_empty() {
            // To the plugin `#` is nothing once its wildcard is taken off, and so is this.
            return if acl.allow { self.tell_of_rest(acl) } else { self.denied_literal(acl, "#", by_default) };
        }
        if self.is_of_share(acl) {
            return None;
        }
        let written = self.written(acl)?;
        // It matches the same, and the plugin lets `#` pass for it.
        let filter = if written == "+/#" { "#" } else { &written };
        let reaches_share = reaches_share(filter);
        let shared = acl.allow && filter == "#" && self.keeps_shared;
        if acl.allow && reaches_share && !shared {
            let text = format!("`{filter}` reaches `$share/…`; here Shared Subscriptions are not granted by it");
            self.report.add(Kind::SharedSubscription, Some(&acl.place), text);
        }
        if filter == "/#" && acl.allow {
            self.tell_of_rest(acl);
        }
        if !acl.allow {
            self.tell_of_overlap(acl, filter);
        }
        let filters = self.words.written_out(filter);
        Some(Line { shared, ..Line::new(filters, acl.allow, &acl.place) })
    }

    fn tell_of_rest(&mut self, acl: &Acl) -> Option<Line> {
        let text = format!("the plugin takes `#` for a part of `{}`; here it is not", acl.topic);
        self.report.add(Kind::Covering, Some(&acl.place), text);
        None
    }

    fn tell_of_overlap(&mut self, acl: &Acl, filter: &str) {
        let text = format!(
            "`{filter}` may not be subscribed to: here that holds for all that overlaps it, and for deliveries"
        );
        self.report.add(Kind::SubscribeDeny, Some(&acl.place), text);
    }

    fn is_of_share(&mut self, acl: &Acl) -> bool {
        let is = acl.topic.starts_with("$share");
        if is {
            let text = format!("`{}`: rules do not name shares; Shared Subscriptions are not granted by it", acl.topic);
            self.report.add(Kind::SharedSubscription, Some(&acl.place), text);
        }
        is
    }

    /// A filter as a policy can say it.
    fn written(&mut self, acl: &Acl) -> Option<String> {
        if acl.topic.is_empty() || !is_filter(&acl.topic) || first_level(&acl.topic) == "$share" {
            self.report.add(Kind::NoEffect, Some(&acl.place), format!("`{}` fits no topic", acl.topic));
            return None;
        }
        match said(acl.topic.split('/').map(Level::text).collect()) {
            Said::Same(filter) => Some(filter),
            Said::Wider(wider) => {
                let instead =
                    if acl.allow { "it is not granted".to_owned() } else { format!("all of `{wider}` is denied") };
                let text = format!("`{}`: can't be said in a policy; {instead}", acl.topic);
                self.report.add(Kind::Text, Some(&acl.place), text);
                (!acl.allow).then_some(wider)
            }
        }
    }

    /// What is permitted where no entry fits; `$CONTROL` never is.
    fn defaults(&mut self, found: &Dynsec, place: &Place) -> List {
        let mut list = List {
            id: "default-access".to_owned(),
            is_for_all: true,
            name: "what is permitted by default".to_owned(),
            ..List::default()
        };
        let everything: Vec<String> =
            self.words.written_out("#").into_iter().filter(|filter| !filter.starts_with("$CONTROL")).collect();
        if found.defaults.publish_send {
            let filters = everything.iter().filter_map(|filter| publishable(filter)).collect();
            list.publish.push(Line::new(filters, true, place));
        }
        if found.defaults.publish_receive {
            list.receive.push(Line::new(everything.clone(), true, place));
        }
        if found.defaults.subscribe {
            let shared = self.keeps_shared;
            if !shared {
                let text = "`subscribe` by default reaches `$share/…`; here Shared Subscriptions are not granted by it";
                self.report.add(Kind::SharedSubscription, Some(place), text);
            }
            list.subscribe.push(Line { shared, ..Line::new(everything, true, place) });
        }
        list
    }
}

/// Whether what it takes may be a Shared Subscription.
fn takes_share(acl: &Acl) -> bool {
    match acl.kind {
        AclType::SubscribePattern => reaches_share(&acl.topic),
        AclType::SubscribeLiteral => acl.topic.starts_with("$share"),
        AclType::PublishClientSend | AclType::PublishClientReceive | AclType::Unsubscribe => false,
    }
}

/// Whether a pattern fits `$share/NAME/FILTER`, which is compared as one text.
fn reaches_share(pattern: &str) -> bool {
    pattern.starts_with(['+', '#']) && pattern != "+" || pattern.starts_with("$share")
}
