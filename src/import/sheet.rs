//! Access control as lists that are gone through in order, the first line that fits deciding: what `acl_file` and the
//! dynamic security plugin have in common.
//!
//! Not here: how such lists become rules without an order (`rules`).

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
    /// Whether it is for whoever comes, and not for those alone who are known now.
    pub(super) is_for_all: bool,
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
