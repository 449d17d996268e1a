//! A file of the dynamic security plugin as ordered lists.
//!
//! Every role is a list, and every client goes through its own roles and then through those of its groups, by priority; what
//! is permitted by default comes last. Subscriptions are judged apart from deliveries. Read [`sheet`] first.

use super::dynsec::{Acl, AclType, Dynsec, Role};
use super::report::{Kind, Place, Report};
use super::sheet::{Line, List, Sheet, Subject, Who, Words, first_level, publishable};
use crate::mqtt::{Limits, topic};

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
    let subscribed = found.roles.values().flat_map(|role| &role.acls);
    // `#` reaches `$share/…` in the plugin, and what takes from it there can't be said apart from the rest here.
    let keeps_shared = !subscribed.clone().any(|acl| is_subscribe(acl) && !acl.allow && reaches_share(&acl.topic));
    let mut making = Making { words: Words::of(topics), keeps_shared, report };
    let mut sheet = Sheet { judges_subscriptions: true, ..Sheet::default() };
    let mut index = std::collections::HashMap::new();
    for role in found.roles.values() {
        index.insert(role.name.as_str(), sheet.lists.len());
        sheet.lists.push(making.role(role));
    }
    sheet.lists.push(making.defaults(found, &crowd.place));
    let last = sheet.lists.len() - 1;
    let lists = |names: Vec<&str>| names.iter().filter_map(|name| index.get(name).copied()).chain([last]).collect();
    for client in crowd.clients.iter().filter_map(|name| found.clients.get(name)) {
        let subject = Subject { who: Who::User(client.name.clone()), lists: lists(found.roles_of(client)) };
        sheet.subjects.push(subject);
    }
    if crowd.anonymous {
        sheet.subjects.push(Subject { who: Who::Anonymous, lists: lists(found.roles_of_anonymous()) });
    }
    if crowd.others {
        sheet.subjects.push(Subject { who: Who::Others, lists: Vec::new() });
    }
    sheet
}

struct Making<'r> {
    words: Words,
    keeps_shared: bool,
    report: &'r mut Report,
}

impl Making<'_> {
    fn role(&mut self, role: &Role) -> List {
        let name = format!("role `{}`", role.name);
        let mut list = List { id: format!("role-{}", role.name), name, ..List::default() };
        for acl in &role.acls {
            match acl.kind {
                AclType::PublishClientSend => list.publish.extend(self.publish(acl)),
                AclType::PublishClientReceive => list.receive.extend(self.receive(acl)),
                AclType::SubscribeLiteral => list.subscribe.extend(self.literal(acl)),
                AclType::SubscribePattern => list.subscribe.extend(self.pattern(acl)),
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

    /// A right to this very filter.
    fn literal(&mut self, acl: &Acl) -> Option<Line> {
        if self.is_of_share(acl) {
            return None;
        }
        let filter = self.written(acl)?;
        let has_wildcard = filter.contains(['+', '#']);
        let mut line = Line::new(vec![filter.clone()], acl.allow, &acl.place);
        if acl.allow && has_wildcard {
            let text = format!("`{filter}` alone may be subscribed to; here filters within it may be, too");
            self.report.add(Kind::SubscribeLiteral, Some(&acl.place), text);
        }
        if !acl.allow {
            let is_exact = filter == "#";
            // Whatever lies within is not taken; what reaches beyond can't be told apart from it.
            line.except = match filter.strip_suffix('#') {
                Some("") => vec!["+/#".to_owned()],
                Some(before) if !before.contains('+') => {
                    let parent = before.strip_suffix('/').unwrap_or(before);
                    let mut except = vec![parent.to_owned(), format!("{before}+/#")];
                    except.retain(|filter| !filter.is_empty());
                    except
                }
                Some(_) | None => Vec::new(),
            };
            if !is_exact {
                self.tell_of_overlap(acl, &filter);
            }
        }
        Some(line)
    }

    fn pattern(&mut self, acl: &Acl) -> Option<Line> {
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
            let text = "the plugin takes `#` for a part of `/#`; here it is not";
            self.report.add(Kind::Covering, Some(&acl.place), text);
        }
        if !acl.allow {
            self.tell_of_overlap(acl, filter);
        }
        let filters = self.words.written_out(filter);
        Some(Line { shared, ..Line::new(filters, acl.allow, &acl.place) })
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
        let limits = Limits {
            max_topic_bytes: 65_535,
            max_topic_levels: 65_535,
            refuse_control_characters: false,
            ..Limits::default()
        };
        let filter = acl.topic.as_str();
        if first_level(filter) == "$share" || topic::check_filter(filter, &limits).is_err() {
            self.report.add(Kind::NoEffect, Some(&acl.place), format!("`{filter}` fits no topic"));
            return None;
        }
        if !filter.contains("${") {
            return Some(filter.to_owned());
        }
        let levels = filter.split('/').map(|level| if level.contains("${") { "+" } else { level });
        let wide = levels.collect::<Vec<_>>().join("/");
        let instead = if acl.allow { "it is not granted".to_owned() } else { format!("all of `{wide}` is denied") };
        self.report.add(
            Kind::Text,
            Some(&acl.place),
            format!("`{filter}`: `${{` would be read as a variable; {instead}"),
        );
        (!acl.allow).then_some(wide)
    }

    /// What is permitted where no entry fits; `$CONTROL` never is.
    fn defaults(&mut self, found: &Dynsec, place: &Place) -> List {
        let mut list = List {
            id: "default-access".to_owned(),
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

fn is_subscribe(acl: &Acl) -> bool {
    matches!(acl.kind, AclType::SubscribeLiteral | AclType::SubscribePattern)
}

/// Whether a pattern fits `$share/NAME/FILTER`, which is compared as one text.
fn reaches_share(pattern: &str) -> bool {
    pattern.starts_with(['+', '#']) && pattern != "+" || pattern.starts_with("$share")
}
