//! Grants and denials: what they speak of, and when; and what all rules about messages have in common.

use std::ops::Range;

use super::tables::{DenyTable, GrantTable, WhenTable};
use crate::config::kinds::{Hours, TopicFilter};
use crate::config::problem;
use crate::config::read::{Located, Reading};
use crate::mqtt::topic;
use crate::policy::{Deny, Grant, MessageRule, Mode, OnDeny, Window};

/// Pairs of an exception and what it is an exception of that are looked at.
const MAX_PAIRS: usize = 1_000_000;

/// A grant, where it has an id.
pub(super) fn grant(located: &Located<GrantTable>, reading: &mut Reading) -> Option<Grant> {
    let table = &located.value;
    let id = table.id.as_ref()?;
    let grants_nothing = table.publish.is_empty() && table.subscribe.is_empty() && table.receive.is_empty();
    match &table.connect {
        Some(Located { value: false, span }) if !grants_nothing => {
            let problem = reading
                .at(problem::Kind::Contradiction, span, "a grant of topics permits the connection too")
                .help("remove it; a `[[deny]]` with `connect = true` refuses connections");
            reading.report(problem);
        }
        Some(Located { value: true, .. }) => {}
        Some(_) | None if grants_nothing && !reading.is_faulty(located) => {
            let problem = reading
                .at(problem::Kind::MissingKey, &id.span, format!("the grant `{}` permits nothing", id.value))
                .label("expected `publish`, `subscribe` or `receive`")
                .help("`connect = true` permits the connection alone");
            reading.report(problem);
        }
        Some(_) | None => {}
    }
    let roles: Vec<&str> = table.roles.iter().map(|role| role.value.as_str()).collect();
    Some(Grant {
        publish: texts(&table.publish),
        subscribe: texts(&table.subscribe),
        receive: texts(&table.receive),
        max_qos: table.max_qos,
        retain: table.retain,
        max_payload_bytes: table.max_payload_bytes.as_ref().map(|size| size.value),
        share_groups: table.share_groups.as_ref().map(|groups| texts(&groups.value)),
        when: table.when.as_ref().and_then(|when| window(when, reading)),
        mode: table.mode.as_ref().map_or(Mode::Enforce, |mode| mode.value),
        on_deny: table.on_deny,
        ..Grant::new(&id.value, &roles)
    })
}

/// A denial, where it has an id.
pub(super) fn deny(located: &Located<DenyTable>, reading: &mut Reading) -> Option<Deny> {
    let table = &located.value;
    let id = table.id.as_ref()?;
    let filters = [&table.publish, &table.subscribe, &table.receive];
    if !table.connect && filters.iter().all(|filters| filters.is_empty()) && !reading.is_faulty(located) {
        let problem = reading
            .at(problem::Kind::MissingKey, &id.span, format!("the denial `{}` refuses nothing", id.value))
            .label("expected `connect`, `publish`, `subscribe` or `receive`");
        reading.report(problem);
    }
    let pairs = table.except.len().saturating_mul(filters.iter().map(|filters| filters.len()).sum());
    for except in table.except.iter().filter(|_| pairs <= MAX_PAIRS) {
        let Ok(widest) = TopicFilter::widest(&except.value) else { continue };
        let is_met = |filter: &Located<String>| {
            TopicFilter::widest(&filter.value).is_ok_and(|filter| topic::overlaps(&filter, &widest))
        };
        if !filters.iter().any(|filters| filters.iter().any(is_met)) && !reading.is_full() {
            let problem = reading
                .at(problem::Kind::Unused, &except.span, format!("`{}` is no exception", except.value))
                .label("this denial does not speak of it")
                .warning();
            reading.report(problem);
        }
    }
    Some(Deny {
        roles: texts(&table.roles),
        connect: table.connect,
        publish: texts(&table.publish),
        subscribe: texts(&table.subscribe),
        receive: texts(&table.receive),
        except: texts(&table.except),
        when: table.when.as_ref().and_then(|when| window(when, reading)),
        mode: table.mode.as_ref().map_or(Mode::Enforce, |mode| mode.value),
        on_deny: table.on_deny,
        ..Deny::new(&id.value)
    })
}

/// What every rule about messages says.
pub(super) struct Said<'t> {
    pub(super) id: &'t Located<String>,
    pub(super) roles: &'t [Located<String>],
    pub(super) publish: &'t [Located<String>],
    pub(super) receive: &'t [Located<String>],
    pub(super) when: Option<&'t Located<WhenTable>>,
    pub(super) mode: Option<&'t Located<Mode>>,
    pub(super) on_deny: OnDeny,
}

impl Said<'_> {
    /// The same as a rule; that it speaks of no message is only said where all of it can be read.
    pub(super) fn rule(&self, is_faulty: bool, reading: &mut Reading) -> MessageRule {
        if self.publish.is_empty() && self.receive.is_empty() && !is_faulty {
            let problem = reading
                .at(
                    problem::Kind::MissingKey,
                    &self.id.span,
                    format!("the rule `{}` speaks of no message", self.id.value),
                )
                .label("expected `publish` or `receive`");
            reading.report(problem);
        }
        MessageRule {
            roles: texts(self.roles),
            publish: texts(self.publish),
            receive: texts(self.receive),
            when: self.when.and_then(|when| window(when, reading)),
            mode: self.mode.map_or(Mode::Enforce, |mode| mode.value),
            on_deny: self.on_deny,
            ..MessageRule::new(&self.id.value)
        }
    }
}

/// What is written, and no default.
pub(super) fn written<T>(value: &Option<Located<T>>) -> Option<&Located<T>> {
    value.as_ref().filter(|value| !value.span.is_empty())
}

/// A key that means nothing beside what else is said.
pub(super) fn means_nothing(key: &str, span: &Range<usize>, why: impl Into<String>, reading: &mut Reading) {
    let problem = reading.at(problem::Kind::Contradiction, span, format!("`{key}` means nothing here")).label(why);
    reading.report(problem);
}

pub(super) fn texts(list: &[Located<String>]) -> Vec<String> {
    list.iter().map(|text| text.value.clone()).collect()
}

/// When a rule holds; none for always.
pub(super) fn window(located: &Located<WhenTable>, reading: &mut Reading) -> Option<Window> {
    let Located { value: table, span } = located;
    let (inside, hours) = match (&table.inside, &table.outside) {
        (Some(hours), None) => (true, hours.value),
        (None, Some(hours)) => (false, hours.value),
        (None, None) if !table.days.is_empty() => (true, Hours::ALL),
        (None, None) => {
            if !reading.is_faulty(located) {
                let problem = reading
                    .at(problem::Kind::MissingKey, span, "nothing says when")
                    .label("expected `inside`, `outside` or `days`");
                reading.report(problem);
            }
            return None;
        }
        (Some(_), Some(outside)) => {
            let problem = reading
                .at(problem::Kind::Contradiction, &outside.span, "`inside` and `outside` both say the hours")
                .help("a rule has one of them; two rules can have one each");
            reading.report(problem);
            return None;
        }
    };
    let days = match table.days.as_slice() {
        [] => [true; 7],
        runs => std::array::from_fn(|day| runs.iter().any(|run| run.value.get(day).copied().unwrap_or(false))),
    };
    if hours.are_all() && days == [true; 7] {
        let (kind, message) = if inside {
            (problem::Kind::Unused, "this is always")
        } else {
            (problem::Kind::Contradiction, "this is never: the rule would not hold at any time")
        };
        let problem = reading.at(kind, span, message);
        reading.report(if inside { problem.warning() } else { problem });
    }
    let timezone = table.timezone.as_ref()?.value.clone();
    Some(Window { inside, from: hours.from, to: hours.to, days, timezone })
}
