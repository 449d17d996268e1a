//! Rules about rates: what is counted, and what follows.

pub(super) mod tables;

use std::ops::Range;

use self::tables::{RateTable, ShareTable};
use super::rules::{means_nothing, texts, window, written};
use crate::config::problem;
use crate::config::read::{Located, Reading};
use crate::policy::{Excess, Mode, Per, RateRule, Share, Unit};
use crate::rate::Rate;

/// A rule, where it has an id.
pub(super) fn rate(located: &Located<RateTable>, reading: &mut Reading) -> Option<RateRule> {
    let table = &located.value;
    let id = table.id.as_ref()?;
    let is_faulty = reading.is_faulty(located);
    let limits = limits(table);
    if limits.is_empty() && !is_faulty {
        let problem = reading
            .at(problem::Kind::MissingKey, &id.span, format!("the rule `{}` counts nothing", id.value))
            .label("expected `messages`, `bytes`, `packets`, `connections` or `subscriptions`")
            .help("such as `messages = \"10/s\"`");
        reading.report(problem);
    }
    let counts = |unit: Unit| limits.iter().any(|(other, ..)| *other == unit);
    if !is_faulty {
        unused(table, &counts, reading);
        of_messages(table, &limits, reading);
        excess(table, &limits, reading);
    }
    let per = table.per.as_ref().map_or(Per::Identity, |per| per.value);
    let rates = limits.iter().map(|(unit, rate, _)| (*unit, *rate)).collect();
    Some(RateRule {
        roles: texts(&table.roles),
        publish: texts(&table.publish),
        receive: texts(&table.receive),
        per: match (per, &table.prefix) {
            (Per::Prefix { .. }, Some(prefix)) => Per::Prefix { ipv4: prefix.value.ipv4, ipv6: prefix.value.ipv6 },
            (per, _) => per,
        },
        limits: rates,
        weigh: table.weigh.as_ref().map(|weigh| weigh.value.into()),
        on_excess: table.on_excess.as_ref().map(|excess| excess.value),
        ban: table.ban.as_ref().map_or(RateRule::BAN, |ban| ban.value),
        shares: shares(table, per, is_faulty, reading),
        when: table.when.as_ref().and_then(|when| window(when, reading)),
        mode: table.mode.as_ref().map_or(Mode::Enforce, |mode| mode.value),
        ..RateRule::new(&id.value)
    })
}

/// What is counted, how fast, and where it is said.
fn limits(table: &RateTable) -> Vec<(Unit, Rate, &Range<usize>)> {
    let all = [
        (Unit::Messages, &table.messages),
        (Unit::Bytes, &table.bytes),
        (Unit::Packets, &table.packets),
        (Unit::Connections, &table.connections),
        (Unit::Subscriptions, &table.subscriptions),
    ];
    let said = all.into_iter().filter_map(|(unit, rate)| rate.as_ref().map(|rate| (unit, rate)));
    said.map(|(unit, Located { value, span })| {
        let burst = if unit == Unit::Bytes { &table.burst_bytes } else { &table.burst };
        let rate = burst.as_ref().map_or(*value, |burst| value.with_burst(burst.value.into()));
        (unit, rate, span)
    })
    .collect()
}

/// Keys that go with something that is not there.
fn unused(table: &RateTable, counts: &dyn Fn(Unit) -> bool, reading: &mut Reading) {
    let by_number = [Unit::Messages, Unit::Packets, Unit::Connections, Unit::Subscriptions];
    if let Some(burst) = table.burst.as_ref().filter(|_| counts(Unit::Bytes) && !by_number.into_iter().any(counts)) {
        means_nothing("burst", &burst.span, "only bytes are counted: `burst_bytes` says how many at once", reading);
    }
    if let Some(burst) = table.burst_bytes.as_ref().filter(|_| !counts(Unit::Bytes)) {
        means_nothing("burst_bytes", &burst.span, "it goes with `bytes`", reading);
    }
    if let Some(weigh) = table.weigh.as_ref().filter(|_| !counts(Unit::Messages)) {
        means_nothing("weigh", &weigh.span, "it goes with `messages`", reading);
    }
    if let Some(ban) = table.ban.as_ref()
        && table.on_excess.as_ref().is_none_or(|excess| excess.value != Excess::Ban)
    {
        means_nothing("ban", &ban.span, "it goes with `on_excess = \"ban\"`", reading);
    }
    let is_prefix = table.per.as_ref().is_some_and(|per| matches!(per.value, Per::Prefix { .. }));
    if let Some(prefix) = table.prefix.as_ref().filter(|_| !is_prefix) {
        means_nothing("prefix", &prefix.span, "it goes with `per = \"prefix\"`", reading);
    }
}

/// Topics of what has none.
fn of_messages(table: &RateTable, limits: &[(Unit, Rate, &Range<usize>)], reading: &mut Reading) {
    let Some((unit, ..)) = limits.iter().find(|(unit, ..)| !unit.is_of_messages()) else { return };
    let by_topic = written(&table.per).filter(|per| per.value == Per::Topic).map(|per| ("per", &per.span));
    let filters = [("publish", table.publish.first()), ("receive", table.receive.first())];
    let filters = filters.into_iter().filter_map(|(key, filter)| filter.map(|filter| (key, &filter.span)));
    for (key, span) in filters.chain(by_topic) {
        let problem = reading
            .at(problem::Kind::Contradiction, span, format!("`{}` are of no topic", unit.label()))
            .label(format!("`{key}` says which messages are counted"))
            .help(format!("make it two rules: one for messages, and one for {}", unit.label()));
        reading.report(problem);
    }
}

/// Ends that can't be, or that would hit whoever comes last.
fn excess(table: &RateTable, limits: &[(Unit, Rate, &Range<usize>)], reading: &mut Reading) {
    let Some(Located { value: excess, span }) = &table.on_excess else { return };
    if *excess == Excess::Throttle
        && let Some((unit, ..)) = limits.iter().find(|(unit, ..)| !unit.can_wait())
    {
        let problem = reading
            .at(problem::Kind::Contradiction, span, format!("`{}` can't wait", unit.label()))
            .label("they are let through, or refused")
            .help("remove it, and they are refused; or make it two rules, one of them for messages");
        reading.report(problem);
    }
    let per = table.per.as_ref().map_or(Per::Identity, |per| per.value);
    if *excess == Excess::Ban && !per.is_of_one_client() {
        let problem = reading
            .at(problem::Kind::Contradiction, span, "clients would be banned for what others do")
            .label(format!("with `per = \"{}\"` many are counted together", per.label()))
            .help("ban with `per = \"identity\"`, and reject or throttle here");
        reading.report(problem);
    }
    if *excess == Excess::Ban
        && let Some(filter) = table.receive.first()
    {
        let problem = reading
            .at(problem::Kind::Contradiction, &filter.span, "clients would be banned for what others send them")
            .label("who publishes there decides how much is delivered")
            .help("reject or throttle what is delivered, and ban with `publish`");
        reading.report(problem);
    }
}

/// The parts of the rate that are kept for roles.
fn shares(table: &RateTable, per: Per, is_faulty: bool, reading: &mut Reading) -> Vec<Share> {
    let mut sum = 0;
    let mut shares: Vec<Share> = Vec::new();
    for Located { value: ShareTable { role, share }, span } in &table.shares {
        let (Some(role), Some(share)) = (role, share) else { continue };
        sum += u32::from(share.value);
        if shares.iter().any(|known| known.role == role.value) {
            let problem = reading
                .at(problem::Kind::Duplicate, &role.span, format!("two shares for the role `{}`", role.value))
                .label("a role has one");
            reading.report(problem);
        }
        if sum > 1000 && sum - u32::from(share.value) <= 1000 {
            let problem = reading
                .at(problem::Kind::Contradiction, span, "these shares are more than the whole")
                .label(format!("up to here they are {}", f64::from(sum) / 1000.0))
                .help("together they are at most `1`; what is left is for those without a share");
            reading.report(problem);
        }
        shares.push(Share { role: role.value.clone(), thousandths: share.value });
    }
    let Some(first) = table.shares.first().filter(|_| !is_faulty) else { return shares };
    if !matches!(per, Per::Listener | Per::Gateway) {
        let why = "a rate is shared with `per = \"gateway\"` or `\"listener\"`";
        means_nothing("shares", &first.span, why, reading);
    }
    if let Some(Located { value: Excess::Disconnect | Excess::Ban, span }) = &table.on_excess {
        let problem = reading
            .at(problem::Kind::Contradiction, span, "who has used up its share would be cut off")
            .help("`throttle` or `reject` what is above a share");
        reading.report(problem);
    }
    shares
}
