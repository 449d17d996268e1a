//! Rules about messages that there can't be: a filter that is misspelt holds nobody to anything.

use super::Part;
use super::tables::PolicyTable;
use crate::config::kinds::{TopicFilter, topic_level};
use crate::config::problem;
use crate::config::read::{Located, Reading};
use crate::mqtt::topic;

/// Pairs of a rule's filter and a grant's that are looked at.
const MAX_PAIRS: usize = 1_000_000;

/// Warns of filters of rules about messages that meet no grant, of all files together.
pub(super) fn check(parts: &mut [Part]) {
    let granted = |of: fn(&PolicyTable) -> Box<dyn Iterator<Item = &Located<String>> + '_>| -> Vec<String> {
        let filters = parts.iter().flat_map(|part| of(&part.table));
        filters.filter_map(|filter| TopicFilter::widest(&filter.value).ok()).collect()
    };
    let published = granted(|table| Box::new(table.grant.iter().flat_map(|grant| &grant.value.publish)));
    let delivered = granted(|table| {
        Box::new(table.grant.iter().flat_map(|grant| grant.value.subscribe.iter().chain(&grant.value.receive)))
    });
    let mut left = MAX_PAIRS;
    for Part { table, reading } in parts {
        let payloads = table.payload.iter().map(|rule| (&rule.value.publish, &rule.value.receive));
        let signatures = table.signature.iter().map(|rule| (&rule.value.publish, &rule.value.receive));
        let rates = table.rate.iter().map(|rule| (&rule.value.publish, &rule.value.receive));
        for (publish, receive) in payloads.chain(signatures).chain(rates) {
            let unheld = "no message is held to this";
            for filter in publish {
                let widest = TopicFilter::widest(&filter.value).ok();
                meets(filter, widest, &published, &mut left, ("publish to", unheld), reading);
            }
            for filter in receive {
                let widest = TopicFilter::widest(&filter.value).ok();
                meets(filter, widest, &delivered, &mut left, ("receive", unheld), reading);
            }
        }
        let interlocks = table.payload.iter().flat_map(|rule| &rule.value.interlocks);
        for topic in interlocks.filter_map(|interlock| interlock.value.topic.as_ref()) {
            let levels: Vec<&str> =
                topic.value.split('/').map(|level| if topic_level(level).is_some() { "+" } else { level }).collect();
            let unknown = "it is never known, and the rule would refuse every message";
            meets(topic, Some(levels.join("/")), &published, &mut left, ("publish to", unknown), reading);
        }
    }
}

/// Whether some grant speaks of any topic of a filter.
fn meets(
    filter: &Located<String>,
    widest: Option<String>,
    granted: &[String],
    left: &mut usize,
    (what, label): (&str, &str),
    reading: &mut Reading,
) {
    let (Some(rest), Some(widest)) = (left.checked_sub(granted.len()), widest) else { return };
    *left = rest;
    if granted.iter().any(|granted| topic::overlaps(granted, &widest)) || reading.is_full() {
        return;
    }
    let problem = reading
        .at(problem::Kind::Unused, &filter.span, format!("no grant permits to {what} `{}`", filter.value))
        .label(label)
        .warning();
    reading.report(problem);
}
