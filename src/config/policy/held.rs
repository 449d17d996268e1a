//! Grants by which clients may write to the quarantine topic: what stands there could be anybody's.

use super::Part;
use crate::config::kinds::TopicFilter;
use crate::config::problem;
use crate::mqtt::topic;
use crate::policy::{Draft, Mode, OnDeny, Role};

/// Warns of each, unless a denial takes it back from everyone.
pub(super) fn check(parts: &mut [Part], draft: &Draft) {
    if draft.permit_all || !draft.quarantines() {
        return;
    }
    let below = format!("{}/#", draft.quarantine_topic);
    let is_denied = draft.denies.iter().any(|deny| {
        let is_for_all = deny.roles.is_empty() || deny.roles.iter().any(|role| role == Role::EVERYONE);
        let refuses = deny.mode == Mode::Enforce && deny.on_deny != OnDeny::Monitor && deny.when.is_none();
        is_for_all && refuses && deny.except.is_empty() && deny.publish.iter().any(|deny| topic::covers(deny, &below))
    });
    if is_denied {
        return;
    }
    for Part { table, reading } in parts {
        for filter in table.grant.iter().flat_map(|grant| &grant.value.publish) {
            let is_open = TopicFilter::widest(&filter.value).is_ok_and(|widest| topic::overlaps(&widest, &below));
            if is_open && !reading.is_full() {
                let problem = reading
                    .at(problem::Kind::Unsafe, &filter.span, "clients may publish below the quarantine topic")
                    .label(format!("it meets `{below}`: what is quarantined there can't be told from what they write"))
                    .help(format!("add a `[[deny]]` with `publish = [\"{below}\"]`"))
                    .warning();
                reading.report(problem);
            }
        }
    }
}
