//! Topic Filters of files, as a policy writes them.

use std::collections::BTreeSet;

use crate::mqtt::{Limits, topic};

/// One level of a filter that is being written.
#[derive(Clone, Debug)]
pub(super) struct Level {
    pub(super) text: String,
    pub(super) is_variable: bool,
}

impl Level {
    pub(super) fn text(text: &str) -> Self {
        Self { text: text.to_owned(), is_variable: false }
    }

    pub(super) fn variable(name: &str) -> Self {
        Self { text: name.to_owned(), is_variable: true }
    }

    /// Whether it would be read as something else, or not at all.
    fn is_unsayable(&self) -> bool {
        !self.is_variable
            && (self.text.contains("${") || topic::check_name(&format!("a{}", self.plain()), &limits()).is_err())
    }

    /// What stands for itself of it.
    fn plain(&self) -> &str {
        if matches!(self.text.as_str(), "+" | "#") { "" } else { &self.text }
    }
}

/// What a gateway of default settings takes in a packet.
fn limits() -> Limits {
    Limits::default()
}

/// A filter as a policy can say it.
pub(super) enum Said {
    /// As it is.
    Same(String),
    /// Not that; this is the least that can be said and that holds all of it.
    Wider(String),
}

/// Puts levels together.
pub(super) fn said(levels: Vec<Level>) -> Said {
    let mut is_same = true;
    let mut texts = Vec::with_capacity(levels.len());
    let mut bytes = 0;
    for level in levels {
        let limits = limits();
        bytes += level.text.len() + 1;
        if texts.len() + 1 >= limits.max_topic_levels || bytes >= limits.max_topic_bytes {
            texts.push("#".to_owned());
            is_same = false;
            break;
        }
        let is_unsayable = level.is_unsayable();
        is_same &= !is_unsayable;
        texts.push(if is_unsayable { "+".to_owned() } else { level.text });
    }
    let filter = texts.join("/");
    if is_same { Said::Same(filter) } else { Said::Wider(filter) }
}

/// First levels that begin with `$` and are spoken of: wildcards do not reach them, so they are written out.
#[derive(Clone, Debug)]
pub(super) struct Words(BTreeSet<String>);

impl Words {
    /// Those that brokers use, and those of these filters.
    pub(super) fn of<'a>(filters: impl Iterator<Item = &'a str>) -> Self {
        let spoken = filters.map(first_level).filter(|level| level.starts_with('$') && !level.starts_with("$share"));
        let spoken = spoken.filter(|level| !level.contains("${") && topic::check_name(level, &limits()).is_ok());
        let known = ["$SYS", "$CONTROL"].into_iter();
        Self(spoken.chain(known).map(str::to_owned).collect())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// A filter, and where it begins with a wildcard the same with each word in its place.
    pub(super) fn written_out(&self, filter: &str) -> Vec<String> {
        let mut all = vec![filter.to_owned()];
        if filter == "#" {
            all.extend(self.iter().map(|word| format!("{word}/#")));
        } else if let Some(rest) = filter.strip_prefix('+') {
            all.extend(self.iter().map(|word| format!("{word}{rest}")));
        }
        all
    }
}

/// What stands before the first `/`.
pub(super) fn first_level(filter: &str) -> &str {
    filter.split('/').next().unwrap_or(filter)
}

/// What a broker of this kind lets anybody publish of `filter`: of `$SYS` the state of bridges alone, of `$share` nothing.
pub(super) fn publishable(filter: &str) -> Option<String> {
    const BRIDGES: &str = "$SYS/broker/connection/+/state";
    let first = first_level(filter);
    if first.starts_with("$share") {
        None
    } else if first.starts_with("$SYS") {
        if topic::covers(filter, BRIDGES) {
            Some(BRIDGES.to_owned())
        } else {
            topic::covers(BRIDGES, filter).then(|| filter.to_owned())
        }
    } else {
        Some(filter.to_owned())
    }
}

/// The filter with `+` in place of each variable: all that it can become.
pub(super) fn widest(filter: &str) -> String {
    let levels = filter.split('/').map(|level| if level.contains("${") { "+" } else { level });
    levels.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_written_out_where_a_wildcard_stands_for_them() {
        let words = Words::of(["$x/y", "a/$z", "$share/g/a"].into_iter());
        assert_eq!(words.written_out("#"), ["#", "$CONTROL/#", "$SYS/#", "$x/#"]);
        assert_eq!(words.written_out("+/a"), ["+/a", "$CONTROL/a", "$SYS/a", "$x/a"]);
        assert_eq!(words.written_out("a/#"), ["a/#"]);
    }

    #[test]
    fn only_the_state_of_bridges_may_be_published_below_sys() {
        for (filter, expected) in [
            ("a/#", Some("a/#")),
            ("$SYS/#", Some("$SYS/broker/connection/+/state")),
            ("$SYS/broker/connection/x/state", Some("$SYS/broker/connection/x/state")),
            ("$SYS/broker/load", None),
            ("$SYSTEM/#", None),
            ("$share/g/a", None),
            ("$x/#", Some("$x/#")),
        ] {
            assert_eq!(publishable(filter).as_deref(), expected, "{filter}");
        }
        assert_eq!(widest("a/${client_id}/#"), "a/+/#");
    }
}
