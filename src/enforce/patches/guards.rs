//! What the patches stop.

use super::{Patch, Patches};
use crate::mqtt::connect::Connect;
use crate::policy::{Denial, Reason};

/// As many levels as Mosquitto takes since it has a limit.
const MAX_FILTER_LEVELS: usize = 200;

const WILDCARD_ID: Denial = Denial::limit(Patch::WildcardNames.cve(), Reason::ClientIdentifier);
const WILDCARD_NAME: Denial = Denial::limit(Patch::WildcardNames.cve(), Reason::UserName);
const MARKUP: Denial = Denial::limit(Patch::MarkupNames.cve(), Reason::ClientIdentifier);
const NO_PASSWORD: Denial = Denial::limit(Patch::NoPassword.cve(), Reason::BadCredentials);
const DOLLAR_TOPIC: Denial = Denial::limit(Patch::DollarTopics.cve(), Reason::Topic);
const DEEP_FILTER: Denial = Denial::limit(Patch::DeepFilters.cve(), Reason::Topic);

impl Patches {
    /// What refuses a CONNECT for what it says of itself.
    pub(in crate::enforce) fn refuse_connect(self, connect: &Connect<'_>) -> Option<Denial> {
        let username = connect.username.unwrap_or_default();
        let guards = [
            (Patch::WildcardNames, has_wildcard(connect.client_id), WILDCARD_ID),
            (Patch::WildcardNames, has_wildcard(username), WILDCARD_NAME),
            (Patch::MarkupNames, has_markup(connect.client_id), MARKUP),
            (Patch::NoPassword, connect.username.is_some() && connect.password.is_none(), NO_PASSWORD),
        ];
        guards.into_iter().find(|(patch, is_met, _)| *is_met && self.has(*patch)).map(|(.., denial)| denial)
    }

    /// What refuses a topic that a client publishes to.
    #[inline]
    pub(in crate::enforce) fn refuse_topic(self, topic: &str) -> Option<Denial> {
        if !self.has(Patch::DollarTopics) || !topic.starts_with('$') {
            return None;
        }
        let is_of_broker = topic.split('/').next() == Some("$SYS");
        (!is_of_broker).then_some(DOLLAR_TOPIC)
    }

    /// What refuses a Topic Filter.
    pub(in crate::enforce) fn refuse_filter(self, filter: &str) -> Option<Denial> {
        let is_deep = || filter.bytes().filter(|byte| *byte == b'/').count() >= MAX_FILTER_LEVELS;
        (self.has(Patch::DeepFilters) && is_deep()).then_some(DEEP_FILTER)
    }
}

/// Whether a name holds what matches more than itself once it stands in a pattern: `#`, or `+` where a level ends. In
/// the middle of a level Mosquitto's old matching takes `+` for a wildcard as well, and then never matches.
fn has_wildcard(name: &str) -> bool {
    name.contains('#') || name.split('/').any(|level| level.ends_with('+'))
}

/// Whether a name holds what opens a tag.
fn has_markup(name: &str) -> bool {
    let opens = |next: Option<char>| next.is_some_and(|next| next.is_ascii_alphabetic() || "/!?".contains(next));
    name.split('<').skip(1).any(|rest| opens(rest.chars().next()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_patterns_and_markup() {
        for (name, wildcard, markup) in [
            ("temp-07", false, false),
            ("ann+line3@example.com", false, false),
            ("a < b", false, false),
            ("a<3", false, false),
            ("+", true, false),
            ("#", true, false),
            ("a#b", true, false),
            ("a/+/b", true, false),
            ("x+", true, false),
            ("<script>", false, true),
            ("x</p>", false, true),
            ("<!--", false, true),
        ] {
            assert_eq!((has_wildcard(name), has_markup(name)), (wildcard, markup), "{name}");
        }
    }
}
