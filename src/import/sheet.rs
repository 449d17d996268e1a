//! Access control as lists that are gone through in order, the first line that fits deciding: what `acl_file` and the
//! dynamic security plugin have in common.
//!
//! Not here: how such lists become rules without an order (`rules`).

use std::collections::BTreeSet;

use super::report::Place;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Action {
    Publish,
    Subscribe,
    Receive,
}

impl Action {
    pub(super) const ALL: [Self; 3] = [Self::Publish, Self::Subscribe, Self::Receive];
}

/// A line of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Topic Filters as a policy writes them.
    pub(super) filters: Vec<String>,
    /// Whether it gives, or takes.
    pub(super) allow: bool,
    /// What within it a line that takes leaves alone.
    pub(super) except: Vec<String>,
    /// Whether it reaches Shared Subscriptions too.
    pub(super) shared: bool,
    /// Where it stands.
    pub(super) place: Place,
}

impl Line {
    pub(super) fn new(filters: Vec<String>, allow: bool, place: &Place) -> Self {
        Self { filters, allow, except: Vec::new(), shared: false, place: place.clone() }
    }
}

/// Lines in the order in which they are tried, for each action.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct List {
    /// What it is called in the file.
    pub(super) name: String,
    /// What rules made of it begin with.
    pub(super) id: String,
    pub(super) publish: Vec<Line>,
    pub(super) subscribe: Vec<Line>,
    pub(super) receive: Vec<Line>,
}

impl List {
    pub(super) fn lines(&self, action: Action) -> &[Line] {
        match action {
            Action::Publish => &self.publish,
            Action::Subscribe => &self.subscribe,
            Action::Receive => &self.receive,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.publish.is_empty() && self.subscribe.is_empty() && self.receive.is_empty()
    }

    /// The filters that it gives.
    pub(super) fn given(&self, action: Action) -> impl Iterator<Item = &str> {
        self.lines(action).iter().filter(|line| line.allow).flat_map(|line| line.filters.iter().map(String::as_str))
    }
}

/// Clients that are treated alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Who {
    /// The user of this name.
    User(String),
    /// Those without a user name.
    Anonymous,
    /// All who are named nowhere.
    Others,
}

/// Who goes through which lists, in order.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    pub(super) who: Who,
    pub(super) lists: Vec<usize>,
}

/// Clients with names that rules can't be put right for: what they are denied, whatever lists give.
#[derive(Clone, Debug)]
pub(super) struct Strange {
    /// What of them is strange, by the name that policies use.
    pub(super) attribute: String,
    /// How it looks.
    pub(super) globs: Vec<String>,
    pub(super) publish: Vec<String>,
    pub(super) receive: Vec<String>,
}

impl Strange {
    pub(super) fn new(attribute: &str, globs: &[&str]) -> Self {
        let globs = globs.iter().map(|&glob| glob.to_owned()).collect();
        Self { attribute: attribute.to_owned(), globs, publish: Vec::new(), receive: Vec::new() }
    }

    pub(super) fn add(&mut self, filter: &str, publish: bool, receive: bool) {
        for (list, wanted) in [(&mut self.publish, publish), (&mut self.receive, receive)] {
            if wanted && !list.iter().any(|known| known == filter) {
                list.push(filter.to_owned());
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.publish.is_empty() && self.receive.is_empty()
    }
}

/// Everything that a source of access control says.
#[derive(Clone, Debug, Default)]
pub(super) struct Sheet {
    pub(super) lists: Vec<List>,
    pub(super) subjects: Vec<Subject>,
    /// Whether subscriptions are judged at all; if not, only deliveries are.
    pub(super) judges_subscriptions: bool,
    pub(super) strange: Vec<Strange>,
}

impl Sheet {
    /// The subjects that go through a list.
    pub(super) fn holders(&self, list: usize) -> impl Iterator<Item = &Subject> {
        self.subjects.iter().filter(move |subject| subject.lists.contains(&list))
    }
}

/// First levels that begin with `$` and are spoken of: wildcards do not reach them, so they are written out.
#[derive(Clone, Debug)]
pub(super) struct Words(BTreeSet<String>);

impl Words {
    /// Those that brokers use, and those of these filters.
    pub(super) fn of<'a>(filters: impl Iterator<Item = &'a str>) -> Self {
        let spoken = filters.map(first_level).filter(|level| level.starts_with('$') && !level.starts_with("$share"));
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
        if crate::mqtt::topic::covers(filter, BRIDGES) {
            Some(BRIDGES.to_owned())
        } else {
            crate::mqtt::topic::covers(BRIDGES, filter).then(|| filter.to_owned())
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
